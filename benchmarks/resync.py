"""A second sync after 1 % of a folder changed, beside the first sync of all of it, in one run.

    python -m benchmarks.resync FOLDER [--share 0.01] [--postgresql]

It works on a copy, in an empty home; both figures include parsing, embedding and index building.
"""

import argparse
import json
import shutil
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.cli.documents import running_jobs, wait_for
from app.db.sources import NewSource
from app.folders import find_files
from app.jobs import JobQueue
from app.observability import configure_logging
from app.settings import Settings, load_settings
from app.source_administration import add
from app.wiring import build_services
from benchmarks.homes import empty_home


def measure_resync(settings: Settings, folder: Path, *, share: float, postgresql: bool) -> dict[str, Any]:
    """Sync a copy of a folder, change a share of its files, and sync it again.

    Args:
        settings: Of this run; their home is not touched.
        folder: The documents.
        share: Of its files, spread evenly, that a paragraph is added to.
        postgresql: Whether the rows are in a PostgreSQL.
    """
    with tempfile.TemporaryDirectory() as copies, empty_home(settings, postgresql=postgresql) as home:
        copy = Path(copies) / "documents"
        shutil.copytree(folder, copy)
        with closing(build_services(home)) as services, closing(JobQueue(services)) as queue:
            services.encoder.encode_passages(["loading it is part of neither figure"])
            new = NewSource(kind="folder", name="measured", location=str(copy), options={})
            source_id = add(services.database, new, now=datetime.now(UTC)).id
            with running_jobs(services):
                full, first = _sync(queue, source_id)
                idle, _ = _sync(queue, source_id)
                _change(copy, share)
                again, second = _sync(queue, source_id)
    return {
        "documents": first["added"],
        "changed": second["updated"],
        "full build, s": round(full, 1),
        "sync with nothing changed, s": round(idle, 1),
        "sync after the change, s": round(again, 1),
        "full build / sync after the change": round(full / again, 1),
    }


def _sync(queue: JobQueue, source_id: str) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    result = wait_for(queue, queue.sync(source_id), lambda *_arguments: None)
    return time.perf_counter() - began, result


def _change(folder: Path, share: float) -> None:
    """Add a paragraph to some files, whatever they are: those that nothing reads are not counted."""
    files = [found.path for found in find_files([folder]) if found.problem is None]
    for number, path in enumerate(files[:: max(1, round(1 / share))]):
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n\nParagraph {number} of the change that is measured.\n")


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--postgresql", action="store_true", help="with the rows in a PostgreSQL")
    arguments = parser.parse_args()
    configure_logging("error")
    figures = measure_resync(
        load_settings(), arguments.folder, share=arguments.share, postgresql=arguments.postgresql
    )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

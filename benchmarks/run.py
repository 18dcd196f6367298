"""``make bench``: speed and memory, each beside what it is measured against, in one run on one machine.

    python -m benchmarks.run [--docs FOLDER] [--documents N] [--questions N] [--only NAME ...]

Absolute figures of shared machines mean little; the ratios are what counts. Without ``--docs`` the
documentation of Django is used, as in ``make demo``.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cli.output import out, print_table, progress_bars
from app.demo import django_docs
from app.models import fetch_models
from app.observability import configure_logging
from app.settings import Settings, calm_idle_threads, load_settings
from benchmarks.answering import measure_answers
from benchmarks.ingesting import measure_ingest
from benchmarks.pairs import measure_pairs
from benchmarks.searching import measure_search
from benchmarks.serving import measure_server

Measurement = Callable[[Settings, Path, int, int], dict[str, Any]]
MEASUREMENTS: dict[str, Measurement] = {
    "ingest": measure_ingest,
    "search": measure_search,
    "answers": measure_answers,
    "server": measure_server,
    "pairs": measure_pairs,
}


def main() -> None:
    """Run the measurements one after the other and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--docs", type=Path, help="folder of documents; Django's if not given")
    parser.add_argument(
        "--documents", type=int, default=0, help="documents ingested in 'ingest', pairs in 'pairs'; 0 for all"
    )
    parser.add_argument("--questions", type=int, default=5, help="questions answered in 'answers'")
    parser.add_argument("--only", nargs="*", choices=list(MEASUREMENTS), default=list(MEASUREMENTS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    calm_idle_threads()
    configure_logging("error")
    settings = load_settings()
    with progress_bars() as progress:
        fetch_models(settings, progress)
        docs = arguments.docs or django_docs(settings.home, progress)
    if arguments.docs is not None:  # other documents never join those of the demonstration
        own = settings.home / "benchmarks"
        settings = load_settings(home=own, models=settings.models_folder, database_url=None)
    results = {}
    for name in arguments.only:
        results[name] = MEASUREMENTS[name](settings, docs, arguments.documents, arguments.questions)
        if not arguments.json:
            print_table(name, ("figure", "value"), list(results[name].items()))
    if arguments.json:
        out.print_json(json.dumps(results))


if __name__ == "__main__":
    main()

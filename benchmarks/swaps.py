"""Index swaps under load: clients search and ask without pause while new indexes are built and go live.

    FOOTNOTE_HOME=<home with an index> python -m benchmarks.swaps [--times 10] [--postgresql]

The home is copied, so that nothing of it changes. Each build is that of one new document, by another process
than the server's, as with ``footnote worker`` on PostgreSQL. What counts as *swapping* are requests under way
in the ``--settle`` seconds after the build's command ended, soon after the pointer moved; those of that
moment count as *building*.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from app.cli.documents import ingest_files
from app.observability import configure_logging
from app.settings import load_settings
from app.wiring import Services, build_services
from benchmarks.clients import ADDRESSES, Asked, Clients, quantiles
from benchmarks.homes import copied_home
from benchmarks.serving import serving
from benchmarks.tuning import report_nothing

Span = tuple[float, float]


def main() -> None:
    """Print what the clients saw, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--asking", type=int, default=4, help="of them; the others search")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--before", type=float, default=60, help="seconds without builds at first")
    parser.add_argument("--settle", type=float, default=3)
    parser.add_argument("--postgresql", action="store_true", help="with the copy's rows in a PostgreSQL")
    arguments = parser.parse_args()
    configure_logging("error")
    with (
        copied_home(
            load_settings(), postgresql=arguments.postgresql, serve_jobs=False, answer_tokens=24
        ) as own,
        serving(own) as (address, _),
    ):
        kinds = ["answer"] * arguments.asking + ["search"] * (arguments.clients - arguments.asking)
        with closing(build_services(own)) as services:
            services.encoder.encode_passages(["loading it is no part of a build"])
            clients = Clients(address, kinds)
            began = time.monotonic()
            time.sleep(arguments.before)
            before = [(began, time.monotonic())]
            building, swapping = _swap(services, arguments.times, arguments.settle)
            print(json.dumps(_describe(clients.end(), before, building, swapping), indent=2))


def _swap(services: Services, times: int, settle: float) -> tuple[list[Span], list[Span]]:
    """Add a document and build, again and again: when builds ran, and when indexes were exchanged."""
    building: list[Span] = []
    swapping: list[Span] = []
    for number in range(times):
        file = services.settings.home / f"note-{number}.md"
        file.write_text(f"# Note {number}\n\nThe cluster was renamed to lyra-{number} on a Monday.\n")
        began = time.monotonic()
        ingest_files(services, [file], progress=report_nothing)
        moved = time.monotonic()
        building.append((began, moved))
        swapping.append((moved, moved + settle))
        time.sleep(2 * settle)
    return building, swapping


def _describe(
    asked: list[Asked], before: list[Span], building: list[Span], swapping: list[Span]
) -> dict[str, Any]:
    spans = {"before": before, "building": building, "swapping": swapping}
    figures: dict[str, Any] = {
        kind: {
            name: quantiles(one for one in asked if one.kind == kind and _overlaps(one, there))
            for name, there in spans.items()
        }
        for kind in ADDRESSES
    }
    for kind, times in figures.items():
        for name in ("building", "swapping"):
            if "p99, ms" in times[name] and "p99, ms" in times["before"]:
                ratio = times[name]["p99, ms"] / times["before"]["p99, ms"]
                figures[kind][f"p99 {name} / before"] = round(ratio, 2)
    figures["swaps"] = len(swapping)
    figures["indexes that answered"] = len({one.versions["index"] for one in asked if one.versions})
    figures["failed"] = dict(Counter(one.failure for one in asked if one.failure))
    return figures


def _overlaps(one: Asked, spans: Iterable[Span]) -> bool:
    return any(one.began < end and one.began + one.seconds > begin for begin, end in spans)


if __name__ == "__main__":
    main()

"""Promotions and rollbacks of a real server while clients ask without pause: failures, mixed versions.

    FOOTNOTE_HOME=<home with an index> python -m benchmarks.promotion --encoder run:ID [--times N]

The home is copied, so that nothing of it changes. The candidate has another encoder, and so another index: an
answer is mixed if its retriever or its index is not of the encoder of its release.
"""

import argparse
import json
import time
from collections import Counter
from contextlib import closing
from typing import Any

from app.db.indexes import list_indexes
from app.db.releases import list_releases
from app.observability import configure_logging
from app.releases import create_release, promote, roll_back
from app.settings import Settings, load_settings
from app.wiring import Services, build_services
from benchmarks.clients import Clients
from benchmarks.homes import copied_home
from benchmarks.serving import serving
from benchmarks.tuning import report_nothing


def main() -> None:
    """Print what the clients saw, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--encoder", required=True, help="that of the candidate")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=30, help="seconds between them")
    parser.add_argument("--times", type=int, default=3, help="promotions, each followed by a rollback")
    arguments = parser.parse_args()
    configure_logging("error")
    with (
        copied_home(load_settings(), answer_tokens=24) as own,
        serving(own) as (address, _process),
        closing(build_services(own)) as services,
    ):
        candidate = own.model_copy(update={"encoder": arguments.encoder})
        print(json.dumps(_measure(services, candidate, address, arguments), indent=2))


def _measure(
    services: Services, other: Settings, address: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    clients = Clients(address, ["answer"] * arguments.clients)
    candidate = create_release(services, other, note="measured", progress=report_nothing)
    for _ in range(arguments.times):
        time.sleep(arguments.pause)
        promote(services, candidate.id, reason="measured", forced=True, progress=report_nothing)
        time.sleep(arguments.pause)
        roll_back(services, None, reason="measured", progress=report_nothing)
    time.sleep(arguments.pause)
    asked = clients.end()
    seen = [one.versions for one in asked if one.failure is None]
    with services.database.reading() as session:
        vectors = {one.id: one.vectors for one in list_releases(session)}
        indexes = {one.id: one.encoder for one in list_indexes(session)}
    mixed = sum(
        not vectors[one["release"]] == one["retriever"] == indexes[one["index"]]
        for one in seen
        if one["release"] is not None
    )
    return {
        "moves": 2 * arguments.times,
        "answers": len(seen),
        "answers by release": dict(Counter(str(one["release"]) for one in seen)),
        "mixed": mixed,
        "failed": dict(Counter(one.failure for one in asked if one.failure)),
    }


if __name__ == "__main__":
    main()

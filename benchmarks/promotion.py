"""Promotions and rollbacks of a real server while clients ask without pause: failures, mixed versions.

    FOOTNOTE_HOME=<home with an index> python -m benchmarks.promotion --encoder run:ID [--times N]

The home is copied, so that nothing of it changes. The candidate has another encoder, and so another index: an
answer is mixed if its retriever or its index is not of the encoder of its release.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from app.db.indexes import list_indexes
from app.db.releases import list_releases
from app.releases import create_release, promote, roll_back
from app.settings import Settings, load_settings
from app.wiring import Services, build_services
from benchmarks.serving import serving
from benchmarks.tuning import report_nothing

QUESTIONS = ("What is it for?", "How do I configure it?", "What is the default?", "How do I run it?")
PAUSE_SECONDS = 3


def main() -> None:
    """Print what the clients saw, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--encoder", required=True, help="that of the candidate")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--times", type=int, default=3, help="promotions, each followed by a rollback")
    arguments = parser.parse_args()
    settings = load_settings()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(
            settings.home, home, ignore=shutil.ignore_patterns("evaluations", "training", "models")
        )
        own = load_settings(home=home, models=settings.models_folder, database_url=None, answer_tokens=24)
        with serving(own) as (address, _process), closing(build_services(own)) as services:
            candidate = own.model_copy(update={"encoder": arguments.encoder})
            print(json.dumps(_measure(services, candidate, address, arguments), indent=2))


class _Clients:
    """Threads that ask one question after the other, each over a connection of its own."""

    def __init__(self, address: str, number: int) -> None:
        self.seen: list[dict[str, Any]] = []
        self.failed: Counter[str] = Counter()
        self._address, self._done = address, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(place,)) for place in range(number)]
        for thread in self._threads:
            thread.start()

    def _ask(self, place: int) -> None:
        with httpx.Client(base_url=self._address, timeout=600, trust_env=False) as client:
            while not self._done.is_set():
                place += 1
                question = QUESTIONS[place % len(QUESTIONS)]
                try:
                    response = client.post("/v1/answers", json={"question": question})
                    response.raise_for_status()
                    self.seen.append(response.json()["versions"])
                except httpx.HTTPError as error:
                    self.failed[str(error)] += 1

    def end(self) -> None:
        """Let every question under way be answered."""
        self._done.set()
        for thread in self._threads:
            thread.join()


def _measure(
    services: Services, other: Settings, address: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    clients = _Clients(address, arguments.clients)
    candidate = create_release(services, other, note="measured", progress=report_nothing)
    for _ in range(arguments.times):
        time.sleep(PAUSE_SECONDS)
        promote(services, candidate.id, detail={"reason": "measured"}, forced=True, progress=report_nothing)
        time.sleep(PAUSE_SECONDS)
        roll_back(services, None, reason="measured", progress=report_nothing)
    time.sleep(PAUSE_SECONDS)
    clients.end()
    with services.database.reading() as session:
        vectors = {one.id: one.vectors for one in list_releases(session)}
        indexes = {one.id: one.encoder for one in list_indexes(session)}
    mixed = sum(
        not vectors[one["release"]] == one["retriever"] == indexes[one["index"]]
        for one in clients.seen
        if one["release"] is not None
    )
    return {
        "moves": 2 * arguments.times,
        "answers": len(clients.seen),
        "answers by release": dict(Counter(str(one["release"]) for one in clients.seen)),
        "mixed": mixed,
        "failed": dict(clients.failed),
    }


if __name__ == "__main__":
    main()

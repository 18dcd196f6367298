"""Ten minutes at a share of what the server can do at most: errors, latencies, memory.

    FOOTNOTE_HOME=<home with an index> python -m benchmarks.load [--minutes 10] [--share 0.8] [--postgresql]

First clients without pause show how many searches and answers a second the server gives at once. Then both
are sent at that share of these rates, evenly, whether earlier ones have ended or not; a latency begins when
the request was due. The home is copied, so that nothing of it changes.
"""

import argparse
import json
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

from app.observability import configure_logging
from app.settings import load_settings
from benchmarks.clients import ADDRESSES, Asked, Clients, ask, connect, quantiles
from benchmarks.homes import copied_home
from benchmarks.serving import resident_bytes, serving

SECONDS_WARMING = 15
SECONDS_OF_CAPACITY = 90
KINDS = ("answer", "search", "search", "search")
MOST_WAITING = 64


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--postgresql", action="store_true", help="with the copy's rows in a PostgreSQL")
    arguments = parser.parse_args()
    if arguments.minutes < 2:
        parser.error("--minutes: 2 at least, as memory is compared with that after the second")
    configure_logging("error")
    with (
        copied_home(load_settings(), postgresql=arguments.postgresql, answer_tokens=24) as own,
        serving(own) as (address, process),
    ):
        _ask_for(address, SECONDS_WARMING)
        rates = _rates(_ask_for(address, SECONDS_OF_CAPACITY), SECONDS_OF_CAPACITY)
        sent = {kind: rate * arguments.share for kind, rate in rates.items()}
        asked, memory = _load(address, process.pid, sent, arguments.minutes * 60)
    print(
        json.dumps(
            {
                "capacity, requests/s": {kind: round(rate, 2) for kind, rate in rates.items()},
                "sent, requests/s": {kind: round(rate, 2) for kind, rate in sent.items()},
                **{kind: quantiles(one for one in asked if one.kind == kind) for kind in ADDRESSES},
                "failed": dict(Counter(one.failure for one in asked if one.failure)),
                "resident memory at the end of each minute, MB": memory,
                "memory at the end / after the second minute": round(memory[-1] / memory[1], 3),
            },
            indent=2,
        )
    )


def _ask_for(address: str, seconds: float) -> list[Asked]:
    """What clients see in some seconds."""
    clients = Clients(address, KINDS)
    time.sleep(seconds)
    return clients.end()


def _rates(asked: list[Asked], seconds: float) -> dict[str, float]:
    ended = Counter(one.kind for one in asked if one.failure is None)
    longest = max(one.began + one.seconds for one in asked) - min(one.began for one in asked)
    return {kind: ended[kind] / max(seconds, longest) for kind in ADDRESSES}


def _load(address: str, pid: int, sent: dict[str, float], seconds: float) -> tuple[list[Asked], list[int]]:
    """Send on time; all requests, and the resident memory of each minute."""
    began = time.monotonic()
    due = dict.fromkeys(sent, began)
    memory: list[int] = []
    with connect(address) as client, ThreadPoolExecutor(MOST_WAITING) as pool:
        futures: list[Future[Asked]] = []
        while (now := time.monotonic()) < began + seconds:
            kind = min(due, key=lambda one: due[one])
            time.sleep(max(0.0, due[kind] - now))
            futures.append(pool.submit(ask, client, kind, len(futures), since=due[kind]))
            due[kind] += 1 / sent[kind]
            if time.monotonic() - began > 60 * (len(memory) + 1):
                memory.append(round(resident_bytes(pid) / 1e6))
        asked = [future.result() for future in futures]
    memory.append(round(resident_bytes(pid) / 1e6))
    return asked, memory


if __name__ == "__main__":
    main()

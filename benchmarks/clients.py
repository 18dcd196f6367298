"""Clients that ask a server over HTTP, one question after the other, and what they saw."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

QUESTIONS = (
    "How do I configure it?",
    "What is the default?",
    "How do I run a single test?",
    "Which versions are supported?",
    "How do I delete an object?",
    "What does this setting mean?",
)
ADDRESSES = {"search": "/v1/search", "answer": "/v1/answers"}
LONGEST_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request.

    Attributes:
        kind: ``search`` or ``answer``.
        began: When it was sent, in seconds of `time.monotonic`.
        seconds: Until its response was there.
        failure: What went wrong, or None.
        versions: What an answer was made with.
    """

    kind: str
    began: float
    seconds: float
    failure: str | None
    versions: dict[str, Any]


class Clients:
    """Threads that ask without pause, each over a connection of its own.

    Attributes:
        asked: All requests that have ended, in any order.

    Args:
        address: Of the server.
        kinds: What each client asks for: ``search`` or ``answer``.
    """

    def __init__(self, address: str, kinds: Sequence[str]) -> None:
        self.asked: list[Asked] = []
        self._address, self._done = address, threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(place, kind)) for place, kind in enumerate(kinds)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, place: int, kind: str) -> None:
        with connect(self._address) as client:
            while not self._done.is_set():
                place += 1
                self.asked.append(ask(client, kind, place, since=time.monotonic()))

    def end(self) -> list[Asked]:
        """Let every question under way be answered."""
        self._done.set()
        for thread in self._threads:
            thread.join()
        return self.asked


def connect(address: str) -> httpx.Client:
    """A client that waits long."""
    return httpx.Client(base_url=address, timeout=LONGEST_SECONDS, trust_env=False)


def ask(client: httpx.Client, kind: str, number: int, *, since: float) -> Asked:
    """Ask one of the questions; ``since`` is when it should have been asked."""
    versions: dict[str, Any] = {}
    failure = None
    try:
        question = QUESTIONS[number % len(QUESTIONS)]
        response = client.post(ADDRESSES[kind], json={"question": question})
        response.raise_for_status()
        versions = response.json().get("versions", {})
    except httpx.HTTPError as error:
        failure = str(error)
    return Asked(kind=kind, began=since, seconds=time.monotonic() - since, failure=failure, versions=versions)


def quantiles(asked: Iterable[Asked]) -> dict[str, float | int]:
    """How many there were, and their median and 99th percentile in milliseconds."""
    seconds = [one.seconds for one in asked if one.failure is None]
    if not seconds:
        return {"requests": 0}
    p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1000
    return {"requests": len(seconds), "p50, ms": round(float(p50)), "p99, ms": round(float(p99))}

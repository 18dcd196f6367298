"""Who may use a model next: people who wait come before work in the background."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from generator.errors import Stopped

_POLL_SECONDS = 0.1


class Turns:
    """One user of a model at a time. Safe to share between threads.

    Background work gets a turn only while nobody else uses the model or waits for it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_taken = False
        self._people_waiting = 0

    def locked(self) -> bool:
        """Whether somebody has the turn."""
        return self._is_taken

    @contextmanager
    def for_a_person(self, stop: Callable[[], bool]) -> Iterator[bool]:
        """The turn for as long as it is held; false for who was told to stop while waiting.

        Args:
            stop: Asked every tenth of a second of waiting.
        """
        with self._changed:
            self._people_waiting += 1
        try:
            taken = self._take(lambda: not self._is_taken, stop)
        finally:
            with self._changed:
                self._people_waiting -= 1
                self._changed.notify_all()
        try:
            yield taken
        finally:
            if taken:
                self._give_back()

    @contextmanager
    def for_background_work(self, stop: Callable[[], bool]) -> Iterator[None]:
        """The turn when nobody else wants it; to be held for seconds at most.

        Args:
            stop: Asked before the turn is taken, and every tenth of a second of waiting.

        Raises:
            Stopped: If `stop` says yes.
        """
        if stop() or not self._take(lambda: not self._is_taken and not self._people_waiting, stop):
            raise Stopped
        try:
            yield
        finally:
            self._give_back()

    def _take(self, is_free: Callable[[], bool], stop: Callable[[], bool]) -> bool:
        """Wait for the turn; `stop` is asked outside the lock, it may be slow."""
        while True:
            with self._changed:
                if self._changed.wait_for(is_free, timeout=_POLL_SECONDS):
                    self._is_taken = True
                    return True
            if stop():
                return False

    def _give_back(self) -> None:
        with self._changed:
            self._is_taken = False
            self._changed.notify_all()

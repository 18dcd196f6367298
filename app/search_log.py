"""Searches on their way to the record, so that no search waits for the database."""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.db.searches import SearchRecord, add_searches, remove_searches
from app.db.session import DATABASE_AWAY, Database
from app.failures import name_failure
from app.observability import logger

WRITING_SECONDS = 0.5
TIDYING_SECONDS = 3600.0
CAPACITY = 10_000  # searches that may wait: some minutes of a database that is away, a few megabytes


class SearchLog:
    """Takes in records of searches at once and writes them in batches, from a thread of its own.

    Records that the database can't take at the moment wait; when too many do, further ones are dropped.
    The same thread removes old searches that nobody interacted with.

    Args:
        database: Where they go.
        kept: Age at which a search without interactions is removed.
        capacity: Most records that wait.
    """

    def __init__(self, database: Database, *, kept: timedelta, capacity: int = CAPACITY) -> None:
        self._database = database
        self._kept = kept
        self._capacity = capacity
        self._waiting: deque[SearchRecord] = deque()
        self._dropped = 0
        self._changing = threading.Lock()  # held for microseconds: a search takes it
        self._writing = threading.Lock()  # held while the database works
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    @property
    def dropped(self) -> int:
        """How many records were lost since the start."""
        return self._dropped

    def start(self) -> None:
        """Begin to write in the background."""
        self._thread = threading.Thread(target=self._run, name="search-log", daemon=True)
        self._thread.start()

    def record(self, search: SearchRecord) -> bool:
        """Take a record in, without waiting for the database; False if it was dropped."""
        with self._changing:
            if len(self._waiting) < self._capacity:
                self._waiting.append(search)
                return True
            self._dropped += 1
            return False

    def flush(self) -> None:
        """Write what was recorded before this call.

        Raises:
            DATABASE_AWAY: One of them, if the database does not answer; the records wait on.
        """
        with self._writing:
            with self._changing:
                batch = list(self._waiting)
            if not batch:
                return
            lost = 0
            try:
                with self._database.writing() as session:
                    add_searches(session, batch)
            except DATABASE_AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - what can't be written must not hold up what can
                lost = len(batch)
                logger().error("searches_lost", count=lost, reason=name_failure(error))
            with self._changing:
                self._dropped += lost
                for _ in batch:
                    self._waiting.popleft()

    def tidy(self, *, now: datetime) -> int:
        """Remove the searches that are old and that nobody interacted with; how many."""
        removed = 0
        while not self._stopping.is_set():
            with self._database.writing() as session:
                some = remove_searches(session, before=now - self._kept)
            removed += some
            if not some:
                break
        if removed:
            logger().info("searches_removed", count=removed)
        return removed

    def close(self) -> None:
        """Stop the thread, and write what is left if the database takes it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._attempt(self.flush)

    def _run(self) -> None:
        tidied, reported = -TIDYING_SECONDS, 0
        while not self._stopping.wait(WRITING_SECONDS):
            self._attempt(self.flush)
            if time.monotonic() - tidied >= TIDYING_SECONDS:
                tidied = time.monotonic()
                self._attempt(lambda: self.tidy(now=datetime.now(UTC)))
            if self._dropped > reported:
                reported = self._dropped
                logger().warning("searches_dropped", count=reported)

    def _attempt(self, work: Callable[[], object]) -> None:
        """Work whose failure is told once, until it goes well again. An error's words may hold questions."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread goes on, whatever the database does
            if not self._failing:
                logger().error("search_log_failed", reason=name_failure(error))
            self._failing = True
        else:
            self._failing = False

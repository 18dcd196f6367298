"""A thread beside the job engine: it sees when a job is cancelled and when another process has died."""

import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence

from app.db.jobs import forget_workers, give_sign, seconds_silent
from app.db.session import Database
from app.failures import name_failure
from app.job_runs import JobRun, JobRuns
from app.observability import logger

WATCH_SECONDS = 1.0
TENDING_SECONDS = 60.0


class JobWatch:
    """Looks once a second at the runs of this process and, on PostgreSQL, at the other processes.

    Args:
        runs: Those of this process.
        lost_runs: Which of these are no longer this process's: cancelled, or taken over.
        takeover: Sees to the other processes, where there may be any.
        tend: Done once a minute: sees to versions that nobody was handed, and to jobs that nothing runs.
    """

    def __init__(
        self,
        runs: JobRuns,
        *,
        lost_runs: Callable[[Sequence[JobRun]], Collection[JobRun]],
        takeover: "Takeover | None",
        tend: Callable[[], object],
    ) -> None:
        self._runs = runs
        self._lost_runs = lost_runs
        self._takeover = takeover
        self._tend = tend
        self._tended = time.monotonic()
        self._ended = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._watch, name="job-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watching."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the thread goes on, whatever the database does
                if not self._failing:
                    logger().error("job_watch_failed", reason=name_failure(error))
                self._failing = True
            else:
                self._failing = False

    def _look(self) -> None:
        if self._takeover is not None:
            self._takeover.look()
        runs = self._runs.under_way()
        for run in runs:
            run.flush()
        for run in self._lost_runs(runs) if runs else ():
            run.stop()
        if time.monotonic() - self._tended > TENDING_SECONDS:
            self._tended = time.monotonic()
            self._tend()


class Takeover:
    """Gives signs of life of this process, and takes over the jobs of those that give none.

    After a gap in its own signs it judges nobody for as long as a silence may last: when the database comes
    back, all processes seem dead to each other.

    Args:
        database: Where the signs are.
        worker_id: This process.
        silence_seconds: After how long without a sign a process is dead.
        running: The processes that jobs are running in, by the job engine.
        take_over: Hands the running jobs of these processes out again.
    """

    def __init__(
        self,
        database: Database,
        worker_id: str,
        *,
        silence_seconds: float,
        running: Callable[[], set[str]],
        take_over: Callable[[list[str]], object],
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._silence_seconds = silence_seconds
        self._running = running
        self._take_over = take_over
        self._signs_since = self._last_sign = float("-inf")

    def give_sign(self) -> None:
        """Tell the other processes that this one is alive."""
        with self._database.writing() as session:
            give_sign(session, self._worker_id, host=socket.gethostname())
        now = time.monotonic()
        if now - self._last_sign > self._silence_seconds:
            self._signs_since = now
        self._last_sign = now

    def look(self) -> None:
        """Give a sign, and take over what dead processes left."""
        self.give_sign()
        running = self._running()  # before the signs are read: a process signs before it takes a job
        with self._database.reading() as session:
            silent = seconds_silent(session)
        is_sure = time.monotonic() - self._signs_since > self._silence_seconds
        dead = {worker for worker, seconds in silent.items() if seconds > self._silence_seconds and is_sure}
        gone = (running - silent.keys()) | dead
        if not gone:
            return
        logger().warning("jobs_taken_over", workers=len(gone))
        self._take_over(sorted(gone))
        with self._database.writing() as session:
            forget_workers(session, sorted(gone))

    def leave(self) -> None:
        """Tell the other processes that they may take over at once."""
        with self._database.writing() as session:
            forget_workers(session, [self._worker_id])

"""The runs of jobs that are under way in this process: their steps, retries, log lines, and how they stop."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.db.jobs import KEPT_LINES, LogLine, add_log, begin_step
from app.db.session import Database
from app.failures import is_temporary, name_failure, retry_temporary
from app.metrics import Metrics
from app.observability import bound, kept_lines, logger
from app.tracing import step_span
from app.workflows import Stopping

T = TypeVar("T")

LONGEST_FIELD = 200  # characters of a kept line's text fields
_OWN_FIELDS = {"timestamp", "level", "event", "job_id", "kind", "request_id"}  # the job or a column says it


class StepFailed(Exception):
    """A step failed for good, in the words of what it failed with.

    It stands for that error because it is recorded: not every error can be read back by another process.
    """


class JobRun:
    """One run of a job in this process: after a crash or a retry, another one goes on.

    Args:
        database: Where its log lines go.
        metrics: Of this process.
        job_id: The job.
        kind: What it does.
        steps: Counts the steps under way in this process.
    """

    def __init__(
        self, database: Database, metrics: Metrics, job_id: str, kind: str, steps: "_StepsUnderWay"
    ) -> None:
        self.job_id = job_id
        self._kind = kind
        self._database = database
        self._metrics = metrics
        self._steps = steps
        self._stopping = threading.Event()
        self._lines: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._flushing = threading.Lock()
        self._is_silenced = False

    def stop(self) -> None:
        """End the step under way at its next report, and let no other begin."""
        self._stopping.set()

    def is_stopping(self) -> bool:
        """Whether this run is to end before the job has."""
        return self._stopping.is_set()

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Do a step's work, again after a pause while it fails for what is temporary.

        Raises:
            Stopping: If the run is to end.
            StepFailed: If the failure is permanent or does not pass.
        """
        with self._steps.counted(), bound(job_id=self.job_id, step=name):
            began, outcome = time.perf_counter(), "failed"
            try:
                with kept_lines(self._keep), step_span(name):
                    result = self._try(name, work)
                outcome = "ended"
            except Stopping:
                outcome = "stopped"
                raise
            finally:
                seconds = time.perf_counter() - began
                self._metrics.observe_step(kind=self._kind, step=name, outcome=outcome, seconds=seconds)
            logger().info("step_ended", seconds=round(seconds, 3))
            return result

    def _try(self, name: str, work: Callable[[], T]) -> T:
        def failed(error: Exception, seconds: float) -> None:
            logger().warning("step_retried", reason=name_failure(error), pause_seconds=seconds)
            self._metrics.count_retry(kind=self._kind, step=name)

        try:
            return retry_temporary(lambda: self._begin(name, work), pause=self._pause, failed=failed)
        except Exception as error:
            logger().error("step_failed", reason=name_failure(error), temporary=is_temporary(error))
            raise StepFailed(str(error) or type(error).__name__) from error
        finally:
            self.flush()

    def _begin(self, name: str, work: Callable[[], T]) -> T:
        self._check()
        with self._database.writing() as session:
            begin_step(session, self.job_id, name, now=datetime.now(UTC))
        return work()

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self.is_stopping():
            raise Stopping

    def _keep(self, line: Mapping[str, Any]) -> None:
        self._lines.append(
            LogLine(
                at=datetime.fromisoformat(line["timestamp"]),
                level=line["level"],
                event=str(line["event"])[:80],
                fields={key: _short(value) for key, value in line.items() if _is_kept(key, value)},
            )
        )

    def flush(self) -> None:
        """Write the lines that were logged since; they wait on if the database does not take them.

        That it does not is logged once, and not every second.
        """
        with self._flushing:
            lines = list(self._lines)
            if not lines:
                return
            try:
                with self._database.writing() as session:
                    add_log(session, self.job_id, lines)
            except Exception as error:  # noqa: BLE001 - a log that can't be written must not fail the job
                if not self._is_silenced:
                    with kept_lines(lambda _line: None):
                        reason = name_failure(error)
                        logger().warning("job_log_not_written", job_id=self.job_id, reason=reason)
                self._is_silenced = True
                return
            self._is_silenced = False
            for _ in lines:
                self._lines.popleft()


def _is_kept(key: str, value: object) -> bool:
    """Plain values only: a traceback or a structure could hold the text of a document."""
    return key not in _OWN_FIELDS and isinstance(value, str | int | float | bool)


def _short(value: object) -> object:
    return value[:LONGEST_FIELD] if isinstance(value, str) else value


class _StepsUnderWay:
    """How many steps are under way in this process."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def wait_for_none(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)


class JobRuns:
    """Every run under way in this process. Safe to share between threads."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics
        self._runs: set[JobRun] = set()
        self._steps = _StepsUnderWay()
        self._changing = threading.Lock()
        self._stopping = False

    @contextmanager
    def begin(self, job_id: str, kind: str) -> Iterator[JobRun]:
        """A run of a job of this kind, which ends with the block."""
        run = JobRun(self._database, self._metrics, job_id, kind, self._steps)
        with self._changing:
            if self._stopping:
                run.stop()
            self._runs.add(run)
        try:
            yield run
        finally:
            with self._changing:
                self._runs.discard(run)

    def under_way(self) -> list[JobRun]:
        """The runs of this moment."""
        with self._changing:
            return list(self._runs)

    def stop(self, *, seconds: float) -> bool:
        """Stop every run and let none begin; whether the steps under way ended within so many seconds."""
        with self._changing:
            self._stopping = True
            for run in self._runs:
                run.stop()
        return self._steps.wait_for_none(seconds)

"""Jobs as the rest of the program sees them: what starts them, what is shown of them, what they refuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from app.db.jobs import LogLine, Progress

JobState = Literal["waiting", "running", "succeeded", "failed", "cancelled", "dismissed"]
StepState = Literal["running", "succeeded", "failed"]

SHOWN_STEPS = 200  # newest steps of a job that are shown; compiling pairs can have thousands


class JobNotFound(Exception):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r}; GET /v1/jobs lists them")


class JobUnderWay(Exception):
    """Only a job that has ended can be retried or dismissed."""

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} is {state}; cancel it first, or wait until it has ended")


class JobEnded(Exception):
    """A job has ended in a way that leaves nothing to do."""

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(
            f"job {job_id} is {state}: only jobs that wait or run can be cancelled, only failed or cancelled "
            "ones retried, and only failed ones dismissed"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job: what it is, its state, and how far it is within its stage."""

    id: str
    kind: str
    state: JobState
    stage: str
    done: int
    total: int
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step of a job; ``ended_at`` is None while it runs."""

    name: str
    state: StepState
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """The newest steps of a job, how many came before these, and the newest lines that it logged."""

    steps: Sequence[StepView]
    earlier_steps: int
    log: Sequence[LogLine]


class Jobs(Protocol):
    """Work in the background, as the rest of the program sees it."""

    def ingest(self, versions: Sequence[tuple[str, int]]) -> str:
        """Start parsing, embedding and indexing document versions; the job's id."""
        ...

    def reindex(self, job_id: str | None = None) -> str:
        """Start bringing the index up to date, as the job of this id if there is none yet; the job's id."""
        ...

    def sync(self, source_id: str, job_id: str | None = None) -> str:
        """Start syncing a source, or join the sync of it that waits or runs already; the job's id."""
        ...

    def build_pairs(self, *, write: int | None, after: str | None = None) -> str:
        """Start compiling QA pairs, once the job ``after`` has ended; the job's id."""
        ...

    def make_release(self, *, encoder: str | None, generator: str | None, note: str) -> str:
        """Start recording a candidate; the job's id."""
        ...

    def promote(self, release_id: str, gate: Any, *, reason: str | None) -> str:
        """Start promoting a release; ``gate`` is `app.model_workflows.GateOptions`, or None to pass it by."""
        ...

    def tune_retriever(self, options: Mapping[str, Any]) -> str:
        """Start tuning the encoder on this home; the job's id."""
        ...

    def get(self, job_id: str) -> JobView:
        """One job; raises `JobNotFound`."""
        ...

    def recent(
        self, *, limit: int, state: JobState | None = None, kinds: list[str] | None = None
    ) -> list[JobView]:
        """The newest jobs first, of all kinds if None; without a state, those that failed before others."""
        ...

    def details(self, job_id: str) -> JobDetails:
        """The steps of a job and what it logged; raises `JobNotFound`."""
        ...

    def cancel(self, job_id: str) -> JobView:
        """End a job before it is done; raises `JobNotFound` or `JobEnded`."""
        ...

    def retry(self, job_id: str) -> JobView:
        """Go on with a failed or cancelled job; raises `JobNotFound`, `JobUnderWay` or `JobEnded`."""
        ...

    def dismiss(self, job_id: str) -> JobView:
        """Take note of a failed job; raises `JobNotFound`, `JobUnderWay` or `JobEnded`."""
        ...

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many jobs there are by kind and state: waiting, running, and failed."""
        ...


def moment(milliseconds: int | None) -> datetime | None:
    """A time of the job engine."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def job_details(
    recorded: Sequence[StepView], progress: Progress, log: Sequence[LogLine], *, state: JobState
) -> JobDetails:
    """The details of a job in this state.

    Args:
        recorded: The steps that have ended, in their order; the job engine does not record how.
        progress: Names the step that was begun last.
        log: What the job logged.
        state: The job's. Where it failed, its last step did.
    """
    steps = list(recorded)
    if steps and state in {"failed", "dismissed"}:
        steps[-1] = replace(steps[-1], state="failed")
    begun, ended = progress.step_began_at, steps[-1].ended_at if steps else None
    is_new = begun is not None and (ended is None or begun > ended)
    if state == "running" and progress.step is not None and is_new:
        steps.append(StepView(name=progress.step, state="running", started_at=begun, ended_at=None))
    return JobDetails(steps=steps[-SHOWN_STEPS:], earlier_steps=max(0, len(steps) - SHOWN_STEPS), log=log)

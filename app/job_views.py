"""What is shown of a job beside its progress: its state, its steps, what it logged, and what it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from app.db.jobs import LogLine, Progress

JobState = Literal["waiting", "running", "succeeded", "failed", "cancelled", "dismissed"]
StepState = Literal["running", "succeeded", "failed"]

SHOWN_STEPS = 200  # newest steps of a job that are shown; compiling pairs can have thousands


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

"""How far jobs are. Their state is the job engine's."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import JobProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``done`` of ``total`` within a stage."""

    stage: str = "waiting"
    done: int = 0
    total: int = 0


def set_progress(session: Session, job_id: str, stage: str, done: int, total: int) -> None:
    """Record how far a job is."""
    session.merge(JobProgress(job_id=job_id, stage=stage, done=done, total=total))


def get_progress(session: Session, job_ids: Sequence[str]) -> dict[str, Progress]:
    """Progress of those jobs that have begun."""
    rows = session.scalars(select(JobProgress).where(JobProgress.job_id.in_(job_ids)))
    return {row.job_id: Progress(stage=row.stage, done=row.done, total=row.total) for row in rows}

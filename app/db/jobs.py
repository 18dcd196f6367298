"""How far jobs are, what they log, and which processes run them. Their state is the job engine's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.db.tables import JobLog, JobProgress, JobWorker

KEPT_LINES = 200  # newest log lines that are kept of each job


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``done`` of ``total`` within a stage, and the step that was begun last."""

    stage: str = "waiting"
    done: int = 0
    total: int = 0
    step: str | None = None
    step_began_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """What a job logged: an event and its fields, never the text of a document."""

    at: datetime
    level: str
    event: str
    fields: Mapping[str, Any]


def set_progress(session: Session, job_id: str, stage: str, done: int, total: int) -> None:
    """Record how far a job is."""
    session.merge(JobProgress(job_id=job_id, stage=stage, done=done, total=total))


def begin_step(session: Session, job_id: str, step: str, *, now: datetime) -> None:
    """Record the step that a job is at."""
    row = session.get(JobProgress, job_id)
    if row is None:
        row = JobProgress(job_id=job_id, stage="waiting", done=0, total=0)
        session.add(row)
    row.step, row.step_began_at = step, now


def get_progress(session: Session, job_ids: Sequence[str]) -> dict[str, Progress]:
    """Progress of those jobs that have begun."""
    rows = session.scalars(select(JobProgress).where(JobProgress.job_id.in_(job_ids)))
    return {
        row.job_id: Progress(
            stage=row.stage, done=row.done, total=row.total, step=row.step, step_began_at=row.step_began_at
        )
        for row in rows
    }


def add_log(session: Session, job_id: str, lines: Sequence[LogLine]) -> None:
    """Keep lines that a job logged; of each job the newest `KEPT_LINES` stay."""
    session.add_all(
        JobLog(job_id=job_id, at=line.at, level=line.level, event=line.event, fields=dict(line.fields))
        for line in lines
    )
    session.flush()
    of_job = select(JobLog.id).where(JobLog.job_id == job_id)
    newest_gone = session.scalar(of_job.order_by(JobLog.id.desc()).offset(KEPT_LINES).limit(1))
    if newest_gone is not None:
        session.execute(delete(JobLog).where(JobLog.job_id == job_id, JobLog.id <= newest_gone))


def get_log(session: Session, job_id: str) -> list[LogLine]:
    """What is kept of a job's log, oldest line first."""
    rows = session.scalars(select(JobLog).where(JobLog.job_id == job_id).order_by(JobLog.id))
    return [LogLine(at=row.at, level=row.level, event=row.event, fields=row.fields) for row in rows]


def give_sign(session: Session, worker_id: str, *, host: str) -> None:
    """Record that a process runs jobs, now by the clock of the database."""
    now = session.scalar(select(func.now()))
    session.merge(JobWorker(id=worker_id, host=host, seen_at=now))


def seconds_silent(session: Session) -> dict[str, float]:
    """For how long each process that runs jobs gave no sign, by the clock of the database."""
    now = session.execute(select(func.now())).scalar_one()
    return {row.id: (now - row.seen_at).total_seconds() for row in session.scalars(select(JobWorker))}


def forget_workers(session: Session, worker_ids: Sequence[str]) -> None:
    """Forget processes that no longer run jobs."""
    session.execute(delete(JobWorker).where(JobWorker.id.in_(worker_ids)))

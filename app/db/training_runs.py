"""Models that were tuned here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import TrainingRun, new_id

Kind = Literal["retriever", "reranker", "generator", "joint"]
State = Literal["running", "done", "failed"]


class TrainingRunNotFound(Exception):
    """No training run has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"no training run {run_id!r}; footnote tune list shows them")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRunView:
    """A training run; see `app.db.tables.TrainingRun`."""

    id: str
    created_at: datetime
    ended_at: datetime | None
    kind: str
    state: str
    base: str
    fingerprint: str | None
    report: dict[str, Any]
    error: str | None


def begin_run(session: Session, kind: Kind, *, base: str, report: Mapping[str, Any], now: datetime) -> str:
    """Record that a run began; its id.

    Args:
        session: In a transaction for writing.
        kind: What is tuned.
        base: Fingerprint of the model that it begins from.
        report: Its manifest so far; ``key`` in it names all that decides the result.
        now: Time of the beginning.
    """
    row = TrainingRun(
        id=new_id("trn"), created_at=now, kind=kind, state="running", base=base, report=dict(report)
    )
    session.add(row)
    return row.id


def end_run(
    session: Session,
    run_id: str,
    *,
    state: Literal["done", "failed"],
    report: Mapping[str, Any] | None = None,
    fingerprint: str | None = None,
    error: str | None = None,
    now: datetime,
) -> None:
    """Record how a run ended; a report replaces that of the beginning."""
    row = session.get_one(TrainingRun, run_id)
    row.state, row.fingerprint, row.error, row.ended_at = state, fingerprint, error, now
    if report is not None:
        row.report = dict(report)


def get_run(session: Session, run_id: str) -> TrainingRunView:
    """One run.

    Raises:
        TrainingRunNotFound: If there is none of this id.
    """
    row = session.get(TrainingRun, run_id)
    if row is None:
        raise TrainingRunNotFound(run_id)
    return _view(row)


def list_runs(
    session: Session, *, kind: Kind | None = None, state: State | None = None, limit: int = 50
) -> list[TrainingRunView]:
    """The newest runs first."""
    query = select(TrainingRun).order_by(TrainingRun.created_at.desc(), TrainingRun.id).limit(limit)
    if kind is not None:
        query = query.where(TrainingRun.kind == kind)
    if state is not None:
        query = query.where(TrainingRun.state == state)
    return [_view(row) for row in session.scalars(query)]


def _view(row: TrainingRun) -> TrainingRunView:
    return TrainingRunView(
        id=row.id,
        created_at=row.created_at,
        ended_at=row.ended_at,
        kind=row.kind,
        state=row.state,
        base=row.base,
        fingerprint=row.fingerprint,
        report=row.report,
        error=row.error,
    )

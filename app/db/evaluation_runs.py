"""Evaluations that were made, each with its whole report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import EvaluationRun, new_id

SUMMARY = "summary"  # the part of a report that a list shows


class EvaluationNotFound(Exception):
    """No evaluation run has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"no evaluation run {run_id!r}; footnote evaluate list shows them")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationView:
    """An evaluation run; see `app.db.tables.EvaluationRun`."""

    id: str
    created_at: datetime
    suite: str
    subject: dict[str, Any]
    report: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSummary:
    """An evaluation run as a list shows it."""

    id: str
    created_at: datetime
    suite: str
    subject: dict[str, Any]
    summary: dict[str, Any]


def add_evaluation(
    session: Session, *, suite: str, subject: Mapping[str, Any], report: Mapping[str, Any], now: datetime
) -> str:
    """Record an evaluation; its id.

    Args:
        session: In a transaction for writing.
        suite: Name of what was asked.
        subject: What was evaluated.
        report: JSON; its member `SUMMARY` is what a list shows.
        now: When it was made.
    """
    row = EvaluationRun(
        id=new_id("evl"), created_at=now, suite=suite, subject=dict(subject), report=dict(report)
    )
    session.add(row)
    return row.id


def get_evaluation(session: Session, run_id: str) -> EvaluationView:
    """One evaluation run.

    Raises:
        EvaluationNotFound: If there is none of this id.
    """
    row = session.get(EvaluationRun, run_id)
    if row is None:
        raise EvaluationNotFound(run_id)
    return EvaluationView(
        id=row.id, created_at=row.created_at, suite=row.suite, subject=row.subject, report=row.report
    )


def list_evaluations(
    session: Session, *, suite: str | None = None, limit: int = 50
) -> list[EvaluationSummary]:
    """The newest evaluation runs first, of one suite or of all."""
    query = (
        select(
            EvaluationRun.id,
            EvaluationRun.created_at,
            EvaluationRun.suite,
            EvaluationRun.subject,
            EvaluationRun.report[SUMMARY].label(SUMMARY),
        )
        .order_by(EvaluationRun.created_at.desc(), EvaluationRun.id)
        .limit(limit)
    )
    if suite is not None:
        query = query.where(EvaluationRun.suite == suite)
    return [
        EvaluationSummary(
            id=row.id, created_at=row.created_at, suite=row.suite, subject=row.subject, summary=row.summary
        )
        for row in session.execute(query)
    ]

"""What readers said of answers, and the questions that went badly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.answers import AnswerNotFound
from app.db.tables import Answer, Interaction, new_id

Thumb = Literal["up", "down"]


def add_interaction(
    session: Session, answer_id: str, thumb: Thumb, comment: str | None, *, now: datetime
) -> str:
    """Record a thumb for an answer; its id.

    Raises:
        AnswerNotFound: If there is no such answer.
    """
    if session.get(Answer, answer_id) is None:
        raise AnswerNotFound(answer_id)
    row = Interaction(
        id=new_id("int"), created_at=now, kind="thumb", answer_id=answer_id, thumb=thumb, comment=comment
    )
    session.add(row)
    return row.id


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedQuestion:
    """A question as it was asked, whose answers were refusals or got a thumb down.

    Attributes:
        question: Its words.
        refused: How often it was refused.
        disliked: How often an answer to it got a thumb down.
        failed: How often either.
        last_asked: When it was asked last.
    """

    question: str
    refused: int
    disliked: int
    failed: int
    last_asked: datetime


def failed_questions(session: Session, *, limit: int) -> Sequence[FailedQuestion]:
    """The questions that went badly, the last asked first, each wording once."""
    disliked = exists().where(Interaction.answer_id == Answer.id, Interaction.thumb == "down")
    rows = session.execute(
        select(
            Answer.question,
            func.count().filter(Answer.status == "abstained"),
            func.count().filter(disliked),
            func.count(),
            func.max(Answer.created_at),
        )
        .where(or_(Answer.status == "abstained", disliked))
        .group_by(Answer.question)
        .order_by(func.max(Answer.created_at).desc(), Answer.question)
        .limit(limit)
    )
    return [
        FailedQuestion(question=row[0], refused=row[1], disliked=row[2], failed=row[3], last_asked=row[4])
        for row in rows
    ]

"""The record of answers."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.db.tables import Answer


class AnswerNotFound(Exception):
    """No answer has this id."""

    def __init__(self, answer_id: str) -> None:
        super().__init__(f"no answer {answer_id!r}; POST /v1/answers returns the ids of answers")


def add_answer(
    session: Session,
    *,
    question: str,
    response: dict[str, Any],
    asked: dict[str, Any],
    now: datetime,
) -> None:
    """Record an answer as it was given, with what it takes to do it again."""
    session.add(
        Answer(
            id=response["id"],
            created_at=now,
            question=question,
            status=response["status"],
            response=response,
            asked=asked,
        )
    )


def get_answer(session: Session, answer_id: str) -> dict[str, Any]:
    """An answer exactly as it was given.

    Raises:
        AnswerNotFound: If there is none of this id.
    """
    row = session.get(Answer, answer_id)
    if row is None:
        raise AnswerNotFound(answer_id)
    return row.response

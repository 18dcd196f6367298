"""The record of answers."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Answer, Passage


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


def cited_passages(session: Session, answer: Answer) -> dict[int, str]:
    """The passage behind each footnote of an answer, by the footnote's number.

    A footnote is the words that are quoted, at their place in a version of a document. Its passage is the
    one that was shown to the generator there, else the one that holds most of the words. Footnotes whose
    passages are no more are left out.
    """
    shown = {one["passage_id"] for one in answer.asked.get("evidence", [])}
    found = {}
    for citation in answer.response["citations"]:
        passage = _passage_at(session, citation, shown)
        if passage is not None:
            found[int(citation["n"])] = passage
    return found


def _passage_at(session: Session, citation: Mapping[str, Any], shown: Collection[str]) -> str | None:
    start, end = citation["start"], citation["end"]
    touched = session.scalars(
        select(Passage)
        .where(
            Passage.document_id == citation["document_id"],
            Passage.version == citation["document_version"],
            Passage.start < end,
            Passage.end > start,
        )
        .order_by(Passage.ordinal)
    ).all()
    if not touched:
        return None
    best = max(touched, key=lambda one: (one.id in shown, min(one.end, end) - max(one.start, start)))
    return best.id

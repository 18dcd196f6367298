"""What readers clicked on and said, and the questions that went badly."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.answers import AnswerNotFound, cited_passages, limits_within
from app.db.searches import shown_passages
from app.db.tables import Answer, Document, Interaction, Passage, new_id

Thumb = Literal["up", "down"]


class PassageNotShown(Exception):
    """An interaction is with a passage that the search did not show."""

    def __init__(self, search_id: str, passage_id: str) -> None:
        super().__init__(
            f"the search {search_id!r} did not show the passage {passage_id!r}; name a passage_id of its hits"
        )


class CitationNotFound(Exception):
    """An interaction is with a footnote that the answer does not have."""

    def __init__(self, answer_id: str, citation: int, known: Sequence[int]) -> None:
        numbers = f"has the footnotes {', '.join(map(str, known))}" if known else "has no footnotes"
        super().__init__(f"the answer {answer_id!r} has no footnote {citation}: it {numbers}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Where an interaction is on record.

    Attributes:
        id: Its id.
        is_new: False for a click that was on record already.
    """

    id: str
    is_new: bool


def click_hit(session: Session, search_id: str, passage_id: str, *, now: datetime) -> Recorded:
    """Record that a reader opened a passage that a search showed; once, however often it is opened.

    Raises:
        SearchNotFound: If there is no such search.
        PassageNotShown: If it did not show this passage.
    """
    position = _position(session, search_id, passage_id)
    row = Interaction(
        created_at=now, kind="click", search_id=search_id, passage_id=passage_id, position=position
    )
    return _click(session, row)


def rate_hit(
    session: Session, search_id: str, passage_id: str, thumb: Thumb, comment: str | None, *, now: datetime
) -> Recorded:
    """Record a thumb for a passage that a search showed; learning goes by the last of several.

    Raises:
        SearchNotFound: If there is no such search.
        PassageNotShown: If it did not show this passage.
    """
    position = _position(session, search_id, passage_id)
    row = Interaction(
        created_at=now,
        kind="thumb",
        search_id=search_id,
        passage_id=passage_id,
        position=position,
        thumb=thumb,
        comment=comment,
    )
    return _add(session, row)


def click_citation(session: Session, answer_id: str, citation: int, *, now: datetime) -> Recorded:
    """Record that a reader opened a footnote of an answer; once, however often it is opened.

    Raises:
        AnswerNotFound: If there is no such answer.
        CitationNotFound: If it has no footnote of this number.
    """
    answer = _answer(session, answer_id)
    cited = cited_passages(session, answer)
    if citation not in cited:
        raise CitationNotFound(answer_id, citation, sorted(cited))
    row = Interaction(
        created_at=now, kind="click", answer_id=answer_id, passage_id=cited[citation], position=citation
    )
    return _click(session, row)


def rate_answer(
    session: Session, answer_id: str, thumb: Thumb, comment: str | None, *, now: datetime
) -> Recorded:
    """Record a thumb for an answer; learning goes by the last of several.

    Raises:
        AnswerNotFound: If there is no such answer.
    """
    _answer(session, answer_id)
    row = Interaction(created_at=now, kind="thumb", answer_id=answer_id, thumb=thumb, comment=comment)
    return _add(session, row)


def check_hit(
    session: Session, search_id: str, passage_id: str, *, allowed_products: Collection[str]
) -> None:
    """Raise PassageNotShown if a passage is of another product than these, so that nothing tells of it."""
    product = session.scalar(
        select(Document.product_id)
        .join(Passage, Passage.document_id == Document.id)
        .where(Passage.id == passage_id)
    )
    if product not in allowed_products:
        raise PassageNotShown(search_id, passage_id)


def _position(session: Session, search_id: str, passage_id: str) -> int:
    """The place, from 1, at which a search showed a passage."""
    shown = list(shown_passages(session, search_id))
    if passage_id not in shown:
        raise PassageNotShown(search_id, passage_id)
    return shown.index(passage_id) + 1


def _answer(session: Session, answer_id: str) -> Answer:
    row = session.get(Answer, answer_id, with_for_update=True)
    if row is None:
        raise AnswerNotFound(answer_id)
    return row


def _click(session: Session, row: Interaction) -> Recorded:
    """Add a click, once: of two at the same moment, one waits for the lock on their search or answer."""
    known = session.scalar(
        select(Interaction.id).where(
            Interaction.kind == "click",
            Interaction.search_id.is_not_distinct_from(row.search_id),
            Interaction.answer_id.is_not_distinct_from(row.answer_id),
            Interaction.passage_id == row.passage_id,
        )
    )
    return _add(session, row) if known is None else Recorded(id=known, is_new=False)


def _add(session: Session, row: Interaction) -> Recorded:
    row.id = new_id("int")
    session.add(row)
    return Recorded(id=row.id, is_new=True)


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


def failed_questions(
    session: Session, *, limit: int, allowed_products: Collection[str] | None = None
) -> Sequence[FailedQuestion]:
    """The questions that went badly, the last asked first, each wording once.

    Args:
        session: For reading.
        limit: Most questions wanted.
        allowed_products: Only questions whose answers were limited to none but these; None for all.
    """
    disliked = exists().where(Interaction.answer_id == Answer.id, Interaction.thumb == "down")
    seen = [] if allowed_products is None else [Answer.products.in_(limits_within(session, allowed_products))]
    rows = session.execute(
        select(
            Answer.question,
            func.count().filter(Answer.status == "abstained"),
            func.count().filter(disliked),
            func.count(),
            func.max(Answer.created_at),
        )
        .where(or_(Answer.status == "abstained", disliked), *seen)
        .group_by(Answer.question)
        .order_by(func.max(Answer.created_at).desc(), Answer.question)
        .limit(limit)
    )
    return [
        FailedQuestion(question=row[0], refused=row[1], disliked=row[2], failed=row[3], last_asked=row[4])
        for row in rows
    ]

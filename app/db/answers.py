"""The record of answers."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.documents import lock_live
from app.db.tables import Answer, Document, Passage

REMOVED = "[removed: a document that this rested on was deleted]"


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
    products: Collection[str] | None = None,
    now: datetime,
) -> None:
    """Record an answer as it was given, with what it takes to do it again.

    If a document that it rests on was deleted meanwhile, its words are not recorded.

    Args:
        session: In a transaction for writing.
        question: As asked.
        response: As given.
        asked: Products, conversation, evidence and dropped sentences.
        products: Ids of the only products that it may rest on; None for all.
        now: When.
    """
    if _rests_on_deleted(session, response, asked):
        response, asked = redacted(response, asked)
    session.add(
        Answer(
            id=response["id"],
            created_at=now,
            question=question,
            status=response["status"],
            response=response,
            asked=asked,
            products=None if products is None else " ".join(sorted(products)),
        )
    )


def get_answer(
    session: Session, answer_id: str, *, allowed_products: Collection[str] | None = None
) -> dict[str, Any]:
    """An answer exactly as it was given, but for the words of one that rests on a deleted document.

    Who may see some products only may see the answers that were limited to no others, by whoever asked, as
    long as the documents that they cite are of these products.

    Raises:
        AnswerNotFound: If there is none of this id, or it may not be seen.
    """
    row = session.get(Answer, answer_id)
    if row is None or (allowed_products is not None and not _is_of(session, row, allowed_products)):
        raise AnswerNotFound(answer_id)
    if _rests_on_deleted(session, row.response, row.asked):
        return redacted(row.response, row.asked)[0]
    return row.response


def _is_of(session: Session, answer: Answer, products: Collection[str]) -> bool:
    if answer.products is None or not set(answer.products.split()) <= set(products):
        return False
    cited = {citation["document_id"] for citation in answer.response["citations"]}
    still = session.scalars(
        select(Document.id).where(Document.id.in_(cited), Document.product_id.in_(products))
    )
    return cited == set(still)


def limits_within(session: Session, products: Collection[str]) -> list[str]:
    """The values of ``Answer.products`` that name none but these products."""
    limits = session.scalars(select(Answer.products).where(Answer.products.is_not(None)).distinct())
    return [limit for limit in limits if limit is not None and set(limit.split()) <= set(products)]


def redacted(response: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record of an answer without what documents gave to it; who asked what, when, and of what stays."""
    clean = dict(response) | {"text": REMOVED, "sentences": [], "citations": [], "pair_id": None}
    turns = [dict(turn) | {"answer": REMOVED} for turn in asked.get("conversation", [])]
    return clean, dict(asked) | {"conversation": turns, "evidence": [], "dropped": [], "pair": None}


def _rests_on_deleted(session: Session, response: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether an answer was made from a document that is deleted; none can be before the transaction ends."""
    shown = {one["passage_id"] for one in asked.get("evidence", []) if "/" not in one["passage_id"]}
    rows = session.execute(select(Passage.id, Passage.document_id).where(Passage.id.in_(shown)))
    documents = {row.id: row.document_id for row in rows}
    if shown - documents.keys():
        return True
    wanted = {citation["document_id"] for citation in response["citations"]} | set(documents.values())
    return bool(wanted) and lock_live(session, wanted) != wanted


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

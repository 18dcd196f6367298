"""What pairs rest on: kept true when documents change, and read by search and by the compiler."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.db.pair_drafts import PairStatus
from app.db.passages import LIVE_PASSAGE, LOOKUP_SIZE
from app.db.tables import Document, DocumentVersion, Embedding, Passage, QAEvidence, QAPair

LOST = "its document changed, and the words that it rests on are gone"
_LONG_QUOTE = 80  # characters: shorter words may stand in many places and mean another thing in each
_CONTEXT = 40  # characters before such words, which must be the same too
_KEPT = (PairStatus.APPROVED, PairStatus.PENDING)  # what a person may still want; others are found again
_COVERING = (PairStatus.NEW, PairStatus.PENDING, PairStatus.APPROVED, PairStatus.STALE)


def refresh_evidence(
    session: Session, document_id: str, version: int, text: str, *, now: datetime
) -> list[str]:
    """Move pairs' evidence to a document's new version, where it holds the same words.

    A pair whose words are gone goes stale if it was approved or waits for review, stays as it is if it was
    refused, and is removed if no filter or person has decided on it, since it would be found again. Evidence
    that a pair has in other documents keeps it alive.

    Args:
        session: In a transaction for writing.
        document_id: The document.
        version: Its new version.
        text: That version's text.
        now: Time of the change.

    Returns:
        Ids of the pairs that went stale.
    """
    rows = session.scalars(
        select(QAEvidence).where(QAEvidence.document_id == document_id, QAEvidence.version < version)
    ).all()
    olds = _texts(session, document_id, {row.version for row in rows})
    lost: dict[str, list[QAEvidence]] = {}
    for row in rows:
        quote = olds[row.version][row.start : row.end]
        start = _same_place(olds[row.version], row.start, quote, text)
        if start is None:
            lost.setdefault(row.pair_id, []).append(row)
        else:
            row.version, row.start, row.end = version, start, start + len(quote)
    session.flush()
    return [pair_id for pair_id, gone in lost.items() if _lose(session, pair_id, gone, now)]


def _texts(session: Session, document_id: str, versions: set[int]) -> dict[int, str]:
    rows = session.execute(
        select(DocumentVersion.version, DocumentVersion.text).where(
            DocumentVersion.document_id == document_id, DocumentVersion.version.in_(versions)
        )
    )
    return {row.version: row.text or "" for row in rows}


def _same_place(old: str, start: int, quote: str, text: str) -> int | None:
    """Where the same words stand in a new text, None if nowhere.

    Long words that stand there once are the same. Others, such as the default of a setting, must also have
    the same text before them: elsewhere they say something else.
    """
    if len(quote) >= _LONG_QUOTE and text.count(quote) == 1:
        return text.index(quote)
    before = old[max(0, start - _CONTEXT) : start]
    place = text.find(before + quote) if quote else -1
    return place + len(before) if place >= 0 else None


def _lose(session: Session, pair_id: str, gone: Sequence[QAEvidence], now: datetime) -> bool:
    """What becomes of a pair that lost evidence; whether it went stale."""
    left = (
        session.scalar(select(func.count()).select_from(QAEvidence).where(QAEvidence.pair_id == pair_id)) or 0
    )
    if left > len(gone):
        for row in gone:
            session.delete(row)
        return False
    pair = session.get_one(QAPair, pair_id)
    if pair.status in _KEPT:
        pair.status, pair.reason, pair.changed_at = PairStatus.STALE, LOST, now
        _release_duplicates(session, [pair_id])
        return True
    if pair.status not in (PairStatus.REJECTED, PairStatus.STALE):
        remove_pairs(session, [pair_id])
    return False


def pairs_of_document(session: Session, document_id: str) -> list[str]:
    """Ids of the pairs of every status that rest on a document, on it alone or beside others."""
    return list(
        session.scalars(select(QAEvidence.pair_id).where(QAEvidence.document_id == document_id).distinct())
    )


def remove_document_evidence(session: Session, document_id: str) -> int:
    """Remove the pairs that rest on a deleted document: also those that rest on others too.

    Their words may be the deleted document's; from the others they are found again.

    Returns:
        How many pairs were removed.
    """
    ids = pairs_of_document(session, document_id)
    remove_pairs(session, ids)
    return len(ids)


def remove_pairs(session: Session, ids: Sequence[str]) -> None:
    """Remove pairs for good; what was a duplicate of one is looked at anew."""
    session.flush()
    _release_duplicates(session, ids)
    for begin in range(0, len(ids), LOOKUP_SIZE):
        for pair in session.scalars(select(QAPair).where(QAPair.id.in_(ids[begin : begin + LOOKUP_SIZE]))):
            end_conflicts(session, pair)
    session.flush()
    for begin in range(0, len(ids), LOOKUP_SIZE):
        session.execute(delete(QAPair).where(QAPair.id.in_(ids[begin : begin + LOOKUP_SIZE])))


def end_conflicts(session: Session, pair: QAPair) -> None:
    """A pair that is gone or refused, or asks something else now, contradicts no other."""
    for other in session.scalars(select(QAPair).where(QAPair.id.in_(pair.conflicts_with))):
        other.conflicts_with = [one for one in other.conflicts_with if one != pair.id]
    pair.conflicts_with = []


def _release_duplicates(session: Session, ids: Sequence[str]) -> None:
    for begin in range(0, len(ids), LOOKUP_SIZE):
        session.execute(
            update(QAPair)
            .where(QAPair.duplicate_of.in_(ids[begin : begin + LOOKUP_SIZE]))
            .values(duplicate_of=None, status=PairStatus.NEW, reason=None)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedPair:
    """An approved pair as search sees it: its question, and the live passages that carry its answer.

    ``weight`` is its worth as a training example, in (0, 1].
    """

    id: str
    split: str
    weight: float
    product_id: str | None
    question: str
    question_sha256: str
    changed_at: datetime
    passage_ids: tuple[str, ...]


def searched_pairs(session: Session) -> Iterator[SearchedPair]:
    """Every approved pair with live evidence, by id; what duplicates rest on counts for their original."""
    rows = session.execute(
        select(_ORIGINAL.label("pair_id"), Passage.id.label("passage_id"))
        .select_from(QAEvidence)
        .join(QAPair, QAPair.id == QAEvidence.pair_id)
        .join(Document, and_(Document.id == QAEvidence.document_id, Document.deleted_at.is_(None)))
        .join(Passage, and_(_OVERLAP, Passage.version == Document.current_version))
        .where(QAPair.status.in_((PairStatus.APPROVED, PairStatus.DUPLICATE)))
        .order_by("pair_id", QAEvidence.pair_id != _ORIGINAL, QAEvidence.ordinal, Passage.ordinal)
    )
    passages: dict[str, dict[str, None]] = {}
    for row in rows:
        passages.setdefault(row.pair_id, {})[row.passage_id] = None
    approved = session.execute(
        select(
            QAPair.id,
            QAPair.split,
            QAPair.weight,
            QAPair.product_id,
            QAPair.question,
            QAPair.question_sha256,
            QAPair.changed_at,
        )
        .where(QAPair.status == PairStatus.APPROVED)
        .order_by(QAPair.id)
    )
    for pair in approved:
        if pair.id in passages:
            yield SearchedPair(
                id=pair.id,
                split=pair.split,
                weight=pair.weight,
                product_id=pair.product_id,
                question=pair.question,
                question_sha256=pair.question_sha256,
                changed_at=pair.changed_at,
                passage_ids=tuple(passages[pair.id]),
            )


def pair_answers(session: Session) -> dict[str, str]:
    """The answer of every approved pair, by its id."""
    rows = session.execute(select(QAPair.id, QAPair.answer).where(QAPair.status == PairStatus.APPROVED))
    return {row.id: row.answer for row in rows}


_ORIGINAL = func.coalesce(QAPair.duplicate_of, QAPair.id)
_OVERLAP: ColumnElement[bool] = and_(
    Passage.document_id == QAEvidence.document_id,
    Passage.version == QAEvidence.version,
    Passage.start < QAEvidence.end,
    Passage.end > QAEvidence.start,
)


def evidence_passages(session: Session, pair_ids: Sequence[str]) -> dict[str, list[str]]:
    """The passages that each pair's own evidence touches, in its order."""
    rows = session.execute(
        select(QAEvidence.pair_id, Passage.id)
        .join(Passage, _OVERLAP)
        .where(QAEvidence.pair_id.in_(pair_ids))
        .order_by(QAEvidence.pair_id, QAEvidence.ordinal, Passage.ordinal)
    )
    found: dict[str, list[str]] = {}
    for pair_id, passage_id in rows:
        found.setdefault(pair_id, []).append(passage_id)
    return found


def withdrawn_pairs(session: Session, *, since: datetime) -> frozenset[str]:
    """Pairs that an index whose build began at a moment may hold, and that were changed or refused since."""
    withdrawn = or_(QAPair.status != PairStatus.APPROVED, QAPair.approved_at < since)
    return frozenset(
        session.scalars(
            select(QAPair.id).where(QAPair.changed_at >= since, QAPair.approved_at.is_not(None), withdrawn)
        )
    )


def missing_question_vectors(session: Session, encoder: str, *, limit: int) -> list[str]:
    """Questions of approved pairs, one for each text, that this encoder has no cached vector of."""
    return list(
        session.scalars(
            select(func.min(QAPair.question))
            .outerjoin(
                Embedding,
                and_(Embedding.encoder == encoder, Embedding.text_sha256 == QAPair.question_sha256),
            )
            .where(Embedding.encoder.is_(None), QAPair.status == PairStatus.APPROVED)
            .group_by(QAPair.question_sha256)
            .limit(limit)
        )
    )


def uncovered_passages(session: Session, *, done: ColumnElement[bool], limit: int | None) -> list[str]:
    """Live passages that no pair rests on, one for each distinct text, in an order without meaning.

    The order is that of their texts' checksums, so that a build that is stopped early has looked at a sample
    of the whole corpus.

    Args:
        session: For reading.
        done: Whether a passage was looked at already.
        limit: Most passages wanted; None for all.
    """
    covered = (
        exists()
        .where(QAPair.id == QAEvidence.pair_id, QAPair.status.in_(_COVERING))
        .where(_OVERLAP)
        .correlate(Passage)
    )
    return list(
        session.scalars(
            select(func.min(Passage.id))
            .join(Document, LIVE_PASSAGE)
            .where(~covered, ~done)
            .group_by(Passage.embedding_sha256)
            .order_by(Passage.embedding_sha256)
            .limit(limit)
        )
    )

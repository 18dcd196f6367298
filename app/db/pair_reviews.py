"""What people and filters decide about pairs, and the record of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.pair_drafts import EvidenceAt, PairStatus, question_sha256, set_evidence
from app.db.pair_evidence import end_conflicts
from app.db.pairs import PairNotFound
from app.db.tables import Document, DocumentVersion, QAEvent, QAEvidence, QAPair, new_id

Decision = Literal["approve", "reject"]


class EvidenceInvalid(Exception):
    """A pair can't rest on these characters: the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a pair: who did it, and what the pair was before."""

    at: datetime
    by: str
    action: str
    before: dict[str, Any]


def review_pair(
    session: Session, pair_id: str, decision: Decision, *, by: str, now: datetime, note: str | None = None
) -> None:
    """Approve or refuse a pair.

    Args:
        session: In a transaction for writing.
        pair_id: The pair.
        decision: ``approve`` or ``reject``.
        by: Who decides.
        now: When.
        note: Why; shown with the pair.

    Raises:
        PairNotFound: If there is none of this id.
        EvidenceInvalid: If a pair is approved whose evidence is gone.
    """
    pair = _get(session, pair_id)
    if decision == "approve":
        _check_current(session, pair_id)
    _record(session, pair, decision, by=by, now=now)
    if decision == "approve":
        _approve(session, pair, now)
    elif pair.status != PairStatus.REJECTED:
        pair.status, pair.changed_at = PairStatus.REJECTED, now
        end_conflicts(session, pair)
    pair.reason, pair.duplicate_of = note, None
    pair.reviewed_by, pair.reviewed_at = by, now


def _approve(session: Session, pair: QAPair, now: datetime) -> None:
    """Approve a pair; of two with the same question, both are in the split of the one that was there."""
    if pair.status != PairStatus.APPROVED:
        pair.status, pair.changed_at = PairStatus.APPROVED, now
    pair.approved_at = pair.approved_at or now
    split = session.scalar(
        select(QAPair.split)
        .where(
            QAPair.question_sha256 == pair.question_sha256,
            QAPair.id != pair.id,
            QAPair.status == PairStatus.APPROVED,
        )
        .order_by(QAPair.created_at)
        .limit(1)
    )
    pair.split = split or pair.split


def edit_pair(
    session: Session,
    pair_id: str,
    *,
    question: str | None = None,
    answer: str | None = None,
    evidence: Sequence[EvidenceAt] | None = None,
    by: str,
    now: datetime,
) -> None:
    """Change a pair's words or evidence, which is checked already; what is None stays.

    A pair that a person has edited is approved with that: it is that person's word now.

    Raises:
        PairNotFound: If there is none of this id.
        EvidenceInvalid: If what it rests on is gone.
    """
    pair = _get(session, pair_id)
    _record(session, pair, "edit", by=by, now=now)
    if evidence is not None:
        set_evidence(session, pair_id, evidence)
        pair.changed_at = now
        session.flush()
    _check_current(session, pair_id)
    if question is not None and question != pair.question:
        pair.question, pair.question_sha256, pair.changed_at = question, question_sha256(question), now
    pair.answer = answer or pair.answer
    end_conflicts(session, pair)
    _approve(session, pair, now)
    pair.reason, pair.duplicate_of = None, None
    pair.reviewed_by, pair.reviewed_at = by, now


def check_evidence(session: Session, evidence: Sequence[EvidenceAt]) -> None:
    """Raise EvidenceInvalid unless every span is in the current text of a live document."""
    for at in evidence:
        text = session.scalar(
            select(DocumentVersion.text)
            .join(Document, Document.id == DocumentVersion.document_id)
            .where(
                Document.id == at.document_id,
                Document.deleted_at.is_(None),
                Document.current_version == at.version,
                DocumentVersion.version == at.version,
            )
        )
        if text is None:
            raise EvidenceInvalid(
                f"version {at.version} of document {at.document_id!r} is not its current one; "
                "GET /v1/documents/{id} names that"
            )
        if not text[at.span.start : at.span.end].strip():
            raise EvidenceInvalid(
                f"characters {at.span.start} to {at.span.end} of document {at.document_id!r} hold no text; "
                f"it has {len(text):,} characters, see GET /v1/documents/{{id}}/text"
            )


def _check_current(session: Session, pair_id: str) -> None:
    current = session.execute(
        select(QAEvidence.document_id)
        .join(Document, Document.id == QAEvidence.document_id)
        .where(
            QAEvidence.pair_id == pair_id,
            Document.deleted_at.is_(None),
            func.coalesce(Document.current_version, 0) <= QAEvidence.version,  # or about to be current
        )
    ).first()
    if current is None:
        raise EvidenceInvalid(
            f"the words that pair {pair_id!r} rests on are in no current document; give it new evidence "
            "with PATCH /v1/qa-pairs/{id}, or refuse it"
        )


def _get(session: Session, pair_id: str) -> QAPair:
    pair = session.get(QAPair, pair_id)
    if pair is None:
        raise PairNotFound(pair_id)
    return pair


def _record(session: Session, pair: QAPair, action: str, *, by: str, now: datetime) -> None:
    before = {"question": pair.question, "answer": pair.answer, "status": str(pair.status)}
    session.add(QAEvent(id=new_id("evt"), pair_id=pair.id, at=now, by=by, action=action, before=before))


def list_events(session: Session, pair_id: str) -> list[EventView]:
    """What happened to a pair, oldest first."""
    rows = session.scalars(select(QAEvent).where(QAEvent.pair_id == pair_id).order_by(QAEvent.at, QAEvent.id))
    return [EventView(at=row.at, by=row.by, action=row.action, before=row.before) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the filters found of a pair.

    Attributes:
        pair_id: The pair.
        status: ``pending``, ``approved``, ``filtered`` or ``duplicate``.
        reason: Why; begins with the filter's name and a colon where one took the pair out.
        scores: Filter to its score in [0, 1].
        quality: The pair's worth in [0, 1], or None where a filter took it out.
        duplicate_of: The pair that it is the same as, for ``duplicate``.
        conflicts_with: Pairs that answer the same question otherwise.
        supersedes: Pairs of less trust that are the same: its duplicates from now on, if it is approved.
        split: Of the pair that it is a duplicate of or in conflict with, so that no question is both in
            training and in a test; None to leave it.
    """

    pair_id: str
    status: PairStatus
    reason: str | None
    scores: dict[str, float]
    quality: float | None = None
    duplicate_of: str | None = None
    conflicts_with: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    split: str | None = None


def record_rulings(session: Session, rulings: Sequence[Ruling], *, now: datetime) -> None:
    """Record what the filters found; pairs that a person decided on meanwhile, or that are gone, stay."""
    for ruling in rulings:
        pair = session.get(QAPair, ruling.pair_id, with_for_update=True)
        if pair is None or pair.status != PairStatus.NEW:
            continue
        pair.status, pair.reason = ruling.status, ruling.reason
        pair.scores, pair.quality = ruling.scores, ruling.quality
        pair.duplicate_of, pair.changed_at = ruling.duplicate_of, now
        pair.split = ruling.split or pair.split
        if ruling.status is PairStatus.APPROVED:
            pair.approved_at = now
        for other_id in ruling.conflicts_with:
            other = session.get(QAPair, other_id)
            if other is not None:
                pair.conflicts_with = sorted({*pair.conflicts_with, other.id})
                other.conflicts_with = sorted({*other.conflicts_with, pair.id})
        for other_id in ruling.supersedes if ruling.status is PairStatus.APPROVED else ():
            other = session.get(QAPair, other_id)
            if other is not None and other.reviewed_by is None:
                other.status, other.duplicate_of, other.changed_at = PairStatus.DUPLICATE, pair.id, now
                session.execute(
                    update(QAPair).where(QAPair.duplicate_of == other.id).values(duplicate_of=pair.id)
                )

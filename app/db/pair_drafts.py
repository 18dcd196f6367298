"""Recording pairs as they are found: ids, keys, splits and evidence."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.db.passages import LOOKUP_SIZE
from app.db.tables import Document, QAEvidence, QAPair, new_id
from ingest.pairs.drafts import EvidenceSpan, PairDraft

SPLIT_SEED = 20261122  # recorded with every pair; another seed would move questions from test into training
SPLIT_SHARES = (("test", 0.1), ("dev", 0.1), ("train", 0.8))  # of documents


class PairStatus(StrEnum):
    """Where a pair is in its life.

    ``new`` waits for the filters, ``pending`` for a person; ``approved`` is searched, trained on and measured
    with; ``rejected`` was refused by a person, ``filtered`` by a filter; ``stale`` lost its evidence when a
    document changed; ``duplicate`` is the same as another pair, which it lends its evidence.
    """

    NEW = "new"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    FILTERED = "filtered"
    STALE = "stale"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceAt:
    """A span of a document version that a pair rests on."""

    document_id: str
    version: int
    span: EvidenceSpan


def split_of(uri: str, *, seed: int = SPLIT_SEED) -> str:
    """``train``, ``dev`` or ``test``, decided by a document's address and the seed alone."""
    digest = hashlib.sha256(f"{seed}/{uri}".encode()).digest()
    place, bound = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for name, share in SPLIT_SHARES:
        bound += share
        if place < bound:
            return name
    return SPLIT_SHARES[-1][0]


def question_sha256(question: str) -> str:
    """Under what a question's vector is cached; no passage's text has the same."""
    return hashlib.sha256(f"question\n{question}".encode()).hexdigest()


def draft_key(document_id: str, draft: PairDraft) -> str:
    """Names a draft: the same pair found again in the same document has the same key."""
    parts = (document_id, draft.origin.value, draft.question, draft.answer)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def add_drafts(
    session: Session, document_id: str, version: int, drafts: Iterable[PairDraft], *, now: datetime
) -> int:
    """Record what was found in a document version; pairs that are there already stay as they are.

    A pair that had gone stale and is found again word for word waits for review with its new evidence.

    Returns:
        How many pairs are new.
    """
    document = session.get_one(Document, document_id, with_for_update={"read": True})
    if document.deleted_at is not None:
        return 0
    by_key = {draft_key(document_id, draft): draft for draft in drafts}
    known = _by_key(session, list(by_key))
    rows = {
        key: new_pair(draft, key=key, document=document, now=now)
        for key, draft in by_key.items()
        if key not in known
    }
    session.add_all(rows.values())
    for key, row in known.items():
        if row.status == PairStatus.STALE:
            rows[key] = row
            row.status, row.reason, row.changed_at = PairStatus.PENDING, "its evidence is there again", now
    session.flush()
    for key, row in rows.items():
        evidence = [
            EvidenceAt(document_id=document_id, version=version, span=span) for span in by_key[key].evidence
        ]
        if key in known:
            session.execute(delete(QAEvidence).where(QAEvidence.pair_id == row.id))
        session.add_all(_evidence_rows(row.id, evidence))
    return len(by_key) - len(known)


def _by_key(session: Session, keys: Sequence[str]) -> dict[str, QAPair]:
    found: dict[str, QAPair] = {}
    for begin in range(0, len(keys), LOOKUP_SIZE):
        rows = session.scalars(select(QAPair).where(QAPair.key.in_(keys[begin : begin + LOOKUP_SIZE])))
        found.update((row.key, row) for row in rows)
    return found


def new_pair(draft: PairDraft, *, key: str, document: Document, now: datetime) -> QAPair:
    """A pair for the filters to look at, without its evidence yet."""
    return QAPair(
        id=new_id("qa"),
        key=key,
        question=draft.question,
        answer=draft.answer,
        origin=draft.origin.value,
        method=draft.method,
        status=PairStatus.NEW,
        scores={},
        weight=draft.weight,
        product_id=document.product_id,
        split=split_of(document.uri),
        split_seed=SPLIT_SEED,
        conflicts_with=[],
        question_sha256=question_sha256(draft.question),
        created_at=now,
        changed_at=now,
    )


def set_evidence(session: Session, pair_id: str, evidence: Sequence[EvidenceAt]) -> None:
    """Replace what a pair rests on."""
    session.execute(delete(QAEvidence).where(QAEvidence.pair_id == pair_id))
    session.add_all(_evidence_rows(pair_id, evidence))


def _evidence_rows(pair_id: str, evidence: Sequence[EvidenceAt]) -> list[QAEvidence]:
    return [
        QAEvidence(
            pair_id=pair_id,
            ordinal=ordinal,
            document_id=at.document_id,
            version=at.version,
            start=at.span.start,
            end=at.span.end,
            seconds_start=None if at.span.seconds is None else at.span.seconds[0],
            seconds_end=None if at.span.seconds is None else at.span.seconds[1],
        )
        for ordinal, at in enumerate(evidence)
    ]

"""Pairs that an administrator writes or changes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.db.pair_drafts import EvidenceAt, PairStatus, draft_key, new_pair, set_evidence
from app.db.pair_reviews import check_evidence, edit_pair
from app.db.pairs import PairView, get_pair
from app.db.session import Database
from app.db.tables import Document, QAPair
from app.ingesting import accept_upload
from app.settings import Settings
from ingest.pairs.drafts import Origin, PairDraft
from ingest.pairs.records import PairRecord, parse_records, record_pairs, write_records

OWN_WORDS = "pairs:admin/"  # begins the address of the documents that administrators' answers become
METHOD = "written"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPair:
    """A pair as an administrator writes it; without evidence, the answer is its own evidence."""

    question: str
    answer: str
    evidence: tuple[EvidenceAt, ...]
    product: str | None


def create_pair(
    database: Database, settings: Settings, new: NewPair, *, by: str, now: datetime
) -> tuple[str, list[tuple[str, int]]]:
    """Record an administrator's pair, approved.

    Returns:
        The pair's id, and the document version to be parsed where the answer became a document.

    Raises:
        EvidenceInvalid: If the evidence is not there.
    """
    evidence, versions = list(new.evidence), list[tuple[str, int]]()
    if not evidence:
        address = OWN_WORDS + hashlib.sha256(new.question.encode()).hexdigest()[:16]
        evidence, versions = _own_words(database, settings, address, new, now)
    with database.writing() as session:
        if new.evidence:
            check_evidence(session, new.evidence)
        draft = PairDraft(
            question=new.question,
            answer=new.answer,
            origin=Origin.ADMIN,
            method=METHOD,
            evidence=tuple(at.span for at in evidence),
        )
        document = session.get_one(Document, evidence[0].document_id)
        key = draft_key(document.id, draft)
        pair = session.scalar(select(QAPair).where(QAPair.key == key))
        if pair is None:
            pair = new_pair(draft, key=key, document=document, now=now)
            session.add(pair)
            session.flush()
        set_evidence(session, pair.id, evidence)
        pair.status, pair.reason, pair.approved_at = PairStatus.APPROVED, None, pair.approved_at or now
        pair.reviewed_by, pair.reviewed_at, pair.changed_at = by, now, now
        return pair.id, versions


def _own_words(
    database: Database, settings: Settings, address: str, new: NewPair, now: datetime
) -> tuple[list[EvidenceAt], list[tuple[str, int]]]:
    """Make the answer a document; its evidence, and the version to be parsed."""
    record = PairRecord(question=new.question, answer=new.answer, origin=Origin.ADMIN, method=METHOD)
    data = write_records(new.question, [record])
    stored = accept_upload(
        database,
        settings,
        data=data,
        name="administrator.pairs",
        uri=address,
        title=None,
        product=new.product,
        now=now,
    )
    (draft,) = record_pairs(data, parse_records(data))
    evidence = [
        EvidenceAt(document_id=stored.document_id, version=stored.version, span=span)
        for span in draft.evidence
    ]
    return evidence, [(stored.document_id, stored.version)]


def change_pair(
    database: Database,
    settings: Settings,
    pair_id: str,
    *,
    question: str | None,
    answer: str | None,
    evidence: Sequence[EvidenceAt] | None,
    by: str,
    now: datetime,
) -> list[tuple[str, int]]:
    """Change a pair's words or evidence; what is None stays.

    An answer that is its own evidence changes its document with it.

    Returns:
        The document version to be parsed, if one was made.

    Raises:
        PairNotFound: If there is none of this id.
        EvidenceInvalid: If the evidence is not there.
    """
    with database.reading() as session:
        pair = get_pair(session, pair_id)
    versions: list[tuple[str, int]] = []
    if evidence is None and _rests_on_itself(pair):
        new = NewPair(
            question=question or pair.question,
            answer=answer or pair.answer,
            evidence=(),
            product=pair.product,
        )
        evidence, versions = _own_words(database, settings, pair.evidence[0].uri, new, now)
    elif evidence is not None:
        with database.reading() as session:
            check_evidence(session, evidence)
    with database.writing() as session:
        edit_pair(session, pair_id, question=question, answer=answer, evidence=evidence, by=by, now=now)
    return versions


def _rests_on_itself(pair: PairView) -> bool:
    return bool(pair.evidence) and pair.evidence[0].uri.startswith(OWN_WORDS)

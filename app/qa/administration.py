"""Pairs that an administrator writes or changes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from app.db.documents import get_product_id
from app.db.pair_drafts import EvidenceAt, PairStatus, draft_key, new_pair, set_evidence
from app.db.pair_reviews import check_evidence, edit_pair
from app.db.pairs import PairView, get_pair
from app.db.session import Database
from app.db.tables import Document, QAEvidence, QAPair
from app.qa.redaction import Redactor
from app.settings import Settings
from app.uploads import accept_upload
from ingest.pairs.drafts import Origin, PairDraft
from ingest.pairs.records import PairRecord, parse_records, record_pairs, write_records

OWN_WORDS = "pairs:admin/"  # begins the address of the documents that administrators' answers become
METHOD = "written"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPair:
    """A pair as an administrator writes it; without evidence, the answer is its own evidence.

    Attributes:
        question: The question.
        answer: The answer.
        evidence: What the answer rests on.
        product: What the pair is about; with evidence and None, what the evidence's document is about.
    """

    question: str
    answer: str
    evidence: tuple[EvidenceAt, ...]
    product: str | None


def create_pair(
    database: Database, settings: Settings, new: NewPair, *, by: str, now: datetime
) -> tuple[str, list[tuple[str, int]]]:
    """Record an administrator's pair, approved and without personal data.

    The words of a pair that is there bring that pair back to them.

    Returns:
        The pair's id, and the document version to be parsed where the answer became a document.

    Raises:
        EvidenceInvalid: If the evidence is not there.
    """
    redactor = Redactor.of(database, settings)
    new = replace(new, question=redactor.text(new.question), answer=redactor.text(new.answer))
    evidence, versions = list(new.evidence), list[tuple[str, int]]()
    if not evidence:
        evidence, versions = _own_words(database, settings, _own_address(new), new, now)
    with database.writing() as session:
        if new.evidence:
            check_evidence(session, new.evidence)
        pair = _find_pair(session, new, evidence)
        if pair is None:
            pair = _add_pair(session, new, evidence, by=by, now=now)
        else:
            edit_pair(
                session,
                pair.id,
                question=new.question,
                answer=new.answer,
                evidence=evidence,
                by=by,
                now=now,
            )
        if new.product is not None:
            pair.product_id = get_product_id(session, new.product)
        return pair.id, versions


def _own_address(new: NewPair) -> str:
    words = "\x1f".join((new.question, new.answer, (new.product or "").casefold()))
    return OWN_WORDS + hashlib.sha256(words.encode()).hexdigest()[:16]


def _find_pair(session: Session, new: NewPair, evidence: Sequence[EvidenceAt]) -> QAPair | None:
    """The pair that had these words in this document when it was written, or else that has them now."""
    document_id = evidence[0].document_id
    key = draft_key(document_id, _as_draft(new, evidence))
    rests_there = exists().where(QAEvidence.pair_id == QAPair.id, QAEvidence.document_id == document_id)
    same = (QAPair.origin == Origin.ADMIN, QAPair.question == new.question, QAPair.answer == new.answer)
    return session.scalars(
        select(QAPair)
        .where(or_(QAPair.key == key, and_(rests_there, *same)))
        .order_by(QAPair.key != key, QAPair.id)
        .limit(1)
    ).first()


def _add_pair(
    session: Session, new: NewPair, evidence: Sequence[EvidenceAt], *, by: str, now: datetime
) -> QAPair:
    draft = _as_draft(new, evidence)
    document = session.get_one(Document, evidence[0].document_id)
    pair = new_pair(draft, key=draft_key(document.id, draft), document=document, now=now)
    pair.status, pair.approved_at, pair.reviewed_by, pair.reviewed_at = PairStatus.APPROVED, now, by, now
    session.add(pair)
    session.flush()
    set_evidence(session, pair.id, evidence)
    return pair


def _as_draft(new: NewPair, evidence: Sequence[EvidenceAt]) -> PairDraft:
    return PairDraft(
        question=new.question,
        answer=new.answer,
        origin=Origin.ADMIN,
        method=METHOD,
        evidence=tuple(at.span for at in evidence),
    )


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
    """Change a pair's words or evidence; what is None stays. Personal data is taken out of new words.

    An answer that is its own evidence changes its document with it.

    Returns:
        The document version to be parsed, if one was made.

    Raises:
        PairNotFound: If there is none of this id.
        EvidenceInvalid: If the evidence is not there.
    """
    with database.reading() as session:
        pair = get_pair(session, pair_id)
    redactor = Redactor.of(database, settings)
    question = None if question is None else redactor.text(question)
    answer = None if answer is None else redactor.text(answer)
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
    return pair.origin == Origin.ADMIN and bool(pair.evidence) and pair.evidence[0].uri.startswith(OWN_WORDS)

"""Reading an export back: pairs with their evidence, scores, splits and history."""

import hashlib
import json
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.db.documents import Outcome, get_product_id
from app.db.pair_drafts import EvidenceAt, PairStatus, draft_key, question_sha256, set_evidence
from app.db.pair_evidence import LOST
from app.db.session import Database
from app.db.tables import Document, DocumentVersion, QAEvent, QAPair, new_id
from app.qa.exported import ExportedDocument, ExportedEvidence, ExportedPair, describe, read_row
from app.qa.exporting import FORMAT, HEADER
from app.qa.imported import Imported
from app.settings import Settings
from app.uploads import UploadTooLarge, accept_upload
from ingest.errors import DamagedFile, IngestError
from ingest.pairs.drafts import EvidenceSpan, PairDraft
from ingest.pairs.locating import TextFinder
from ingest.pairs.records import parse_records
from ingest.pairs.rows import RowProblem

PAIRS_AT_ONCE = 500  # in one transaction

_LOSABLE = (PairStatus.APPROVED, PairStatus.PENDING, PairStatus.NEW)  # stale once nothing is left
_NOT_COPIED = {"product", "evidence", "events"}  # what is no column of a pair


class _Waiting(NamedTuple):
    line: int
    pair: ExportedPair


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A document that evidence may be in."""

    document_id: str
    version: int
    text: str


def restore_pairs(
    database: Database, settings: Settings, data: bytes, *, name: str, now: datetime
) -> Imported:
    """Read an export back.

    Pairs that are here already stay as they are, and so do documents. Evidence is found by the document's
    address and its words; a pair none of whose words are left is stale. Documents that imports had made for
    pairs are made again where there are none; a pair of another document that is not here is a problem of
    its line, and so is what an export does not hold.

    Raises:
        DamagedFile: If the file is of another format.
    """
    lines = data.removeprefix(BOM_UTF8).split(b"\n")  # other line breaks stand inside of texts
    _check_header(lines[0], name)
    result, waiting, made = Imported(), list[_Waiting](), dict[str, _Place]()
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            row = read_row(line)
            if row.document is not None:
                made |= _restore_document(database, settings, row.document, result, now)
            if row.pair is not None:
                waiting.append(_Waiting(number, row.pair))
        except (ValueError, RecursionError, IngestError, UploadTooLarge) as error:
            result.problems.append(RowProblem(line=number, reason=describe(error)))
    for begin in range(0, len(waiting), PAIRS_AT_ONCE):
        with database.writing() as session:
            _restore(session, waiting[begin : begin + PAIRS_AT_ONCE], made, result, now)
    return result


def _check_header(line: bytes, name: str) -> None:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"the first line of {name!r} can't be read; export the pairs again") from error
    if header.get(HEADER) != FORMAT:
        raise DamagedFile(f"{name!r} was exported by another version of this program")


def _restore_document(
    database: Database, settings: Settings, row: ExportedDocument, result: Imported, now: datetime
) -> dict[str, _Place]:
    """Make a document again; where it is by its address, if that is not what it was before."""
    data = row.records.encode()
    text = parse_records(data).text
    with database.reading() as session:
        newest = session.scalar(
            select(DocumentVersion.sha256)
            .join(Document, Document.id == DocumentVersion.document_id)
            .where(Document.uri == row.uri, Document.deleted_at.is_(None))
            .order_by(DocumentVersion.version.desc())
            .limit(1)
        )
    if newest not in (None, hashlib.sha256(data).hexdigest()):
        result.unchanged += 1
        return {}
    stored = accept_upload(
        database,
        settings,
        data=data,
        name=row.name,
        uri=row.uri,
        title=None,
        product=row.product if newest is None else None,
        now=now,
    )
    if stored.outcome is Outcome.UNCHANGED:
        result.unchanged += 1
    else:
        result.versions.append((stored.document_id, stored.version))
    return {row.uri: _Place(document_id=stored.document_id, version=stored.version, text=text)}


def _restore(
    session: Session,
    rows: Sequence[_Waiting],
    made: Mapping[str, _Place],
    result: Imported,
    now: datetime,
) -> None:
    uris = {at.uri for row in rows for at in row.pair.evidence}
    places = _places(session, uris) | {uri: made[uri] for uri in uris if uri in made}
    for line, pair in rows:
        reason = _why_not(pair, places)
        if reason is not None:
            result.problems.append(RowProblem(line=line, reason=reason))
            continue
        key = draft_key(places[pair.evidence[0].uri].document_id, _as_draft(pair))
        known = session.scalar(select(QAPair.id).where(or_(QAPair.id == pair.id, QAPair.key == key)))
        if known is not None:
            result.unchanged += 1
            continue
        _add(session, key, pair, places, now)
        result.rows += 1


def _why_not(pair: ExportedPair, places: Mapping[str, _Place]) -> str | None:
    if not pair.evidence:
        return "the pair rests on nothing; import its question and answer as a table"
    missing = next((at.uri for at in pair.evidence if at.uri not in places), None)
    if missing is None:
        return None
    return f"the document {missing} is not here; ingest it first, then import again"


def _places(session: Session, uris: set[str]) -> dict[str, _Place]:
    rows = session.execute(
        select(Document.uri, Document.id, DocumentVersion.version, DocumentVersion.text)
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .where(
            Document.uri.in_(uris),
            Document.deleted_at.is_(None),
            DocumentVersion.version == Document.current_version,
        )
    )
    return {row.uri: _Place(document_id=row.id, version=row.version, text=row.text or "") for row in rows}


def _as_draft(pair: ExportedPair) -> PairDraft:
    return PairDraft(
        question=pair.question,
        answer=pair.answer,
        origin=pair.origin,
        method=pair.method,
        evidence=(EvidenceSpan(start=0, end=0),),
        weight=pair.weight,
    )


def _add(session: Session, key: str, row: ExportedPair, places: Mapping[str, _Place], now: datetime) -> None:
    evidence = [found for at in row.evidence if (found := _locate(at, places[at.uri]))]
    pair = QAPair(
        key=key,
        product_id=get_product_id(session, row.product),
        question_sha256=question_sha256(row.question),
        **row.model_dump(exclude=_NOT_COPIED),
    )
    if not evidence and row.status in _LOSABLE:
        pair.status, pair.reason, pair.changed_at = PairStatus.STALE, LOST, now
    session.add(pair)
    session.flush()
    set_evidence(session, pair.id, evidence)
    session.add_all(QAEvent(id=new_id("evt"), pair_id=pair.id, **event.model_dump()) for event in row.events)


def _locate(at: ExportedEvidence, place: _Place) -> EvidenceAt | None:
    """The same words in the document as it is here: where they were, else the first place that has them."""
    start, end = at.start, at.end
    if not at.quote:
        return None
    if place.text[start:end] != at.quote:
        found = TextFinder(place.text).find(at.quote)
        if found is None:
            return None
        start, end = found.start, found.end
    span = EvidenceSpan(start=start, end=end, seconds=at.seconds)
    return EvidenceAt(document_id=place.document_id, version=place.version, span=span)

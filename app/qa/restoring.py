"""Reading an export back: pairs with their evidence, scores, splits and history."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.db.documents import Outcome, get_product_id
from app.db.pair_drafts import EvidenceAt, PairStatus, draft_key, question_sha256, set_evidence
from app.db.pair_evidence import LOST
from app.db.session import Database
from app.db.tables import Document, DocumentVersion, QAEvent, QAPair, new_id
from app.ingesting import accept_upload
from app.qa.exporting import FORMAT, HEADER
from app.qa.imported import Imported
from app.settings import Settings
from ingest.errors import DamagedFile
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.locating import TextFinder
from ingest.pairs.records import parse_records
from ingest.pairs.rows import RowProblem

PAIRS_AT_ONCE = 500  # in one transaction

_COPIED = ("question", "answer", "origin", "method", "status", "reason", "scores", "quality", "weight")
_MOMENTS = ("created_at", "changed_at", "approved_at", "reviewed_at")


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

    Pairs that are here already stay as they are. Evidence is found by the document's address and its words;
    a pair whose words its document no longer has is stale. Documents that imports had made for pairs are
    made again; a pair of another document that is not here is a problem of its line.

    Raises:
        DamagedFile: If the file is of another format.
    """
    lines = data.decode("utf-8").splitlines()
    if json.loads(lines[0]).get(HEADER) != FORMAT:
        raise DamagedFile(f"{name!r} was exported by another version of this program")
    result = Imported()
    waiting: list[tuple[int, dict[str, Any]]] = []
    made: dict[str, _Place] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            row = json.loads(line)
        except ValueError:
            result.problems.append(RowProblem(line=number, reason="it is not JSON"))
            continue
        if "document" in row:
            made[row["document"]["uri"]] = _restore_document(database, settings, row["document"], result, now)
        elif "pair" in row:
            waiting.append((number, row["pair"]))
    for begin in range(0, len(waiting), PAIRS_AT_ONCE):
        with database.writing() as session:
            _restore(session, waiting[begin : begin + PAIRS_AT_ONCE], made, result, now)
    return result


def _restore_document(
    database: Database, settings: Settings, row: Mapping[str, str], result: Imported, now: datetime
) -> _Place:
    data = row["records"].encode()
    stored = accept_upload(
        database, settings, data=data, name=row["name"], uri=row["uri"], title=None, product=None, now=now
    )
    if stored.outcome is Outcome.UNCHANGED:
        result.unchanged += 1
    else:
        result.versions.append((stored.document_id, stored.version))
    return _Place(document_id=stored.document_id, version=stored.version, text=parse_records(data).text)


def _restore(
    session: Session,
    rows: Sequence[tuple[int, dict[str, Any]]],
    made: Mapping[str, _Place],
    result: Imported,
    now: datetime,
) -> None:
    uris = {at["uri"] for _, row in rows for at in row["evidence"]}
    places = _places(session, uris) | {uri: made[uri] for uri in uris if uri in made}
    for number, row in rows:
        missing = [at["uri"] for at in row["evidence"] if at["uri"] not in places]
        if missing or not row["evidence"]:
            where = missing[0] if missing else "that it rests on"
            reason = f"the document {where} is not here; ingest it first, then import again"
            result.problems.append(RowProblem(line=number, reason=reason))
            continue
        key = draft_key(places[row["evidence"][0]["uri"]].document_id, _as_draft(row))
        known = session.scalar(select(QAPair.id).where(or_(QAPair.id == row["id"], QAPair.key == key)))
        if known is not None:
            result.unchanged += 1
            continue
        _add(session, key, row, places, now)
        result.rows += 1


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


def _as_draft(row: Mapping[str, Any]) -> PairDraft:
    span = EvidenceSpan(start=0, end=0)
    return PairDraft(
        question=row["question"],
        answer=row["answer"],
        origin=Origin(row["origin"]),
        method=row["method"],
        evidence=(span,),
        weight=row["weight"],
    )


def _add(
    session: Session, key: str, row: Mapping[str, Any], places: Mapping[str, _Place], now: datetime
) -> None:
    evidence = [_locate(at, places[at["uri"]]) for at in row["evidence"]]
    pair = QAPair(
        id=row["id"],
        key=key,
        product_id=get_product_id(session, row["product"]),
        split=row["split"],
        split_seed=row["split_seed"],
        duplicate_of=row["duplicate_of"],
        conflicts_with=list(row["conflicts_with"]),
        question_sha256=question_sha256(row["question"]),
        reviewed_by=row["reviewed_by"],
        **{name: row[name] for name in _COPIED},
        **{name: row[name] and datetime.fromisoformat(row[name]) for name in _MOMENTS},
    )
    if not all(evidence) and pair.status in (PairStatus.APPROVED, PairStatus.PENDING):
        pair.status, pair.reason, pair.changed_at = PairStatus.STALE, LOST, now
    session.add(pair)
    session.flush()
    set_evidence(session, pair.id, [found for found in evidence if found])
    session.add_all(
        QAEvent(
            id=new_id("evt"),
            pair_id=pair.id,
            at=datetime.fromisoformat(event["at"]),
            by=event["by"],
            action=event["action"],
            before=event["before"],
        )
        for event in row["events"]
    )


def _locate(at: Mapping[str, Any], place: _Place) -> EvidenceAt | None:
    """The same words in the document as it is here: where they were, else the first place that has them."""
    start, end = at["start"], at["end"]
    if place.text[start:end] != at["quote"]:
        found = TextFinder(place.text).find(at["quote"])
        if found is None:
            return None
        start, end = found.start, found.end
    seconds = None if at["seconds"] is None else (at["seconds"][0], at["seconds"][1])
    span = EvidenceSpan(start=start, end=end, seconds=seconds)
    return EvidenceAt(document_id=place.document_id, version=place.version, span=span)

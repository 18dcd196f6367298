"""Deletions of documents and their receipts: requested, read, and kept up to date."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.documents import delete_document
from app.db.pair_evidence import pairs_of_document, remove_document_evidence
from app.db.tables import (
    Deletion,
    Document,
    DocumentVersion,
    NearDuplicate,
    Passage,
    QAEvent,
    QAPair,
    TrainingRun,
    new_id,
)


class Place(StrEnum):
    """Where something of a document may be. The values stand in receipts."""

    SEARCH = "answers and search"
    PAIRS = "QA pairs"
    PAIR_EVENTS = "history of QA pairs"
    NEAR_DUPLICATES = "reports of near-duplicates"
    ADDRESS = "address and title"
    TEXTS = "texts of versions"
    PASSAGES = "passages"
    BYTES = "stored bytes"
    INDEXES = "index files"
    EMBEDDINGS = "embedding cache"
    PAIR_WORK = "notes of the pair compiler"
    SEARCHES = "record of searches"
    INTERACTIONS = "clicks and thumbs"
    ANSWERS = "record of answers"
    EVALUATIONS = "evaluation reports"
    DRAFTS = "drafts of evaluations"
    TRAINING = "work folders of tuning"
    JOBS = "records of jobs"
    FREED_PAGES = "freed pages of SQLite files"


AT_ONCE = (Place.SEARCH, Place.PAIRS, Place.PAIR_EVENTS, Place.NEAR_DUPLICATES)
"""What is gone when the deletion has been asked for; the next index build sees to the others."""


WAITS = "in use; the next index build tries again"


class DeletionNotFound(Exception):
    """No deletion has this id."""

    def __init__(self, deletion_id: str) -> None:
        super().__init__(f"no deletion {deletion_id!r}; GET /v1/deletions lists them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """What it takes to look for a document again, without its text.

    Attributes:
        bytes: sha256 of each version's bytes.
        texts: sha256 under which its passages and the questions of its pairs are embedded.
        passages: Ids of the passages of all versions.
        pairs: Ids of the QA pairs that rested on it.
        names: sha256 of its address.
    """

    bytes: tuple[str, ...]
    texts: tuple[str, ...]
    passages: tuple[str, ...]
    pairs: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRecord:
    """What was in a place (a count, never text), when it went, and what kept it from going."""

    found: int = 0
    gone_at: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionView:
    """A deletion: its receipt, and what it takes to look for the document again."""

    id: str
    document_id: str
    requested_at: datetime
    completed_at: datetime | None
    places: Mapping[Place, PlaceRecord]
    fingerprints: Fingerprints
    learnt_by: tuple[str, ...]


def name_sha256(name: str) -> str:
    """Under what an address is kept in fingerprints."""
    return hashlib.sha256(name.encode()).hexdigest()


def scrubbed_address(document_id: str) -> str:
    """What stands in the place of a purged document's address."""
    return f"deleted:{document_id}"


def request_deletion(session: Session, document_id: str, *, now: datetime) -> str:
    """Take a document and its QA pairs out of search and answers, and open a receipt; the receipt's id.

    Raises:
        DocumentNotFound: If there is none of this id.
    """
    session.execute(  # an upload of a new version has ended, or waits and finds the document gone
        select(Document.id).where(Document.id == document_id).with_for_update(key_share=True)
    )
    fingerprints = _fingerprints(session, document_id)
    pairs = fingerprints.pairs
    found = {
        Place.SEARCH: _count_live(session, document_id),
        Place.PAIRS: len(pairs),
        Place.PAIR_EVENTS: _count(session, select(QAEvent.id).where(QAEvent.pair_id.in_(pairs))),
        Place.NEAR_DUPLICATES: _count(
            session,
            select(NearDuplicate.first_id).where(
                or_(NearDuplicate.first_id == document_id, NearDuplicate.second_id == document_id)
            ),
        ),
    }
    delete_document(session, document_id, now=now)
    remove_document_evidence(session, document_id)
    return _open(session, document_id, fingerprints, found, now)


def adopt_deletions(session: Session) -> None:
    """Open receipts of documents that were deleted without one, as by an older program."""
    known = select(Deletion.document_id)
    rows = session.execute(
        select(Document.id, Document.deleted_at).where(
            Document.deleted_at.is_not(None), Document.id.not_in(known)
        )
    ).all()
    for document_id, deleted_at in rows:
        assert deleted_at is not None  # as asked for
        fingerprints = _fingerprints(session, document_id)
        remove_document_evidence(session, document_id)
        found = {Place.SEARCH: _count_live(session, document_id), Place.PAIRS: len(fingerprints.pairs)}
        _open(session, document_id, fingerprints, found, deleted_at)


def _open(
    session: Session,
    document_id: str,
    fingerprints: Fingerprints,
    found: Mapping[Place, int],
    now: datetime,
) -> str:
    gone = {place: now.isoformat() for place in AT_ONCE}
    places = {place: PlaceRecord(found=found.get(place, 0), gone_at=gone.get(place)) for place in Place}
    row = Deletion(
        id=new_id("del"),
        document_id=document_id,
        requested_at=now,
        places=_as_json(places),
        fingerprints=asdict(fingerprints),
        learnt_by=_learners(session, document_id, now),
    )
    session.add(row)
    return row.id


def _count(session: Session, query: Select[str]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0


def _count_live(session: Session, document_id: str) -> int:
    return _count(
        session,
        select(Passage.id)
        .join(Document, Document.id == Passage.document_id)
        .where(Document.id == document_id, Passage.version == Document.current_version),
    )


def _learners(session: Session, document_id: str, until: datetime) -> list[str]:
    """Training runs that began while a document was here; which of its words they read is not on record."""
    here = session.scalar(select(Document.created_at).where(Document.id == document_id))
    runs = select(TrainingRun.id).where(TrainingRun.created_at >= here, TrainingRun.created_at <= until)
    return list(session.scalars(runs.order_by(TrainingRun.created_at, TrainingRun.id)))


def _fingerprints(session: Session, document_id: str) -> Fingerprints:
    versions = session.scalars(
        select(DocumentVersion.sha256).where(DocumentVersion.document_id == document_id)
    ).all()
    passages = session.execute(
        select(Passage.id, Passage.embedding_sha256).where(Passage.document_id == document_id)
    ).all()
    pairs = pairs_of_document(session, document_id)
    questions = session.scalars(select(QAPair.question_sha256).where(QAPair.id.in_(pairs)))
    uri = session.scalar(select(Document.uri).where(Document.id == document_id))
    return Fingerprints(
        bytes=_distinct(versions),
        texts=_distinct([*(row.embedding_sha256 for row in passages), *questions]),
        passages=_distinct(row.id for row in passages),
        pairs=_distinct(pairs),
        names=() if uri is None else (name_sha256(uri),),
    )


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def get_deletion(session: Session, deletion_id: str) -> DeletionView:
    """One deletion.

    Raises:
        DeletionNotFound: If there is none of this id.
    """
    row = session.get(Deletion, deletion_id)
    if row is None:
        raise DeletionNotFound(deletion_id)
    return _view(row)


def list_deletions(
    session: Session, *, after: str | None = None, limit: int | None = None
) -> list[DeletionView]:
    """Deletions by id, beginning after the id ``after``."""
    query = select(Deletion).order_by(Deletion.id).limit(limit)
    if after is not None:
        query = query.where(Deletion.id > after)
    return [_view(row) for row in session.scalars(query)]


def open_deletions(session: Session) -> list[DeletionView]:
    """Deletions that something is left to be done for, oldest first."""
    query = select(Deletion).where(Deletion.completed_at.is_(None))
    return [_view(row) for row in session.scalars(query.order_by(Deletion.requested_at, Deletion.id))]


def is_purge_due(session: Session) -> bool:
    """Whether a deletion is open, or a deleted document has no receipt yet."""
    known = select(Deletion.document_id)
    tombstone = exists().where(Document.deleted_at.is_not(None), Document.id.not_in(known))
    is_open = exists().where(Deletion.completed_at.is_(None))
    return bool(session.scalar(select(or_(tombstone, is_open))))


def note_found(session: Session, deletion_id: str, found: Mapping[Place, int]) -> None:
    """Record what is in the places of an open deletion; a crash in between never makes a count smaller."""
    row = session.get_one(Deletion, deletion_id, with_for_update=True)
    places = dict(_view(row).places)
    for place, count in found.items():
        places[place] = replace(places[place], found=max(places[place].found, count))
    row.places = _as_json(places)


def note_gone(
    session: Session,
    deletion_id: str,
    left: Mapping[Place, int],
    notes: Mapping[Place, str],
    *,
    now: datetime,
) -> bool:
    """Record in which places nothing is left; the receipt is complete once that holds for all of them.

    Args:
        session: In a transaction for writing.
        deletion_id: An open deletion.
        left: What a look into every place has found.
        notes: What went wrong in a place.
        now: When that was.

    Returns:
        Whether it is complete.
    """
    row = session.get_one(Deletion, deletion_id, with_for_update=True)
    places = dict(_view(row).places)
    for place, record in places.items():
        if left.get(place) or place in notes:
            places[place] = replace(record, gone_at=None, note=notes.get(place, WAITS))
        elif record.gone_at is None:
            places[place] = replace(record, gone_at=now.isoformat(), note=None)
    row.places = _as_json(places)
    row.completed_at = now if all(record.gone_at for record in places.values()) else None
    return row.completed_at is not None


def reopen(session: Session, deletion_id: str, places: Collection[Place]) -> None:
    """Open a deletion again whose document was found in some places after all."""
    row = session.get_one(Deletion, deletion_id, with_for_update=True)
    kept = dict(_view(row).places)
    row.places = _as_json(kept | {place: replace(kept[place], gone_at=None) for place in places})
    row.completed_at = None


def _as_json(places: Mapping[Place, PlaceRecord]) -> dict[str, object]:
    return {place.value: asdict(record) for place, record in places.items()}


def _view(row: Deletion) -> DeletionView:
    kept: Mapping[str, Sequence[str]] = row.fingerprints
    return DeletionView(
        id=row.id,
        document_id=row.document_id,
        requested_at=row.requested_at,
        completed_at=row.completed_at,
        places={place: PlaceRecord(**row.places.get(place.value, {})) for place in Place},
        fingerprints=Fingerprints(**{name: tuple(values) for name, values in kept.items()}),
        learnt_by=tuple(row.learnt_by),
    )

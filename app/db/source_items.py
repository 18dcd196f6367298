"""What sources hold: which document each file or page became, what has changed, and what is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db.deletions import request_deletion
from app.db.documents import DocumentNotFound, State
from app.db.sources import SHOWN_ITEMS, get_row
from app.db.tables import Document, DocumentVersion, SourceItem

HELD_FROM = 5  # removals: fewer at once are never held


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """An item whose removal is held, or whose newest bytes were not taken in."""

    key: str
    document_id: str | None
    uri: str | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is remembered of an item."""

    document_id: str | None
    sha256: str | None
    etag: str | None
    last_modified: str | None
    problem: str | None = None


def get_facts(session: Session, source_id: str, key: str) -> Facts | None:
    """What is remembered of an item, or None if it is new."""
    row = session.get(SourceItem, (source_id, key))
    if row is None:
        return None
    return Facts(
        document_id=row.document_id,
        sha256=row.sha256,
        etag=row.etag,
        last_modified=row.last_modified,
        problem=row.problem,
    )


def set_facts(session: Session, source_id: str, key: str, facts: Facts, *, seen_at: datetime) -> None:
    """Remember an item as it was found by the sync that began at ``seen_at``; its removal is held no more.

    What a later sync has seen stays seen then.
    """
    get_row(session, source_id)  # it may have been removed meanwhile
    known = session.get(SourceItem, (source_id, key))
    session.merge(
        SourceItem(
            source_id=source_id,
            key=key,
            document_id=facts.document_id,
            sha256=facts.sha256,
            etag=facts.etag,
            last_modified=facts.last_modified,
            problem=facts.problem,
            seen_at=seen_at if known is None else max(seen_at, known.seen_at),
            held_at=None,
        )
    )


def mark_seen(session: Session, source_id: str, beginning: str, *, seen_at: datetime) -> None:
    """Keep every item whose key begins so: what could not be looked at is not gone."""
    session.execute(
        update(SourceItem)
        .where(SourceItem.source_id == source_id, SourceItem.key.startswith(beginning, autoescape=True))
        .where(SourceItem.seen_at < seen_at)
        .values(seen_at=seen_at, held_at=None)
    )


def owner_of(session: Session, uri: str) -> str | None:
    """The source whose document has an address; None if there is no document, or none of a source."""
    return session.scalar(
        select(Document.source_id).where(Document.uri == uri, Document.deleted_at.is_(None))
    )


def claim_document(session: Session, source_id: str, document_id: str, uri: str) -> None:
    """Let a source own the document of one of its items, if it has that address and no owner."""
    session.execute(
        update(Document)
        .where(Document.id == document_id, Document.uri == uri, Document.source_id.is_(None))
        .values(source_id=source_id)
    )


def moved_items(session: Session, source_id: str) -> list[tuple[str, str]]:
    """Key and sha256 of items whose document has other bytes by now: once the same as another's, no more."""
    newest = (
        select(func.max(DocumentVersion.version))
        .where(DocumentVersion.document_id == SourceItem.document_id)
        .correlate(SourceItem)
        .scalar_subquery()
    )
    rows = session.execute(
        select(SourceItem.key, SourceItem.sha256)
        .join(Document, Document.id == SourceItem.document_id)
        .join(DocumentVersion, DocumentVersion.document_id == SourceItem.document_id)
        .where(
            SourceItem.source_id == source_id,
            Document.deleted_at.is_(None),
            DocumentVersion.version == newest,
            DocumentVersion.sha256 != SourceItem.sha256,
        )
        .order_by(SourceItem.key)
    )
    return [(row.key, row.sha256) for row in rows]


def waiting_versions(session: Session, source_id: str) -> list[tuple[str, int]]:
    """Document id and version of what a source brought and nothing has parsed yet."""
    rows = session.execute(
        select(DocumentVersion.document_id, DocumentVersion.version)
        .join(SourceItem, SourceItem.document_id == DocumentVersion.document_id)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(
            SourceItem.source_id == source_id,
            DocumentVersion.state == State.PENDING,
            Document.deleted_at.is_(None),
        )
        .order_by(DocumentVersion.document_id, DocumentVersion.version)
        .distinct()
    )
    return [(row.document_id, row.version) for row in rows]


def remove_gone(session: Session, source_id: str, *, seen_at: datetime, now: datetime) -> tuple[int, int]:
    """Remove what the sync that began at ``seen_at`` did not find, or hold it where that is too much.

    What was held before stays so until it is found again or confirmed.

    Returns:
        How many documents were removed, and how many removals wait to be confirmed.
    """
    source = get_row(session, source_id)
    rows = session.scalars(select(SourceItem).where(SourceItem.source_id == source_id)).all()
    gone = [row for row in rows if row.seen_at < seen_at]
    held = [row for row in gone if row.document_id is not None]
    documents = sum(row.document_id is not None for row in rows)
    if len(held) >= HELD_FROM and len(held) > source.removal_share * documents:
        for row in held:
            row.held_at = row.held_at or now
        return _remove(session, [row for row in gone if row.document_id is None], now=now), len(held)
    waiting = sum(row.held_at is not None for row in held)
    return _remove(session, [row for row in gone if row.held_at is None], now=now), waiting


def confirm_removals(session: Session, source_id: str, *, now: datetime) -> int:
    """Remove what was held; how many documents that were. Raises SourceNotFound."""
    get_row(session, source_id)
    held = session.scalars(
        select(SourceItem).where(SourceItem.source_id == source_id, SourceItem.held_at.is_not(None))
    ).all()
    return _remove(session, held, now=now)


def remove_documents(session: Session, source_id: str, *, now: datetime) -> int:
    """Remove every document of a source; how many there were. Raises SourceNotFound."""
    get_row(session, source_id)
    rows = session.scalars(select(SourceItem).where(SourceItem.source_id == source_id)).all()
    return _remove(session, rows, now=now)


def _remove(session: Session, rows: Sequence[SourceItem], *, now: datetime) -> int:
    removed = 0
    for row in sorted(rows, key=lambda row: row.document_id or ""):  # see `app.db.documents.lock_live`
        document_id, source_id = row.document_id, row.source_id
        session.delete(row)
        session.flush()
        if document_id is None:
            continue
        document = session.get(Document, document_id)
        if document is None or document.source_id != source_id or document.deleted_at is not None:
            continue  # it was uploaded, belongs to another source, or is gone
        heir = session.scalar(
            select(SourceItem.source_id).where(SourceItem.document_id == document_id).limit(1)
        )
        if heir is not None:  # the same bytes are elsewhere too
            document.source_id = heir
            continue
        try:
            request_deletion(session, document_id, now=now)
        except DocumentNotFound:
            continue  # by someone else, in this moment
        removed += 1
    return removed


def held_items(session: Session, source_id: str) -> list[ItemView]:
    """The first of the removals that wait to be confirmed."""
    return _items(session, source_id, held=True)


def problem_items(session: Session, source_id: str) -> list[ItemView]:
    """The first of the items whose newest bytes were not taken in."""
    return _items(session, source_id, held=False)


def _items(session: Session, source_id: str, *, held: bool) -> list[ItemView]:
    rows = session.execute(
        select(SourceItem, Document.uri)
        .outerjoin(Document, Document.id == SourceItem.document_id)
        .where(
            SourceItem.source_id == source_id,
            SourceItem.held_at.is_not(None) if held else SourceItem.problem.is_not(None),
        )
        .order_by(SourceItem.key)
        .limit(SHOWN_ITEMS)
    )
    return [
        ItemView(key=item.key, document_id=item.document_id, uri=uri, problem=item.problem)
        for item, uri in rows
    ]

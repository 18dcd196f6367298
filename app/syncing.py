"""From a source to stored documents: one item at a time, each in transactions of its own."""

import hashlib
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from app.db.documents import Outcome
from app.db.session import Database
from app.db.source_items import (
    Facts,
    claim_document,
    get_facts,
    moved_items,
    owner_of,
    set_facts,
)
from app.db.sources import SourceView
from app.settings import Settings
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Fetched, Item, Known, Reader
from app.uploads import UploadTooLarge, accept_upload, blob_path
from ingest.errors import IngestError, UnsupportedType

NEW = Facts(document_id=None, sha256=None, etag=None, last_modified=None)


class Change(StrEnum):
    """What a sync found of an item."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"
    GONE = "gone"


def take_item(
    database: Database,
    settings: Settings,
    source: SourceView,
    reader: Reader,
    item: Item,
    *,
    seen_at: datetime,
    now: datetime,
) -> tuple[Change, str | None]:
    """Fetch an item if it may have changed, store what is new, and remember it; safe to repeat.

    A document that a person deleted stays deleted while its source has the same bytes.

    Args:
        database: The database.
        settings: Limits, and the folder of stored bytes.
        source: The source.
        reader: Reads it.
        item: What to take.
        seen_at: When this sync began.
        now: The present.

    Returns:
        What was found, and for a failure why. ``SKIPPED`` is a type that nothing reads.

    Raises:
        SourceUnavailable: If it can't be fetched now, but may be in a while. Nothing is remembered.
    """
    with database.reading() as session:
        known = get_facts(session, source.id, item.key)
    facts = known or NEW
    if item.etag is not None and item.etag == facts.etag:
        return _remember(database, source, item, facts, seen_at)
    try:
        fetched = reader.fetch(item, Known(etag=facts.etag, last_modified=facts.last_modified))
    except ItemGone:
        return Change.GONE, None
    except (ItemRefused, SourceUnavailable) as error:
        if isinstance(error, SourceUnavailable) and error.temporary:
            raise
        return _remember(database, source, item, _unfetched(facts, str(error)), seen_at)
    if fetched is None:
        return _remember(database, source, item, facts, seen_at)
    facts = replace(facts, etag=fetched.etag, last_modified=fetched.last_modified)
    digest = hashlib.sha256(fetched.data).hexdigest()
    if digest == facts.sha256:
        return _remember(database, source, item, replace(facts, problem=None), seen_at)
    return _store(database, settings, source, item, fetched=fetched, facts=facts, seen_at=seen_at, now=now)


def _remember(
    database: Database, source: SourceView, item: Item, facts: Facts, seen_at: datetime
) -> tuple[Change, str | None]:
    """Note that an item brings nothing new; what could not be taken in before still can't."""
    with database.writing() as session:
        set_facts(session, source.id, item.key, facts, seen_at=seen_at)
    if facts.problem is not None:
        return Change.FAILED, facts.problem
    return (Change.SKIPPED if facts.document_id is None else Change.UNCHANGED), None


def _unfetched(facts: Facts, problem: str) -> Facts:
    """Without the marks, so that the next sync fetches it whatever they are then."""
    return replace(facts, etag=None, last_modified=None, problem=problem)


def fail_item(database: Database, source: SourceView, item: Item, problem: str, *, seen_at: datetime) -> None:
    """Note why an item could not be fetched; its document stays as it is."""
    with database.writing() as session:
        facts = get_facts(session, source.id, item.key) or NEW
        set_facts(session, source.id, item.key, _unfetched(facts, problem), seen_at=seen_at)


def _store(
    database: Database,
    settings: Settings,
    source: SourceView,
    item: Item,
    *,
    fetched: Fetched,
    facts: Facts,
    seen_at: datetime,
    now: datetime,
) -> tuple[Change, str | None]:
    """Store bytes that are new; where they can't be taken in, the document stays as it is."""
    try:
        _check_owner(database, source, item)
        stored = accept_upload(
            database,
            settings,
            data=fetched.data,
            name=fetched.name,
            uri=item.uri,
            title=None,
            product=source.product,
            now=now,
        )
    except UnsupportedType:
        return _remember(database, source, item, replace(facts, problem=None), seen_at)
    except (IngestError, UploadTooLarge, ItemRefused) as error:
        return _remember(database, source, item, replace(facts, problem=str(error)), seen_at)
    taken = replace(
        facts,
        document_id=stored.document_id,
        sha256=hashlib.sha256(fetched.data).hexdigest(),
        problem=None,
    )
    with database.writing() as session:
        set_facts(session, source.id, item.key, taken, seen_at=seen_at)
        claim_document(session, source.id, stored.document_id, item.uri)
    is_new = stored.outcome is Outcome.NEW or stored.document_id != facts.document_id
    return (Change.ADDED if is_new else Change.UPDATED), None


def _check_owner(database: Database, source: SourceView, item: Item) -> None:
    with database.reading() as session:
        owner = owner_of(session, item.uri)
    if owner not in {None, source.id}:
        raise ItemRefused(
            f"the address {item.uri} is that of a document of the source {owner}; give one of the two "
            "another uri_prefix"
        )


def restore_moved(
    database: Database,
    settings: Settings,
    source: SourceView,
    uris: dict[str, str],
    *,
    seen_at: datetime,
    now: datetime,
) -> int:
    """Give items a document of their own that shared one with another item, whose bytes have changed.

    Args:
        database: The database.
        settings: Limits, and the folder of stored bytes.
        source: The source.
        uris: The address of each item by its key.
        seen_at: When this sync began.
        now: The present.

    Returns:
        How many there were.
    """
    with database.reading() as session:
        moved = [(key, sha256) for key, sha256 in moved_items(session, source.id) if key in uris]
    for key, sha256 in moved:
        with database.reading() as session:
            facts = get_facts(session, source.id, key) or NEW
        item = Item(key=key, uri=uris[key])
        fetched = Fetched(data=blob_path(settings.blobs_folder, sha256).read_bytes(), name=key)
        _store(database, settings, source, item, fetched=fetched, facts=facts, seen_at=seen_at, now=now)
    return len(moved)

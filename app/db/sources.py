"""Sources: where documents are synced from, and how their last sync went."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.db.documents import get_product_id
from app.db.tables import Document, Product, ScheduledRun, Source, SourceItem, new_id

REMOVAL_SHARE = 0.2  # of a source's documents that a sync removes without asking
SHOWN_ITEMS = 100


class SourceNotFound(Exception):
    """No source has this id or name."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"no source {source!r}; GET /v1/sources lists them, and so does footnote sources list"
        )


class SourceNameTaken(Exception):
    """Another source has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a source {name!r} already; choose another name, or remove that one")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """A source as it is added; checked by `app.sources.kinds.check_source`."""

    kind: str
    name: str
    location: str
    options: dict[str, Any]
    product: str | None = None
    uri_prefix: str | None = None
    schedule: str | None = None
    zone: str = "UTC"
    removal_share: float = REMOVAL_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """A source as it is shown; ``held`` counts removals that wait, ``sync_*`` tell of its last sync."""

    id: str
    created_at: datetime
    kind: str
    name: str
    location: str
    options: dict[str, Any]
    product: str | None
    uri_prefix: str | None
    schedule: str | None
    zone: str
    removal_share: float
    documents: int
    held: int
    sync_job: str | None
    sync_started_at: datetime | None
    sync_ended_at: datetime | None
    sync_counts: dict[str, int]
    sync_error: str | None


def add_source(session: Session, new: NewSource, *, now: datetime) -> str:
    """Record a source; its id. Its schedule begins now.

    Raises:
        SourceNameTaken: If another one has its name.
    """
    if session.scalar(select(Source.id).where(Source.name == new.name)) is not None:
        raise SourceNameTaken(new.name)
    source = Source(
        id=new_id("src"),
        created_at=now,
        kind=new.kind,
        name=new.name,
        location=new.location,
        options=new.options,
        product_id=get_product_id(session, new.product),
        uri_prefix=new.uri_prefix,
        schedule=new.schedule,
        zone=new.zone,
        removal_share=new.removal_share,
        sync_counts={},
    )
    session.add(source)
    session.add(ScheduledRun(subject=source.id, ran_for=now))
    session.flush()
    return source.id


def change_source(session: Session, source_id: str, changes: Mapping[str, Any], *, now: datetime) -> None:
    """Change columns of a source; a changed schedule begins now.

    Raises:
        SourceNotFound, SourceNameTaken: As the names say.
    """
    source = get_row(session, source_id)
    name = changes.get("name", source.name)
    if session.scalar(select(Source.id).where(Source.name == name, Source.id != source_id)) is not None:
        raise SourceNameTaken(name)
    for column, value in changes.items():
        setattr(source, column, value)
    if {"schedule", "zone"} & set(changes):
        session.merge(ScheduledRun(subject=source_id, ran_for=now))


def get_row(session: Session, source_id: str) -> Source:
    """The row of a source; raises SourceNotFound."""
    source = session.get(Source, source_id)
    if source is None:
        raise SourceNotFound(source_id)
    return source


def list_sources(session: Session) -> list[SourceView]:
    """Every source by name."""
    return _views(session, None)


def get_source(session: Session, source: str) -> SourceView:
    """One source, by its id or its name; raises SourceNotFound."""
    found = _views(session, source)
    if not found:
        raise SourceNotFound(source)
    return found[0]


def _views(session: Session, wanted: str | None) -> list[SourceView]:
    counted = (
        select(
            SourceItem.source_id,
            func.count(SourceItem.document_id.distinct()).label("documents"),
            func.count(SourceItem.held_at).label("held"),
        )
        .group_by(SourceItem.source_id)
        .subquery()
    )
    query = (
        select(Source, Product.name, counted.c.documents, counted.c.held)
        .outerjoin(Product, Product.id == Source.product_id)
        .outerjoin(counted, counted.c.source_id == Source.id)
        .order_by(Source.name)
    )
    if wanted is not None:
        query = query.where(or_(Source.id == wanted, Source.name == wanted))
    return [
        SourceView(
            id=source.id,
            created_at=source.created_at,
            kind=source.kind,
            name=source.name,
            location=source.location,
            options=source.options,
            product=product,
            uri_prefix=source.uri_prefix,
            schedule=source.schedule,
            zone=source.zone,
            removal_share=source.removal_share,
            documents=documents or 0,
            held=held or 0,
            sync_job=source.sync_job,
            sync_started_at=source.sync_started_at,
            sync_ended_at=source.sync_ended_at,
            sync_counts=source.sync_counts,
            sync_error=source.sync_error,
        )
        for source, product, documents, held in session.execute(query)
    ]


def list_schedules(session: Session) -> list[tuple[str, str, str]]:
    """Id, schedule and zone of every source that has a schedule."""
    rows = session.execute(
        select(Source.id, Source.schedule, Source.zone)
        .where(Source.schedule.is_not(None))
        .order_by(Source.id)
    )
    return [(row.id, row.schedule, row.zone) for row in rows]


def begin_sync(session: Session, source_id: str, job_id: str, *, now: datetime) -> None:
    """Record that a sync has begun; raises SourceNotFound."""
    source = get_row(session, source_id)
    source.sync_job, source.sync_started_at = job_id, now
    source.sync_ended_at, source.sync_error, source.sync_counts = None, None, {}


def end_sync(
    session: Session, source_id: str, counts: dict[str, int], error: str | None, *, now: datetime
) -> None:
    """Record how a sync went, if the source is still there."""
    session.execute(
        update(Source)
        .where(Source.id == source_id)
        .values(sync_ended_at=now, sync_counts=counts, sync_error=error)
    )


def remove_source(session: Session, source_id: str) -> None:
    """Forget a source; its documents stay, as if they had been uploaded. Raises SourceNotFound."""
    source = get_row(session, source_id)
    session.execute(update(Document).where(Document.source_id == source_id).values(source_id=None))
    session.execute(delete(SourceItem).where(SourceItem.source_id == source_id))
    session.execute(delete(ScheduledRun).where(ScheduledRun.subject == source_id))
    session.delete(source)


def last_run(session: Session, subject: str) -> datetime | None:
    """The moment that a schedule was last run for, or None if it never was."""
    return session.scalar(select(ScheduledRun.ran_for).where(ScheduledRun.subject == subject))


def record_run(session: Session, subject: str, moment: datetime) -> None:
    """Record the moment that a schedule was run for."""
    session.merge(ScheduledRun(subject=subject, ran_for=moment))

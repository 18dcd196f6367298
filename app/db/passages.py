"""Passages and cached embeddings."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db.documents import State
from app.db.tables import Document, DocumentVersion, Embedding, Passage

LIVE_PASSAGE: ColumnElement[bool] = and_(
    Document.id == Passage.document_id,
    Passage.version == Document.current_version,
    Document.deleted_at.is_(None),
)
LOOKUP_SIZE = 500  # ids of one IN (...)


def passage_id(document_id: str, version: int, ordinal: int) -> str:
    """The id of a passage: the same each time the same version is cut the same way."""
    digest = hashlib.sha256(f"{document_id}/{version}/{ordinal}".encode()).hexdigest()
    return f"psg_{digest[:24]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedVersion:
    """What was read from a version's bytes."""

    media_type: str
    title: str
    text: str
    minhash: bytes
    cut: str


def replace_passages(
    session: Session, document_id: str, version: int, parsed: ParsedVersion, passages: Sequence[Passage]
) -> None:
    """Record a version as read, and make it the document's current one; safe to repeat."""
    row = session.get_one(DocumentVersion, (document_id, version), with_for_update=True)
    session.execute(delete(Passage).where(Passage.document_id == document_id, Passage.version == version))
    session.add_all(passages)
    row.media_type, row.title, row.text = parsed.media_type, parsed.title, parsed.text
    row.minhash, row.cut = parsed.minhash, parsed.cut
    row.state, row.error = State.READY, None
    session.execute(
        update(Document)
        .where(Document.id == document_id, func.coalesce(Document.current_version, 0) < version)
        .values(current_version=version)
    )


def mark_failed(session: Session, document_id: str, version: int, error: str) -> None:
    """Record why a version could not be read."""
    row = session.get_one(DocumentVersion, (document_id, version))
    row.state, row.error = State.FAILED, error


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageView:
    """A passage with what a reader needs to know of its document."""

    id: str
    document_id: str
    version: int
    uri: str
    title: str
    product_id: str | None
    heading_path: tuple[str, ...]
    page: int | None
    seconds: tuple[float, float] | None
    start: int
    end: int
    embedding_sha256: str
    text: str


def _view(passage: Passage, document: Document, title: str, text: str) -> PassageView:
    seconds = None
    if passage.seconds_start is not None and passage.seconds_end is not None:
        seconds = (passage.seconds_start, passage.seconds_end)
    return PassageView(
        id=passage.id,
        document_id=passage.document_id,
        version=passage.version,
        uri=document.uri,
        title=title,
        product_id=document.product_id,
        heading_path=tuple(passage.heading_path),
        page=passage.page,
        seconds=seconds,
        start=passage.start,
        end=passage.end,
        embedding_sha256=passage.embedding_sha256,
        text=text,
    )


def get_passages(session: Session, ids: Sequence[str]) -> dict[str, PassageView]:
    """Passages by id, of any version of documents that are not deleted."""
    text = func.substr(DocumentVersion.text, Passage.start + 1, Passage.end - Passage.start)
    title = func.coalesce(DocumentVersion.given_title, DocumentVersion.title)
    rows = session.execute(
        select(Passage, Document, title, text)
        .join(Document, Document.id == Passage.document_id)
        .join(
            DocumentVersion,
            and_(
                DocumentVersion.document_id == Passage.document_id,
                DocumentVersion.version == Passage.version,
            ),
        )
        .where(Passage.id.in_(ids), Document.deleted_at.is_(None))
    )
    return {passage.id: _view(passage, document, title, text) for passage, document, title, text in rows}


def live_passages(session: Session) -> Iterator[PassageView]:
    """Every passage of every live document, by document and ordinal."""
    documents = session.execute(
        select(Document, DocumentVersion)
        .join(
            DocumentVersion,
            and_(
                DocumentVersion.document_id == Document.id,
                DocumentVersion.version == Document.current_version,
            ),
        )
        .where(Document.deleted_at.is_(None))
        .order_by(Document.id)
    ).all()
    for document, version in documents:
        rows = session.scalars(
            select(Passage)
            .where(Passage.document_id == document.id, Passage.version == version.version)
            .order_by(Passage.ordinal)
        )
        text, title = version.text or "", version.given_title or version.title or version.name
        for row in rows:
            yield _view(row, document, title, text[row.start : row.end])
        session.expire(version, ["text"])


def missing_embeddings(session: Session, encoder: str, documents: Sequence[str], *, limit: int) -> list[str]:
    """Ids of live passages of some documents: one for each distinct text without a vector."""
    return list(session.scalars(_missing(encoder, documents).limit(limit)))


def count_missing_embeddings(
    session: Session, encoder: str, documents: Sequence[str] | None = None
) -> dict[str, int]:
    """Documents, or those of some, that have texts without a vector of this encoder, and how many."""
    ids = _missing(encoder, documents).subquery()
    rows = session.execute(
        select(Passage.document_id, func.count())
        .join(ids, ids.c.id == Passage.id)
        .group_by(Passage.document_id)
        .order_by(Passage.document_id)
    )
    return {row[0]: row[1] for row in rows}


def _missing(encoder: str, documents: Sequence[str] | None):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Select's type is long and of no use
    found = (
        select(func.min(Passage.id).label("id"))
        .join(Document, LIVE_PASSAGE)
        .outerjoin(
            Embedding,
            and_(Embedding.encoder == encoder, Embedding.text_sha256 == Passage.embedding_sha256),
        )
        .where(Embedding.encoder.is_(None))
        .group_by(Passage.embedding_sha256)
    )
    return found if documents is None else found.where(Passage.document_id.in_(documents))


def add_embeddings(session: Session, encoder: str, vectors: Mapping[str, bytes]) -> None:
    """Cache vectors by the sha256 of their text; those that are there already stay.

    Several processes may store the same ones at once: in one order, so that none waits for another in a ring.
    """
    if not vectors:
        return
    rows = [
        {"encoder": encoder, "text_sha256": digest, "vector": vector}
        for digest, vector in sorted(vectors.items())
    ]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(Embedding).on_conflict_do_nothing(), rows)


def get_embeddings(session: Session, encoder: str, digests: Sequence[str]) -> dict[str, bytes]:
    """Cached vectors by the sha256 of their text."""
    found: dict[str, bytes] = {}
    for begin in range(0, len(digests), LOOKUP_SIZE):
        rows = session.execute(
            select(Embedding.text_sha256, Embedding.vector).where(
                Embedding.encoder == encoder, Embedding.text_sha256.in_(digests[begin : begin + LOOKUP_SIZE])
            )
        )
        found.update((row.text_sha256, row.vector) for row in rows)
    return found


def forget_embeddings(session: Session, encoders: Collection[str]) -> None:
    """Remove every cached vector of encoders that are not used any more, by their fingerprints."""
    session.execute(delete(Embedding).where(Embedding.encoder.in_(encoders)))


def passages_between(session: Session, document_id: str, start: int, end: int) -> list[str]:
    """Ids of the passages of a live document's current version that overlap its characters, in order."""
    return list(
        session.scalars(
            select(Passage.id)
            .join(Document, LIVE_PASSAGE)
            .where(Passage.document_id == document_id, Passage.start < end, Passage.end > start)
            .order_by(Passage.ordinal)
        )
    )


class PassagePlace(NamedTuple):
    """Where a passage stands, as a reader sees it."""

    uri: str
    title: str
    heading_path: tuple[str, ...]


def passage_places(session: Session) -> dict[str, PassagePlace]:
    """The place of every live passage, by its id; no text is read."""
    title = func.coalesce(DocumentVersion.given_title, DocumentVersion.title, DocumentVersion.name)
    rows = session.execute(
        select(Passage.id, Document.uri, title, Passage.heading_path)
        .join(Document, LIVE_PASSAGE)
        .join(
            DocumentVersion,
            and_(
                DocumentVersion.document_id == Passage.document_id,
                DocumentVersion.version == Passage.version,
            ),
        )
    )
    return {passage: PassagePlace(uri, name, tuple(path)) for passage, uri, name, path in rows}

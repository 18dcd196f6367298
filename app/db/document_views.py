"""Documents as the API and the command line show them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.db.documents import DocumentNotFound, State
from app.db.passages import LOOKUP_SIZE
from app.db.tables import Document, DocumentVersion, NearDuplicate, Passage, Product


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """A document as the API shows it; ``state`` and ``error`` are those of its newest version."""

    id: str
    uri: str
    title: str
    product: str | None
    media_type: str | None
    version: int
    current_version: int | None
    state: str
    error: str | None
    sha256: str
    size_bytes: int
    passages: int
    created_at: datetime
    updated_at: datetime
    near_duplicates: tuple[str, ...]


def _views(allowed_products: Collection[str] | None) -> Select[Document, DocumentVersion, str | None]:
    any_version = aliased(DocumentVersion)
    newest = (
        select(func.max(any_version.version))
        .where(any_version.document_id == Document.id)
        .correlate(Document)
        .scalar_subquery()
    )
    query = (
        select(Document, DocumentVersion, Product.name)
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .outerjoin(Product, Product.id == Document.product_id)
        .where(Document.deleted_at.is_(None), DocumentVersion.version == newest)
    )
    return query if allowed_products is None else query.where(Document.product_id.in_(allowed_products))


_Row = tuple[Document, DocumentVersion, str | None]


def _as_row(document: Document, newest: DocumentVersion, product: str | None) -> _Row:
    return document, newest, product


def _as_views(
    session: Session, rows: Sequence[_Row], allowed_products: Collection[str] | None
) -> list[DocumentView]:
    ids = [document.id for document, _, _ in rows]
    counts = {
        row.document_id: row.passages
        for row in session.execute(
            select(Passage.document_id, func.count().label("passages"))
            .join(Document, Document.id == Passage.document_id)
            .where(Passage.document_id.in_(ids), Passage.version == Document.current_version)
            .group_by(Passage.document_id)
        )
    }
    twins = _twins(session, ids, allowed_products)
    return [
        DocumentView(
            id=document.id,
            uri=document.uri,
            title=newest.given_title or newest.title or newest.name,
            product=product,
            media_type=newest.media_type,
            version=newest.version,
            current_version=document.current_version,
            state=newest.state,
            error=newest.error,
            sha256=newest.sha256,
            size_bytes=newest.size_bytes,
            passages=counts.get(document.id, 0),
            created_at=document.created_at,
            updated_at=newest.created_at,
            near_duplicates=tuple(sorted(twins.get(document.id, []))),
        )
        for document, newest, product in rows
    ]


def _twins(
    session: Session, ids: Sequence[str], allowed_products: Collection[str] | None
) -> dict[str, list[str]]:
    """Ids of the documents with nearly the same text, by document, of those that may be seen."""
    rows = session.execute(
        select(NearDuplicate.first_id, NearDuplicate.second_id).where(
            or_(NearDuplicate.first_id.in_(ids), NearDuplicate.second_id.in_(ids))
        )
    ).all()
    seen = {one for row in rows for one in row}
    if allowed_products is not None:
        allowed = select(Document.id).where(Document.id.in_(seen), Document.product_id.in_(allowed_products))
        seen = set(session.scalars(allowed))
    twins: dict[str, list[str]] = {}
    for first_id, second_id in rows:
        if first_id in seen and second_id in seen:
            twins.setdefault(first_id, []).append(second_id)
            twins.setdefault(second_id, []).append(first_id)
    return twins


def list_documents(
    session: Session,
    *,
    after: str | None,
    limit: int,
    address: str | None = None,
    allowed_products: Collection[str] | None = None,
) -> list[DocumentView]:
    """Live documents by id.

    Args:
        session: The session.
        after: The id to begin after.
        limit: Most documents.
        address: Only those whose address has this in it; ASCII letters in any case.
        allowed_products: Only those of these products; None for all.
    """
    query = _views(allowed_products).order_by(Document.id).limit(limit)
    if after is not None:
        query = query.where(Document.id > after)
    if address is not None:
        query = query.where(Document.uri.icontains(address, autoescape=True))
    return _as_views(session, [_as_row(*row) for row in session.execute(query)], allowed_products)


def get_document(
    session: Session, document_id: str, *, allowed_products: Collection[str] | None = None
) -> DocumentView:
    """One live document.

    Raises:
        DocumentNotFound: If there is none of this id, or it may not be seen.
    """
    row = session.execute(_views(allowed_products).where(Document.id == document_id)).first()
    if row is None:
        raise DocumentNotFound(document_id)
    return _as_views(session, [_as_row(*row)], allowed_products)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionOutcome:
    """What became of one document version."""

    document_id: str
    name: str
    error: str | None


def get_outcomes(session: Session, versions: Sequence[tuple[str, int]]) -> list[VersionOutcome]:
    """What became of these versions, in the order given; ``error`` is None where all went well.

    Those of documents that were purged meanwhile are left out.
    """
    found = (session.get(DocumentVersion, version) for version in versions)
    return [
        VersionOutcome(document_id=row.document_id, name=row.name, error=row.error)
        for row in found
        if row is not None
    ]


def document_uris(session: Session) -> dict[str, str]:
    """Id to address of every live document."""
    rows = session.execute(select(Document.id, Document.uri).where(Document.deleted_at.is_(None)))
    return {row.id: row.uri for row in rows}


def document_texts(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """The current text of live documents, by id."""
    texts: dict[str, str] = {}
    for begin in range(0, len(ids), LOOKUP_SIZE):
        rows = session.execute(
            select(Document.id, DocumentVersion.text)
            .join(
                DocumentVersion,
                and_(
                    DocumentVersion.document_id == Document.id,
                    DocumentVersion.version == Document.current_version,
                ),
            )
            .where(Document.id.in_(ids[begin : begin + LOOKUP_SIZE]), Document.deleted_at.is_(None))
        )
        texts.update((row.id, row.text or "") for row in rows)
    return texts


def count_states(session: Session) -> dict[State, int]:
    """How many versions of live documents there are in every state."""
    rows = session.execute(
        select(DocumentVersion.state, func.count())
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(Document.deleted_at.is_(None))
        .group_by(DocumentVersion.state)
    ).all()
    counts = {row[0]: row[1] for row in rows}
    return {state: counts.get(state.value, 0) for state in State}

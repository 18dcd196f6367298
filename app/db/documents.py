"""Documents and their versions: storing uploads, reading, deleting."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.db.tables import Document, DocumentVersion, NearDuplicate, Product, new_id
from retriever.mentions import fold_name


class State(StrEnum):
    """What became of a document version so far."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class Outcome(StrEnum):
    """What an upload was."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Bytes that were stored, and what the uploader said of them.

    Attributes:
        sha256: Of the bytes, in hexadecimal.
        size_bytes: How many.
        name: File name, for messages.
        uri: The document's address; the same address again is a new version of the same document.
        title: A title that overrides the document's own, or None.
        product: Name of the product, or None.
    """

    sha256: str
    size_bytes: int
    name: str
    uri: str
    title: str | None
    product: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where an upload went."""

    document_id: str
    version: int
    outcome: Outcome


class DocumentNotFound(Exception):
    """No document has this id, or it was deleted."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"no document {document_id!r}; GET /v1/documents lists them")


class AddressTaken(Exception):
    """The address of an upload is that of a document which the uploader may not see."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"the address {uri!r} is that of a document which this key may not change; give another"
        )


def store_upload(
    session: Session, upload: Upload, *, allowed_products: Collection[str] | None = None, now: datetime
) -> Stored:
    """Record an upload: a new document, a new version of one, or nothing where the bytes are known.

    Args:
        session: In a transaction for writing.
        upload: What was uploaded.
        allowed_products: Ids of the only products whose documents the uploader may change; None for all.
        now: Time of the upload.

    Raises:
        AddressTaken: If a document of another product has the address.
    """
    product_id = get_product_id(session, upload.product)
    document = session.scalar(  # locked: a deletion waits, and sees this version, or has taken it away
        select(Document)
        .where(Document.uri == upload.uri, Document.deleted_at.is_(None))
        .with_for_update(key_share=True)
    )
    if document is None:
        twin = _document_with_bytes(session, upload.sha256, product_id)
        if twin is not None:
            return twin
        document = Document(id=new_id("doc"), uri=upload.uri, product_id=product_id, created_at=now)
        session.add(document)
        session.flush()
        return _add_version(session, document.id, 1, upload, now=now)
    if allowed_products is not None and document.product_id not in allowed_products:
        raise AddressTaken(upload.uri)
    moved = upload.product is not None and document.product_id != product_id
    if moved:
        document.product_id = product_id
    newest = _newest_version(session, document.id)
    if newest.sha256 == upload.sha256 and upload.title in (None, newest.given_title):
        if newest.state == State.FAILED:
            newest.state, newest.error = State.PENDING, None
            moved = True
        outcome = Outcome.UPDATED if moved else Outcome.UNCHANGED
        return Stored(document_id=document.id, version=newest.version, outcome=outcome)
    return _add_version(session, document.id, newest.version + 1, upload, now=now)


def get_product_id(session: Session, name: str | None) -> str | None:
    """The id of a product by its name or an alias, in any case; made if it is new."""
    if name is None:
        return None
    key = fold_name(name)
    products = session.scalars(select(Product))
    product = next((one for one in products if key in map(fold_name, (one.name, *one.aliases))), None)
    if product is None:
        product = Product(id=new_id("prd"), name=name, aliases=[])
        session.add(product)
        session.flush()
    return product.id


def _document_with_bytes(session: Session, sha256: str, product_id: str | None) -> Stored | None:
    """A live document of the same product whose newest good or waiting version has these bytes."""
    newer = aliased(DocumentVersion)
    row = session.execute(
        select(DocumentVersion.document_id, DocumentVersion.version)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(
            DocumentVersion.sha256 == sha256,
            Document.deleted_at.is_(None),
            Document.product_id.is_(None) if product_id is None else Document.product_id == product_id,
            DocumentVersion.state != State.FAILED,
            ~exists().where(
                newer.document_id == DocumentVersion.document_id,
                newer.version > DocumentVersion.version,
                newer.state != State.FAILED,
            ),
        )
        .order_by(Document.created_at, Document.id)
    ).first()
    if row is None:
        return None
    return Stored(document_id=row.document_id, version=row.version, outcome=Outcome.UNCHANGED)


def _newest_version(session: Session, document_id: str) -> DocumentVersion:
    return session.scalars(
        select(DocumentVersion)
        .where(DocumentVersion.document_id == document_id)
        .order_by(DocumentVersion.version.desc())
        .limit(1)
    ).one()


def _add_version(
    session: Session, document_id: str, version: int, upload: Upload, *, now: datetime
) -> Stored:
    session.add(
        DocumentVersion(
            document_id=document_id,
            version=version,
            name=upload.name,
            given_title=upload.title,
            sha256=upload.sha256,
            size_bytes=upload.size_bytes,
            state=State.PENDING,
            created_at=now,
        )
    )
    outcome = Outcome.NEW if version == 1 else Outcome.UPDATED
    return Stored(document_id=document_id, version=version, outcome=outcome)


def renew_versions_cut_otherwise(session: Session, cut: str, *, now: datetime) -> list[tuple[str, int]]:
    """Give every live document whose passages were cut otherwise a new version of the same bytes.

    Returns:
        Document id and version of each: to be parsed, after the encoder, the sizes or the parser changed.
    """
    stale = session.scalars(
        select(DocumentVersion)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(
            Document.deleted_at.is_(None),
            DocumentVersion.version == Document.current_version,
            DocumentVersion.cut != cut,
        )
    ).all()
    renewed = []
    for version in stale:
        newest = _newest_version(session, version.document_id)
        if newest.state == State.PENDING:
            continue
        again = Upload(
            sha256=version.sha256,
            size_bytes=version.size_bytes,
            name=version.name,
            uri="",
            title=version.given_title,
            product=None,
        )
        stored = _add_version(session, version.document_id, newest.version + 1, again, now=now)
        renewed.append((stored.document_id, stored.version))
    return renewed


def pending_versions(session: Session, *, before: datetime | None = None) -> list[tuple[str, int]]:
    """Document id and version of everything that waits to be parsed, oldest first.

    Args:
        session: The session.
        before: Only versions that were stored before this time.
    """
    query = (
        select(DocumentVersion.document_id, DocumentVersion.version)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(DocumentVersion.state == State.PENDING, Document.deleted_at.is_(None))
        .order_by(DocumentVersion.created_at, DocumentVersion.document_id)
    )
    if before is not None:
        query = query.where(DocumentVersion.created_at <= before)
    rows = session.execute(query)
    return [(row.document_id, row.version) for row in rows]


def check_document(session: Session, document_id: str, *, allowed_products: Collection[str] | None) -> None:
    """Raise DocumentNotFound if a document is of none of these products, as if it were not there."""
    if allowed_products is None:
        return
    product = session.scalar(select(Document.product_id).where(Document.id == document_id))
    if product not in allowed_products:
        raise DocumentNotFound(document_id)


def get_text(session: Session, document_id: str, version: int | None) -> tuple[int, str]:
    """Version number and text of a live document, of its current version if none is named.

    Raises:
        DocumentNotFound: If there is no such document, or no text of that version.
    """
    document = session.get(Document, document_id)
    if document is None or document.deleted_at is not None:
        raise DocumentNotFound(document_id)
    wanted = version if version is not None else document.current_version
    text = session.scalar(
        select(DocumentVersion.text).where(
            DocumentVersion.document_id == document_id, DocumentVersion.version == wanted
        )
    )
    if wanted is None or text is None:
        raise DocumentNotFound(document_id)
    return wanted, text


def delete_document(session: Session, document_id: str, *, now: datetime) -> None:
    """Take a document out of every search from now on.

    Raises:
        DocumentNotFound: If there is none of this id.
    """
    done = session.execute(
        update(Document)
        .where(Document.id == document_id, Document.deleted_at.is_(None))
        .values(deleted_at=now)
        .returning(Document.id)
    ).first()
    if done is None:
        raise DocumentNotFound(document_id)
    session.execute(
        delete(NearDuplicate).where(
            or_(NearDuplicate.first_id == document_id, NearDuplicate.second_id == document_id)
        )
    )


def lock_live(session: Session, document_ids: Collection[str]) -> set[str]:
    """Those of some documents that are not deleted, and can't be before this transaction ends."""
    return set(
        session.scalars(
            select(Document.id)
            .where(Document.id.in_(document_ids), Document.deleted_at.is_(None))
            .order_by(Document.id)  # as all who lock several: none waits for another in a ring
            .with_for_update(read=True)
        )
    )


def deleted_documents(session: Session, *, since: datetime) -> frozenset[str]:
    """Ids of documents deleted at or after a moment: what the index of that moment must not show."""
    return frozenset(session.scalars(select(Document.id).where(Document.deleted_at >= since)))


def list_products(session: Session) -> dict[str, str]:
    """Name to id of every product."""
    return {row.name: row.id for row in session.execute(select(Product.name, Product.id))}

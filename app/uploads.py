"""From uploaded bytes to a document on record, still to be parsed."""

import hashlib
import os
import tempfile
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from app.db.documents import Stored, Upload, store_upload
from app.db.session import DATABASE_AWAY, Database
from app.db.tables import DocumentVersion
from app.settings import Settings
from ingest.detection import detect_media_type
from ingest.errors import EmptyFile, IngestError
from retriever.writing import FULL_DISK


class UploadTooLarge(Exception):
    """A file is over the limit of this server."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(
            f"{name!r} is larger than {limit:,} bytes; split it, or raise FOOTNOTE_MAX_UPLOAD_BYTES"
        )


class DiskFull(Exception):
    """There is no space for a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the disk of {folder} is full and nothing was stored; free some space, docs/operations.md tells "
            "what may be deleted"
        )


def accept_upload(
    database: Database,
    settings: Settings,
    *,
    data: bytes,
    name: str,
    uri: str | None,
    title: str | None,
    product: str | None,
    allowed_products: Collection[str] | None = None,
    now: datetime,
) -> Stored:
    """Store a file's bytes and record the document, still to be parsed.

    Args:
        database: The database.
        settings: Limits, and the folder of stored bytes.
        data: The whole file.
        name: Its file name, for messages.
        uri: The document's address; without one, an address made from the content.
        title: Overrides the document's own title.
        product: Name of its product, made if it is new.
        allowed_products: Ids of the only products that the uploader may see; None for all.
        now: Time of the upload.

    Raises:
        AddressTaken: If a document that the uploader may not see has the address; nothing is stored.
        UploadTooLarge: Over ``max_upload_bytes``.
        IngestError: EmptyFile or UnsupportedType, with the file's name; nothing is stored.
        DiskFull: If there is no space for it.
    """
    if len(data) > settings.max_upload_bytes:
        raise UploadTooLarge(name, settings.max_upload_bytes)
    try:
        if not data:
            raise EmptyFile("the file holds no bytes; check that it was saved or uploaded whole")
        detect_media_type(data, name=name)
    except IngestError as error:
        raise type(error)(f"{name!r}: {error}") from error
    digest = _store_bytes(settings.blobs_folder, data)
    place = digest[:16]
    if allowed_products is not None:  # the address must not tell of a twin in another product
        place = f"{product}/{place}"
    upload = Upload(
        sha256=digest,
        size_bytes=len(data),
        name=name,
        uri=uri or f"upload:{place}/{name}",
        title=title,
        product=product,
    )
    try:
        stored = _record(database, upload, allowed_products=allowed_products, now=now)
    except DATABASE_AWAY:  # it may be on record all the same
        raise
    except Exception:
        _remove_unrecorded(database, settings.blobs_folder, data)
        raise
    _store_bytes(settings.blobs_folder, data)  # a purge may have removed them before they were on record
    return stored


def _record(
    database: Database, upload: Upload, *, allowed_products: Collection[str] | None, now: datetime
) -> Stored:
    try:
        with database.writing() as session:
            return store_upload(session, upload, allowed_products=allowed_products, now=now)
    except IntegrityError:  # another upload made the same document or product first: now it is there
        with database.writing() as session:
            return store_upload(session, upload, allowed_products=allowed_products, now=now)


def _remove_unrecorded(database: Database, blobs: Path, data: bytes) -> None:
    """Remove the bytes of an upload that was refused, unless a version has them."""
    digest = hashlib.sha256(data).hexdigest()
    if _is_recorded(database, digest):
        return
    blob_path(blobs, digest).unlink(missing_ok=True)
    # An upload of the same bytes may have found them there. What was recorded by now is seen here; what is
    # recorded later stores them again afterwards.
    if _is_recorded(database, digest):
        _store_bytes(blobs, data)


def _is_recorded(database: Database, sha256: str) -> bool:
    with database.reading() as session:
        return bool(session.scalar(select(exists().where(DocumentVersion.sha256 == sha256))))


def blob_path(blobs: Path, sha256: str) -> Path:
    """Where the bytes of this checksum are kept."""
    return blobs / sha256[:2] / sha256


def _store_bytes(blobs: Path, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    path = blob_path(blobs, digest)
    if path.exists():
        return digest
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).rename(path)
        except OSError as error:
            Path(file.name).unlink(missing_ok=True)
            if error.errno in FULL_DISK:
                raise DiskFull(blobs) from error
            raise
    return digest

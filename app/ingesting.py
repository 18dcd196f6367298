"""From uploaded bytes to stored passages and cached embeddings."""

import errno
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError

from app.db.documents import State, Stored, Upload, lock_live, store_upload
from app.db.pair_evidence import refresh_evidence
from app.db.passages import (
    ParsedVersion,
    add_embeddings,
    count_missing_embeddings,
    get_passages,
    mark_failed,
    missing_embeddings,
    passage_id,
    replace_passages,
)
from app.db.session import DATABASE_AWAY, Database
from app.db.tables import Document, DocumentVersion, NearDuplicate, Passage
from app.failures import is_temporary
from app.observability import logger
from app.settings import Settings
from ingest.detection import detect_media_type
from ingest.document import ParsedDocument
from ingest.duplicates import near_duplicates, signature
from ingest.errors import EmptyFile, IngestError
from ingest.parsing import PARSER_VERSION, parse
from ingest.passages import contextual_text, cut_passages
from retriever.encoder import Encoder

EMBEDDED_AT_ONCE = 1024  # texts between two commits: enough to sort by length, seconds to redo after a kill

_embedding = threading.Lock()  # two jobs must not embed the same texts


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
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(blobs) from error
            raise
    return digest


def cut_name(encoder: Encoder, settings: Settings) -> str:
    """Names what decides the passages of a text: parser, tokenizer and sizes."""
    digest = hashlib.sha256(encoder.fingerprint.encode()).hexdigest()[:16]
    return f"{PARSER_VERSION}/{digest}/{settings.passage_tokens}"


def parse_version(
    database: Database,
    settings: Settings,
    encoder: Encoder,
    document_id: str,
    version: int,
    *,
    now: Callable[[], datetime],
) -> State:
    """Parse a version's bytes and store its passages, or why that can't be done; safe to repeat.

    QA pairs that rest on an older version move to this one, or go stale, in the same transaction. Of a
    document that was deleted meanwhile nothing is stored.

    Raises:
        OSError: If its bytes can't be read for the time being; nothing is stored.
    """
    with database.reading() as session:
        row = session.get(DocumentVersion, (document_id, version))
        if row is None:  # the document was deleted, and is purged already
            return State.FAILED
        name, sha256, given_title = row.name, row.sha256, row.given_title
    try:
        data = blob_path(settings.blobs_folder, sha256).read_bytes()
    except OSError as error:
        if is_temporary(error):
            raise
        problem = f"{name!r}: its stored bytes can't be read ({error.strerror}); upload it again"
        return _fail(database, document_id, version, problem)
    try:
        document = parse(data, name=name, max_text_characters=settings.max_text_characters)
        document = replace(document, title=given_title or document.title)
        passages = _cut(document, encoder, settings, document_id, version)
    except IngestError as error:
        return _fail(database, document_id, version, f"{name!r}: {error}")
    except Exception as error:  # noqa: BLE001 - one document's parser must never stop the other documents of a run
        logger().exception("parser_failed", document_id=document_id, version=version)
        return _fail(
            database, document_id, version, f"{name!r}: the parser failed ({error!r}); please report it"
        )
    parsed = ParsedVersion(
        media_type=document.media_type,
        title=document.title,
        text=document.text,
        minhash=signature(document.text),
        cut=cut_name(encoder, settings),
    )
    with database.writing() as session:
        if not lock_live(session, [document_id]):
            return State.FAILED
        replace_passages(session, document_id, version, parsed, passages)
        refresh_evidence(session, document_id, version, document.text, now=now())
    return State.READY


def _fail(database: Database, document_id: str, version: int, error: str) -> State:
    with database.writing() as session:
        if lock_live(session, [document_id]):
            mark_failed(session, document_id, version, error)
    return State.FAILED


def _cut(
    document: ParsedDocument, encoder: Encoder, settings: Settings, document_id: str, version: int
) -> list[Passage]:
    cuts = cut_passages(
        document,
        token_offsets=encoder.token_offsets,
        max_tokens=encoder.max_tokens,
        target_tokens=min(settings.passage_tokens, encoder.max_tokens),
    )
    return [
        Passage(
            id=passage_id(document_id, version, cut.ordinal),
            document_id=document_id,
            version=version,
            ordinal=cut.ordinal,
            heading_path=list(cut.heading_path),
            page=cut.page,
            seconds_start=None if cut.seconds is None else cut.seconds[0],
            seconds_end=None if cut.seconds is None else cut.seconds[1],
            start=cut.start,
            end=cut.end,
            embedding_sha256=text_sha256(contextual_text(document.title, cut.heading_path, cut.text)),
        )
        for cut in cuts
    ]


def text_sha256(text: str) -> str:
    """sha256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def embed_missing(
    database: Database,
    encoder: Encoder,
    *,
    report: Callable[[int, int], None],
    documents: Sequence[str] | None = None,
    at_once: int = EMBEDDED_AT_ONCE,
) -> int:
    """Embed every text of a live passage that has no cached vector of this encoder.

    Commits every ``at_once`` texts, so that a killed run goes on where it was.

    Args:
        database: The database.
        encoder: What embeds.
        report: Told the texts embedded so far and their number in all.
        documents: Only passages of these, at most `app.db.passages.LOOKUP_SIZE`; None for all.
        at_once: Texts between two commits.

    Returns:
        How many texts were embedded.
    """
    with _embedding:
        with database.reading() as session:
            total = count_missing_embeddings(session, encoder.fingerprint, documents)
        done = 0
        while done < total:
            report(done, total)
            with database.reading() as session:
                ids = missing_embeddings(session, encoder.fingerprint, documents, limit=at_once)
                views = list(get_passages(session, ids).values())
            if not views:
                break
            texts = [contextual_text(view.title, view.heading_path, view.text) for view in views]
            vectors = encoder.encode_passages(texts)
            with database.writing() as session:
                kept = lock_live(session, {view.document_id for view in views})
                cached = {
                    view.embedding_sha256: np.ascontiguousarray(vector, dtype="<f4").tobytes()
                    for view, vector in zip(views, vectors, strict=True)
                    if view.document_id in kept
                }
                add_embeddings(session, encoder.fingerprint, cached)
            done += len(views)
        report(done, total)
        return done


def record_near_duplicates(database: Database, document_ids: Sequence[str]) -> list[tuple[str, str, float]]:
    """Find documents whose text is nearly that of one of these, and record the pairs.

    Returns:
        Uri, uri and estimated Jaccard similarity of every pair that is new in this run.
    """
    wanted = set(document_ids)
    if not wanted:
        return []
    with database.reading() as session:
        rows = session.execute(
            select(Document.id, Document.uri, DocumentVersion.minhash)
            .join(DocumentVersion, DocumentVersion.document_id == Document.id)
            .where(
                Document.deleted_at.is_(None),
                DocumentVersion.version == Document.current_version,
                DocumentVersion.minhash.is_not(None),
            )
        ).all()
    uris = {row.id: row.uri for row in rows}
    pairs = [
        pair
        for pair in near_duplicates({row.id: row.minhash for row in rows})
        if pair.first in wanted or pair.second in wanted
    ]
    with database.writing() as session:
        for pair in pairs:
            first, second = sorted((pair.first, pair.second))
            session.merge(NearDuplicate(first_id=first, second_id=second, similarity=pair.similarity))
    return [(uris[pair.first], uris[pair.second], pair.similarity) for pair in pairs]

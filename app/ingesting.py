"""From the stored bytes of documents to their passages."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from app.db.documents import State, lock_live
from app.db.pair_evidence import refresh_evidence
from app.db.passages import ParsedVersion, mark_failed, passage_id, replace_passages
from app.db.session import Database
from app.db.tables import Document, DocumentVersion, NearDuplicate, Passage
from app.failures import is_temporary
from app.observability import logger
from app.settings import Settings
from app.uploads import blob_path
from ingest.document import ParsedDocument
from ingest.duplicates import near_duplicates, signature
from ingest.errors import IngestError
from ingest.parsing import PARSER_VERSION, parse
from ingest.passages import contextual_text, cut_passages
from retriever.encoder import Encoder


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

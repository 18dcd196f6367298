"""Pairs from files: rows and threads become documents that answers can cite, without personal data."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from app.db.deletions import request_deletion
from app.db.documents import Outcome, get_text
from app.db.pair_drafts import add_drafts
from app.db.session import Database
from app.db.tables import Document, DocumentVersion
from app.qa.administration import OWN_WORDS
from app.qa.exporting import is_export
from app.qa.imported import Imported
from app.qa.redaction import Redactor
from app.qa.restoring import restore_pairs
from app.settings import Settings
from app.uploads import accept_upload
from ingest.media_types import MediaType
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.locating import TextFinder
from ingest.pairs.pair_files import read_pair_file
from ingest.pairs.records import PairRecord, write_records
from ingest.pairs.rows import RowProblem

ROWS_TOGETHER = 200  # a file with no more rows becomes one document
BUCKETS = 256  # documents of a longer file: by its question's checksum, so that new rows move no others
MADE = ".pairs"  # ends the names of documents that are made from pairs


def import_pairs(
    database: Database,
    settings: Settings,
    data: bytes,
    *,
    name: str,
    source: str | None = None,
    product: str | None = None,
    address: str = "",
    now: datetime,
) -> Imported:
    """Take in a file of pairs: a table, question threads, or what was exported.

    A row whose answer stands in a document that is here, at the row's address, rests on that document. Every
    other row becomes part of a document made from the file; a thread becomes one of its own. The same file
    again changes nothing. The same source with other bytes takes the place of what it was: rows that a table
    no longer has are removed. A table of which no row can be taken in removes nothing.

    Args:
        database: The database.
        settings: Limits and folders.
        data: The whole file.
        name: Its name, for titles and messages.
        source: Where it is from, which names the addresses of the documents made from it: a path, for
            instance. Without one, its name: a file of the same name is the same source.
        product: What the pairs are about, where a row does not say.
        address: Begins the address of threads that have none of their own.
        now: Time of the import.

    Raises:
        IngestError: If the file as a whole can't be read; nothing is stored.
    """
    if is_export(data):
        return restore_pairs(database, settings, data, name=name, now=now)
    importer, rows = _Importer(database, settings, now), list[PairRecord]()
    redactor, source = Redactor.of(database, settings), source or name
    for read in read_pair_file(data, name=name, address=address):
        if isinstance(read, RowProblem):
            importer.result.problems.append(read)
            continue
        importer.result.rows += 1
        record = redactor.record(replace(read, product=read.product or product))
        if record.origin is Origin.COMMUNITY:
            importer.store(_thread_address(database, source, record), record.question, [record])
        else:
            rows.append(record)
    if rows:
        place = _table_address(source)
        for uri, together in _documents(place, list(importer.add_located(rows))):
            importer.store(uri, name, together)
        importer.remove_others(place)
    return importer.result


def _thread_address(database: Database, source: str, record: PairRecord) -> str:
    """The thread's own address, unless a document that was not made from pairs is there."""
    if record.uri is None:
        words = f"{record.question}\x1f{record.context}"
        return f"thread:{source}/{hashlib.sha256(words.encode()).hexdigest()[:16]}"
    with database.reading() as session:
        taken = _documents_that(session, Document.uri == record.uri, ~_IS_MADE)
    return f"thread:{record.uri}" if taken else record.uri


def _table_address(source: str) -> str:
    """Begins the addresses of a table's documents, none of which is that of an administrator's words."""
    address = f"pairs:{source}"
    return f"pairs:./{source}" if f"{address}/".startswith(OWN_WORDS) else address


_IS_MADE: ColumnElement[bool] = or_(
    and_(DocumentVersion.media_type.is_not(None), DocumentVersion.media_type == MediaType.PAIRS),
    and_(DocumentVersion.media_type.is_(None), DocumentVersion.name.endswith(MADE)),  # not parsed yet
)


def _documents_that(session: Session, *conditions: ColumnElement[bool]) -> list[str]:
    """Ids of live documents that these conditions hold of, and of their newest version."""
    newest = (
        select(func.max(DocumentVersion.version))
        .where(DocumentVersion.document_id == Document.id)
        .correlate(Document)
        .scalar_subquery()
    )
    return list(
        session.scalars(
            select(Document.id)
            .join(
                DocumentVersion,
                and_(DocumentVersion.document_id == Document.id, DocumentVersion.version == newest),
            )
            .where(Document.deleted_at.is_(None), *conditions)
        )
    )


class _Importer:
    """Records what a file holds, and counts."""

    def __init__(self, database: Database, settings: Settings, now: datetime) -> None:
        self._database = database
        self._settings = settings
        self._now = now
        self._written = set[str]()
        self.result = Imported()

    def add_located(self, rows: Sequence[PairRecord]) -> Iterator[PairRecord]:
        """Record the rows whose answers stand in the document at their address; the others."""
        by_uri: defaultdict[str | None, list[PairRecord]] = defaultdict(list)
        for row in rows:
            by_uri[row.uri].append(row)
        known = _documents_at(self._database, [uri for uri in by_uri if uri is not None])
        for uri, together in by_uri.items():
            if uri is None or uri not in known:
                yield from together
            else:
                yield from self._add_located_in(known[uri], together)

    def _add_located_in(self, document_id: str, rows: Sequence[PairRecord]) -> Iterator[PairRecord]:
        with self._database.reading() as session:
            version, text = get_text(session, document_id, None)
        finder = TextFinder(text)
        drafts = []
        for row in rows:
            span = finder.find_answer(row.question, row.answer) or finder.find(row.answer)
            if span is None:
                yield row
            else:
                drafts.append(_as_draft(row, EvidenceSpan(start=span.start, end=span.end)))
        with self._database.writing() as session:
            add_drafts(session, document_id, version, drafts, now=self._now)
        self.result.located += len(drafts)

    def store(self, uri: str, title: str, records: Sequence[PairRecord]) -> None:
        """Make records a document, which the next ingest parses."""
        stored = accept_upload(
            self._database,
            self._settings,
            data=write_records(title, records),
            name=f"{title}{MADE}",
            uri=uri,
            title=None,
            product=records[0].product,
            now=self._now,
        )
        self._written.add(stored.document_id)
        if stored.outcome is Outcome.UNCHANGED:
            self.result.unchanged += 1
        else:
            self.result.versions.append((stored.document_id, stored.version))

    def remove_others(self, place: str) -> None:
        """Delete the documents at or below an address that were made before and not in this import."""
        there = or_(Document.uri == place, Document.uri.startswith(f"{place}/", autoescape=True))
        with self._database.writing() as session:
            for document_id in sorted(_documents_that(session, there, _IS_MADE)):
                if document_id not in self._written:
                    request_deletion(session, document_id, now=self._now)
                    self.result.removed += 1


def _documents_at(database: Database, uris: Sequence[str]) -> dict[str, str]:
    """Address to id of live documents that have been read."""
    if not uris:
        return {}
    with database.reading() as session:
        rows = session.execute(
            select(Document.uri, Document.id).where(
                Document.deleted_at.is_(None), Document.current_version.is_not(None)
            )
        ).all()
    wanted = set(uris)
    return {row.uri: row.id for row in rows if row.uri in wanted}


def _as_draft(row: PairRecord, span: EvidenceSpan) -> PairDraft:
    return PairDraft(
        question=row.question,
        answer=row.answer,
        origin=row.origin,
        method=row.method,
        evidence=(span,),
        weight=row.weight,
    )


def _documents(place: str, rows: Sequence[PairRecord]) -> Iterator[tuple[str, list[PairRecord]]]:
    """Address and rows of the documents that a table's rows become, products apart."""
    by_product: defaultdict[str | None, list[PairRecord]] = defaultdict(list)
    for row in rows:
        by_product[row.product].append(row)
    for product, together in by_product.items():
        uri = place if product is None else f"{place}/{product}"
        if len(together) <= ROWS_TOGETHER:
            yield uri, together
            continue
        buckets: defaultdict[int, list[PairRecord]] = defaultdict(list)
        for row in together:
            digest = hashlib.sha256(row.question.encode()).digest()
            buckets[digest[0] % BUCKETS].append(row)
        for number, some in sorted(buckets.items()):
            yield f"{uri}/{number}", some

"""Pairs from files: rows and threads become documents that answers can cite, without personal data."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from app.db.documents import Outcome, get_text
from app.db.pair_drafts import add_drafts
from app.db.session import Database
from app.db.tables import Document
from app.ingesting import accept_upload
from app.qa.exporting import is_export
from app.qa.imported import Imported
from app.qa.redaction import Redactor
from app.qa.restoring import restore_pairs
from app.settings import Settings
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.locating import TextFinder
from ingest.pairs.pair_files import read_pair_file
from ingest.pairs.records import PairRecord, write_records
from ingest.pairs.rows import RowProblem

ROWS_TOGETHER = 200  # a file with no more rows becomes one document
BUCKETS = 256  # documents of a longer file: by its question's checksum, so that new rows move no others


def import_pairs(
    database: Database,
    settings: Settings,
    data: bytes,
    *,
    name: str,
    product: str | None = None,
    address: str = "",
    now: datetime,
) -> Imported:
    """Take in a file of pairs: a table, question threads, or what was exported.

    A row whose answer stands in a document that is here, at the row's address, rests on that document. Every
    other row becomes part of a document made from the file; a thread becomes one of its own. The same file
    again changes nothing.

    Args:
        database: The database.
        settings: Limits and folders.
        data: The whole file.
        name: Its name, which also names the documents made from it.
        product: What the pairs are about, where a row does not say.
        address: Begins the address of threads that have none of their own.
        now: Time of the import.

    Raises:
        IngestError: If the file as a whole can't be read; nothing is stored.
    """
    if is_export(data):
        return restore_pairs(database, settings, data, name=name, now=now)
    importer, rows = _Importer(database, settings, now), list[PairRecord]()
    redactor = Redactor.of(database, settings)
    for read in read_pair_file(data, name=name, address=address):
        if isinstance(read, RowProblem):
            importer.result.problems.append(read)
            continue
        importer.result.rows += 1
        record = redactor.record(replace(read, product=read.product or product))
        if record.origin is Origin.COMMUNITY:
            importer.store(_thread_address(name, record), record.question, [record])
        else:
            rows.append(record)
    for uri, title, together in _documents(name, list(importer.add_located(rows))):
        importer.store(uri, title, together)
    return importer.result


def _thread_address(name: str, record: PairRecord) -> str:
    return record.uri or f"thread:{name}/{hashlib.sha256(record.question.encode()).hexdigest()[:16]}"


class _Importer:
    """Records what a file holds, and counts."""

    def __init__(self, database: Database, settings: Settings, now: datetime) -> None:
        self._database = database
        self._settings = settings
        self._now = now
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
            name=f"{title}.pairs",
            uri=uri,
            title=None,
            product=records[0].product,
            now=self._now,
        )
        if stored.outcome is Outcome.UNCHANGED:
            self.result.unchanged += 1
        else:
            self.result.versions.append((stored.document_id, stored.version))


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


def _documents(name: str, rows: Sequence[PairRecord]) -> Iterator[tuple[str, str, list[PairRecord]]]:
    """Address, title and rows of the documents that a file's rows become, products apart."""
    by_product: defaultdict[str | None, list[PairRecord]] = defaultdict(list)
    for row in rows:
        by_product[row.product].append(row)
    for product, together in by_product.items():
        place = f"pairs:{name}" if product is None else f"pairs:{name}/{product}"
        if len(together) <= ROWS_TOGETHER:
            yield place, name, together
            continue
        buckets: defaultdict[int, list[PairRecord]] = defaultdict(list)
        for row in together:
            digest = hashlib.sha256(row.question.encode()).digest()
            buckets[digest[0] % BUCKETS].append(row)
        for number, some in sorted(buckets.items()):
            yield f"{place}/{number}", name, some

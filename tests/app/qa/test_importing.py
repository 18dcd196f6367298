"""Files of pairs that are imported again, beside others, and where documents are already."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.db.deletions import list_deletions
from app.db.session import Database, migrate, open_engine
from app.db.tables import Document, DocumentVersion
from app.qa.imported import Imported
from app.qa.importing import ROWS_TOGETHER, import_pairs
from app.settings import Settings
from app.uploads import accept_upload
from ingest.media_types import MediaType

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOSE = ("How long is the hose?", "It is 20 metres long.")
PUMP = ("What does the pump weigh?", "It weighs 4 kg.")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    yield database
    database.close()


class Files:
    """Imports files, and tells which documents are there."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self._settings = database, settings

    def table(
        self, rows: Sequence[tuple[str, str]], name: str, *, source: str | None = None, product: str = ""
    ) -> Imported:
        lines = [json.dumps({"question": q, "answer": a, "product": product}) for q, a in rows]
        return self.take(lines, name, source)

    def threads(self, *threads: dict[str, str], name: str) -> Imported:
        answers = [{"id": 1, "body": "Turn the red valve to the left.", "votes": 3}]
        return self.take([json.dumps({"answers": answers, **thread}) for thread in threads], name, None)

    def take(self, lines: Sequence[str], name: str, source: str | None) -> Imported:
        data = "\n".join(lines).encode()
        return import_pairs(self.database, self._settings, data, name=name, source=source, now=NOW)

    def ordinary(self, uri: str, *, parsed: bool) -> None:
        stored = accept_upload(
            self.database,
            self._settings,
            data=b"# Valve\n\nA valve.",
            name="valve.md",
            uri=uri,
            title=None,
            product=None,
            now=NOW,
        )
        if parsed:
            self.parse("text/markdown", stored.document_id)

    def parse(self, media_type: str, document_id: str) -> None:
        """What an ingest leaves of a document, as far as an import looks at it."""
        with self.database.writing() as session:
            version = session.get_one(DocumentVersion, (document_id, 1))
            version.media_type, version.text, version.state = media_type, "A valve.", "ready"
            session.get_one(Document, document_id).current_version = 1

    def addresses(self) -> list[str]:
        with self.database.reading() as session:
            return sorted(session.scalars(select(Document.uri).where(Document.deleted_at.is_(None))))


@pytest.fixture
def files(database: Database, settings: Settings) -> Files:
    return Files(database, settings)


def test_files_of_one_name_from_two_folders_are_two_sources(files: Files) -> None:
    files.table([HOSE], "faq.jsonl", source="red/faq.jsonl")
    files.table([PUMP], "faq.jsonl", source="blue/faq.jsonl")
    assert files.addresses() == ["pairs:blue/faq.jsonl", "pairs:red/faq.jsonl"]


def test_without_a_source_the_same_name_is_the_same_source(files: Files) -> None:
    files.table([HOSE], "faq.jsonl")
    again = files.table([PUMP], "faq.jsonl")
    assert files.addresses() == ["pairs:faq.jsonl"]
    assert [version for _, version in again.versions] == [2]


def test_rows_that_a_table_no_longer_has_are_removed(files: Files) -> None:
    many = [(f"How heavy is part {number}?", f"It weighs {number} grams.") for number in range(300)]
    assert len(many) > ROWS_TOGETHER
    files.table(many, "parts.jsonl", product="P3")
    files.table([PUMP], "parts.jsonl.old")
    assert len(files.addresses()) > 2
    fewer = files.table([HOSE], "parts.jsonl")
    assert files.addresses() == ["pairs:parts.jsonl", "pairs:parts.jsonl.old"]
    assert fewer.removed > 1
    with files.database.reading() as session:
        assert len(list_deletions(session)) == fewer.removed, "each has a receipt"
    assert files.table([HOSE], "parts.jsonl").removed == 0


def test_a_table_of_which_no_row_can_be_read_removes_nothing(files: Files) -> None:
    files.table([HOSE], "faq.jsonl")
    empty = files.table([("", "")], "faq.jsonl")
    assert (empty.rows, empty.removed, len(empty.problems)) == (0, 0, 1)
    assert files.addresses() == ["pairs:faq.jsonl"]


def test_no_table_has_the_addresses_of_administrators(files: Files) -> None:
    files.ordinary("pairs:admin/0123456789abcdef", parsed=False)
    files.table([HOSE], "admin")
    files.table([PUMP], "faq.jsonl", source="admin/faq.jsonl")
    assert files.addresses() == [
        "pairs:./admin",
        "pairs:./admin/faq.jsonl",
        "pairs:admin/0123456789abcdef",
    ]


@pytest.mark.parametrize("parsed", [True, False])
def test_a_thread_leaves_an_ordinary_document_its_address(files: Files, *, parsed: bool) -> None:
    url = "https://forum.example/7"
    files.ordinary(url, parsed=parsed)
    files.threads({"url": url, "title": "How do I open the valve?"}, name="a.jsonl")
    assert files.addresses() == [url, f"thread:{url}"]


@pytest.mark.parametrize("parsed", [True, False])
def test_a_thread_takes_the_place_of_what_it_was(files: Files, *, parsed: bool) -> None:
    url = "https://forum.example/7"
    first = files.threads({"url": url, "title": "How do I open the valve?"}, name="a.jsonl")
    if parsed:
        files.parse(MediaType.PAIRS, first.versions[0][0])
    body = {"url": url, "title": "How do I open the valve?", "body": "It is stuck."}
    again = files.threads(body, name="a.jsonl")
    assert files.addresses() == [url]
    assert again.versions == [(first.versions[0][0], 2)]


def test_threads_of_one_title_are_told_apart_by_their_bodies(files: Files) -> None:
    title = "How do I open the valve?"
    threads = [{"title": title, "body": body} for body in ("It is stuck.", "It is hot.")]
    assert len(files.threads(*threads, name="a.jsonl").versions) == 2
    assert all(address.startswith("thread:a.jsonl/") for address in files.addresses())
    assert files.threads(*threads, name="a.jsonl").unchanged == 2

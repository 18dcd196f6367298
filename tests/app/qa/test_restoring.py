"""Exports that are read back: whole, odd and old ones."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.db.documents import delete_document
from app.db.pair_evidence import remove_document_evidence
from app.db.pairs import PairFilter, PairView, list_pairs
from app.db.session import Database, migrate, open_engine
from app.db.tables import Document, DocumentVersion, Product
from app.qa.administration import NewPair, change_pair, create_pair
from app.qa.exporting import export_pairs
from app.qa.imported import Imported
from app.qa.importing import import_pairs
from app.settings import Settings
from app.uploads import blob_path
from ingest.errors import DamagedFile
from ingest.media_types import MediaType
from ingest.pairs.records import parse_records

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TEXT = "The hose is 20 metres long. It is red."
URI = "https://docs.example/hose"
Json = dict[str, Any]
HEADER = json.dumps({"footnote_qa_export": 1})
PAIR: Json = {
    "id": "qa_1",
    "question": "How long is the hose?",
    "answer": "20 metres.",
    "origin": "authored",
    "method": "heading",
    "status": "approved",
    "reason": None,
    "scores": {"new": 1.0},
    "quality": 0.5,
    "weight": 1.0,
    "product": "P3",
    "split": "train",
    "split_seed": 7,
    "duplicate_of": None,
    "conflicts_with": [],
    "created_at": "2026-11-22 00:00:00+00:00",
    "changed_at": "2026-11-22 00:00:00+00:00",
    "approved_at": None,
    "reviewed_at": None,
    "reviewed_by": None,
    "evidence": [{"uri": URI, "start": 0, "end": 27, "seconds": None, "quote": TEXT[:27]}],
    "events": [],
}


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    yield database
    database.close()


@pytest.fixture
def take(database: Database, settings: Settings) -> Callable[[bytes], Imported]:
    """Imports bytes."""

    def take_bytes(data: bytes) -> Imported:
        return import_pairs(database, settings, data, name="pairs.jsonl", now=NOW)

    return take_bytes


@pytest.fixture
def hose(database: Database) -> None:
    """The document that the pair rests on."""
    with database.writing() as session:
        session.add(Document(id="doc_a", uri=URI, created_at=NOW))
        session.flush()
        session.add(
            DocumentVersion(
                document_id="doc_a",
                version=1,
                name="a.md",
                sha256="0" * 64,
                size_bytes=9,
                state="ready",
                text=TEXT,
                created_at=NOW,
            )
        )
        session.get_one(Document, "doc_a").current_version = 1


def export_of(*rows: Json | str) -> bytes:
    lines = [row if isinstance(row, str) else json.dumps({"pair": row}, ensure_ascii=False) for row in rows]
    return "\n".join([HEADER, *lines]).encode("utf-8", "surrogatepass")


def pairs(database: Database) -> list[PairView]:
    with database.reading() as session:
        return list_pairs(session, PairFilter(), limit=99)


def exported(database: Database, settings: Settings) -> bytes:
    return "".join(export_pairs(database, settings, PairFilter())).encode()


def parse_made(database: Database, settings: Settings) -> None:
    """What an ingest leaves of the documents that were made from pairs."""
    with database.writing() as session:
        for version in session.scalars(select(DocumentVersion)):
            data = blob_path(settings.blobs_folder, version.sha256).read_bytes()
            version.text, version.media_type = parse_records(data).text, MediaType.PAIRS
            version.state = "ready"
            session.get_one(Document, version.document_id).current_version = version.version


def write(database: Database, settings: Settings, question: str, answer: str) -> str:
    new = NewPair(question=question, answer=answer, evidence=(), product="P3")
    pair_id, _ = create_pair(database, settings, new, by="Ann", now=NOW)
    parse_made(database, settings)
    return pair_id


def test_products_and_every_line_break_come_back(
    database: Database, settings: Settings, take: Callable[[bytes], Imported]
) -> None:
    question, answer = "Is this\u2028one line?", "Yes,\x85it is."
    write(database, settings, question, answer)
    export = exported(database, settings)
    with database.writing() as session:
        for document_id in list(session.scalars(select(Document.id))):
            delete_document(session, document_id, now=NOW)
            remove_document_evidence(session, document_id)
    assert pairs(database) == []
    result = take(b"\xef\xbb\xbf" + export)
    assert (result.rows, result.problems) == (1, [])
    (restored,) = pairs(database)
    assert (restored.question, restored.answer, restored.product) == (question, answer, "P3")
    with database.reading() as session:
        product = session.scalar(
            select(Product.name)
            .join(Document, Document.product_id == Product.id)
            .where(Document.deleted_at.is_(None))
        )
    assert product == "P3"


def test_an_older_export_leaves_documents_that_are_here(
    database: Database, settings: Settings, take: Callable[[bytes], Imported]
) -> None:
    pair_id = write(database, settings, "How long is the hose?", "It is 20 metres long.")
    older = exported(database, settings)
    change_pair(
        database,
        settings,
        pair_id,
        question=None,
        answer="It is 30 metres long.",
        evidence=None,
        by="Ann",
        now=NOW,
    )
    parse_made(database, settings)
    before = exported(database, settings)
    result = take(older)
    assert (result.versions, result.problems) == ([], [])
    assert exported(database, settings) == before


@pytest.mark.usefixtures("hose")
def test_a_pair_keeps_the_evidence_that_is_left_and_is_stale_without_any(
    database: Database, take: Callable[[bytes], Imported]
) -> None:
    (there,) = PAIR["evidence"]
    gone = there | {"quote": "The hose is blue."}
    partly = PAIR | {"evidence": [gone, there]}
    wholly = PAIR | {"id": "qa_2", "question": "Which colour?", "evidence": [gone]}
    refused = PAIR | {"id": "qa_3", "question": "Which?", "evidence": [gone], "status": "rejected"}
    assert take(export_of(partly, wholly, refused)).rows == 3
    first, second, third = pairs(database)
    assert (first.status, [at.quote for at in first.evidence]) == ("approved", [TEXT[:27]])
    assert (second.status, second.evidence) == ("stale", ())
    assert (third.status, third.evidence) == ("rejected", ())


@pytest.mark.usefixtures("hose")
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "valid dictionary"),
        ('{"other": 1}', "no document and no pair"),
        ("[" * 100_000, ""),
        ('{"pair": {"id": 1}}', "pair.id"),
        ('{"document": {"uri": "pairs:a", "name": "a.pairs", "records": "odd"}}', "cut short"),
        (PAIR | {"status": "lovely"}, "pair.status"),
        (PAIR | {"origin": "moon"}, "pair.origin"),
        (PAIR | {"split": "other"}, "pair.split"),
        (PAIR | {"weight": 0}, "pair.weight"),
        (PAIR | {"quality": float("nan")}, "not finite"),
        (PAIR | {"split_seed": 2**40}, "pair.split_seed"),
        (PAIR | {"question": "\u200b"}, "pair.question"),
        (PAIR | {"created_at": "0001-01-01T00:00:00+23:00"}, "pair.created_at"),
        (PAIR | {"created_at": "2026-11-22T00:00:00"}, "pair.created_at"),
        (PAIR | {"id": "q" * 41}, "pair.id"),
        (PAIR | {"evidence": []}, "rests on nothing"),
        (
            PAIR | {"evidence": [PAIR["evidence"][0] | {"uri": "https://d/none"}]},
            "https://d/none is not here",
        ),
        (PAIR | {"question": "\udcff"}, "not UTF-8"),
    ],
)
def test_a_bad_line_is_told_and_the_rest_goes_in(
    database: Database, take: Callable[[bytes], Imported], bad: Json | str, reason: str
) -> None:
    result = take(export_of(bad, PAIR))
    assert [problem.line for problem in result.problems] == [2]
    assert reason in result.problems[0].reason
    assert [pair.id for pair in pairs(database)] == ["qa_1"]


@pytest.mark.usefixtures("hose")
def test_characters_that_no_database_takes_are_dropped(
    database: Database, take: Callable[[bytes], Imported]
) -> None:
    event = {
        "at": "2026-11-22T00:00:00Z",
        "by": "Ann",
        "action": "edit",
        "before": {"answer": "a\x00b\ud800"},
    }
    odd = PAIR | {"question": "How\x00 long\ud800?", "reason": "\x00none", "events": [event]}
    data = f"{HEADER}\n{json.dumps({'pair': odd})}\n".encode()
    result = take(data)
    assert result.problems == []
    (pair,) = pairs(database)
    assert (pair.question, pair.reason) == ("How long?", "none")


@pytest.mark.parametrize("header", ['{"footnote_qa_export": 1', '{"footnote_qa_export": 2}'])
def test_a_header_that_is_of_no_export_is_refused(take: Callable[[bytes], Imported], header: str) -> None:
    with pytest.raises(DamagedFile):
        take(f"{header}\n".encode())

"""What pairs rest on stays true when documents change: every quote is still the words that it was."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.db.pair_drafts import PairStatus, add_drafts
from app.db.pair_evidence import refresh_evidence, remove_document_evidence, withdrawn_pairs
from app.db.pairs import PairFilter, list_pairs
from app.db.session import Database, migrate, open_engine
from app.db.tables import Document, DocumentVersion, QAPair
from app.settings import Settings
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LATER = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    yield database
    database.close()


def add_text(session: Session, document_id: str, version: int, text: str) -> None:
    """A document's version as an ingest leaves it, with its evidence refreshed."""
    document = session.get(Document, document_id)
    if document is None:
        document = Document(id=document_id, uri=f"https://docs.example/{document_id}", created_at=NOW)
        session.add(document)
        session.flush()
    session.add(
        DocumentVersion(
            document_id=document_id,
            version=version,
            name="a.md",
            sha256="0" * 64,
            size_bytes=len(text),
            state="ready",
            text=text,
            created_at=NOW,
        )
    )
    document.current_version = version
    session.flush()
    refresh_evidence(session, document_id, version, text, now=LATER)


def draft(question: str, *spans: tuple[int, int]) -> PairDraft:
    evidence = tuple(EvidenceSpan(start=start, end=end) for start, end in spans)
    return PairDraft(
        question=question, answer="A.", origin=Origin.AUTHORED, method="heading", evidence=evidence
    )


def approve_all(session: Session) -> None:
    for pair in session.query(QAPair):
        pair.status, pair.approved_at = PairStatus.APPROVED, NOW


def test_short_words_move_with_the_text_before_them(database: Database) -> None:
    text = "ALPHA is a setting of the server.\nDefault: `False`\nBETA is one of the client.\nDefault: `False`"
    start = text.rindex("Default")
    with database.writing() as session:
        add_text(session, "doc_a", 1, text)
        add_drafts(session, "doc_a", 1, [draft("Which?", (start, len(text)))], now=NOW)
    with database.writing() as session:
        add_text(session, "doc_a", 2, f"New words.\n{text}")
    with database.reading() as session:
        (pair,) = list_pairs(session, PairFilter(), limit=9)
    (at,) = pair.evidence
    assert (at.version, at.start, at.quote) == (2, start + 11, "Default: `False`")


def test_short_words_that_now_say_something_else_are_gone(database: Database) -> None:
    text = "ALPHA is a setting of the server.\nDefault: `False`\nBETA is one of the client.\nDefault: `False`"
    start = text.index("Default")
    with database.writing() as session:
        add_text(session, "doc_a", 1, text)
        add_drafts(session, "doc_a", 1, [draft("Which?", (start, start + 16))], now=NOW)
        session.flush()
        approve_all(session)
    with database.writing() as session:
        add_text(session, "doc_a", 2, text.replace("`False`", "`True`", 1))
    with database.reading() as session:
        (pair,) = list_pairs(session, PairFilter(), limit=9)
    assert pair.status == "stale"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (PairStatus.APPROVED, [PairStatus.STALE]),
        (PairStatus.PENDING, [PairStatus.STALE]),
        (PairStatus.REJECTED, [PairStatus.REJECTED]),
        (PairStatus.NEW, []),
        (PairStatus.FILTERED, []),
    ],
)
def test_what_becomes_of_a_pair_whose_words_are_gone(
    database: Database, status: PairStatus, expected: list[PairStatus]
) -> None:
    with database.writing() as session:
        add_text(session, "doc_a", 1, "The hose is 20 metres long.")
        add_drafts(session, "doc_a", 1, [draft("How long is the hose?", (0, 27))], now=NOW)
    with database.writing() as session:
        session.query(QAPair).one().status = status
    with database.writing() as session:
        add_text(session, "doc_a", 2, "The hose is 30 metres long.")
    with database.reading() as session:
        assert [pair.status for pair in list_pairs(session, PairFilter(), limit=9)] == expected


def test_evidence_elsewhere_keeps_a_pair_alive(database: Database) -> None:
    with database.writing() as session:
        add_text(session, "doc_a", 1, "Red. Blue.")
        add_drafts(session, "doc_a", 1, [draft("Which colours are there?", (0, 4), (5, 10))], now=NOW)
        session.flush()
        approve_all(session)
    with database.writing() as session:
        add_text(session, "doc_a", 2, "Red. Green.")
    with database.reading() as session:
        (pair,) = list_pairs(session, PairFilter(), limit=9)
    assert (pair.status, [at.quote for at in pair.evidence]) == ("approved", ["Red."])


def test_pairs_changed_after_an_index_was_built_are_withdrawn_from_it(database: Database) -> None:
    with database.writing() as session:
        add_text(session, "doc_a", 1, "Red. Blue.")
        add_drafts(session, "doc_a", 1, [draft("Is it red?", (0, 4)), draft("Is it blue?", (5, 10))], now=NOW)
        session.flush()
        approve_all(session)
    with database.reading() as session:
        assert withdrawn_pairs(session, since=LATER) == frozenset()
    with database.writing() as session:
        add_text(session, "doc_a", 2, "Red.")
    with database.reading() as session:
        (gone,) = list_pairs(session, PairFilter(status="stale"), limit=9)
        assert withdrawn_pairs(session, since=LATER) == {gone.id}


def test_a_deleted_documents_pairs_are_gone_and_their_duplicates_are_looked_at_anew(
    database: Database,
) -> None:
    with database.writing() as session:
        add_text(session, "doc_a", 1, "Red.")
        add_text(session, "doc_b", 1, "Red.")
        add_drafts(session, "doc_a", 1, [draft("Is it red?", (0, 4))], now=NOW)
        add_drafts(session, "doc_b", 1, [draft("Is it red?", (0, 4))], now=NOW)
        session.flush()
        first, second = session.query(QAPair).all()
        first.status = PairStatus.APPROVED
        second.status, second.duplicate_of = PairStatus.DUPLICATE, first.id
        original = first.id
        session.flush()
        home = list_pairs(session, PairFilter(), limit=9)
    document_id = next(pair.evidence[0].document_id for pair in home if pair.id == original)
    with database.writing() as session:
        assert remove_document_evidence(session, document_id) == 1
    with database.reading() as session:
        (left,) = list_pairs(session, PairFilter(), limit=9)
    assert (left.status, left.duplicate_of) == ("new", None)


def test_finding_the_same_pairs_again_adds_nothing(database: Database) -> None:
    drafts = [draft("Is it red?", (0, 4)), draft("Is it blue?", (5, 10))]
    with database.writing() as session:
        add_text(session, "doc_a", 1, "Red. Blue.")
        assert add_drafts(session, "doc_a", 1, drafts, now=NOW) == 2
    with database.writing() as session:
        assert add_drafts(session, "doc_a", 1, drafts, now=LATER) == 0
    with database.reading() as session:
        assert len(list_pairs(session, PairFilter(), limit=9)) == 2


WORDS = st.lists(st.sampled_from(["red", "blue", "green", "red blue"]), max_size=8).map(" ".join)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    before=WORDS,
    after=st.builds("{}the {} end".format, WORDS, WORDS),
    start=st.integers(0, 12),
    length=st.integers(1, 12),
)
def test_a_quote_never_changes_its_words(
    database: Database, before: str, after: str, start: int, length: int
) -> None:
    text = f"the {before} end"
    quote = text[start : start + length]
    with database.writing() as session:
        for row in session.query(QAPair):
            session.delete(row)
        session.query(DocumentVersion).delete()
        session.query(Document).delete()
        add_text(session, "doc_a", 1, text)
        add_drafts(session, "doc_a", 1, [draft("Which?", (start, start + len(quote)))], now=NOW)
        session.flush()
        approve_all(session)
    with database.writing() as session:
        add_text(session, "doc_a", 2, after)
    with database.reading() as session:
        (pair,) = list_pairs(session, PairFilter(), limit=9)
    kept = bool(quote) and text[: start + len(quote)] in after  # short words move with the text before them
    assert pair.status == ("approved" if kept else "stale")
    if kept:
        assert (pair.evidence[0].version, pair.evidence[0].quote) == (2, quote)

"""What administrators write: told apart, without personal data, about the product that is said."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner, Result

from app.api.fields import NotBlank
from app.api.pair_fields import ReviewRequest
from app.cli.pairs import qa
from app.db.documents import get_product_id
from app.db.pair_drafts import EvidenceAt, PairStatus, set_evidence
from app.db.pair_reviews import list_events
from app.db.pairs import PairView, get_pair
from app.db.session import Database, migrate, open_engine
from app.db.tables import Document, DocumentVersion, QAPair
from app.qa.administration import NewPair, change_pair, create_pair
from app.settings import Settings
from ingest.pairs.drafts import EvidenceSpan

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TEXT = "The hose is 20 metres long."
HOSE = "How long is the hose?"


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    yield database
    database.close()


class Administrator:
    """Writes pairs."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def create(
        self, question: str, answer: str, *evidence: EvidenceAt, product: str | None = None
    ) -> PairView:
        new = NewPair(question=question, answer=answer, evidence=evidence, product=product)
        pair_id, _ = create_pair(self._database, self._settings, new, by="Ann", now=NOW)
        return self.read(pair_id)

    def change(self, pair_id: str, *, question: str | None = None, answer: str | None = None) -> PairView:
        change_pair(
            self._database,
            self._settings,
            pair_id,
            question=question,
            answer=answer,
            evidence=None,
            by="Bob",
            now=NOW,
        )
        return self.read(pair_id)

    def read(self, pair_id: str) -> PairView:
        with self._database.reading() as session:
            return get_pair(session, pair_id)


@pytest.fixture
def ann(database: Database, settings: Settings) -> Administrator:
    return Administrator(database, settings)


@pytest.fixture
def evidence(database: Database) -> EvidenceAt:
    """All of a document about the product P3."""
    with database.writing() as session:
        product_id = get_product_id(session, "P3")
        session.add(Document(id="doc_a", uri="https://d/a", product_id=product_id, created_at=NOW))
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
    return EvidenceAt(document_id="doc_a", version=1, span=EvidenceSpan(start=0, end=len(TEXT)))


def test_pairs_of_one_question_rest_on_documents_of_their_own(ann: Administrator) -> None:
    pairs = [
        ann.create(HOSE, "It is 20 metres long."),
        ann.create(HOSE, "It is 30 metres long."),
        ann.create(HOSE, "It is 30 metres long.", product="P4"),
    ]
    assert len({pair.id for pair in pairs}) == 3
    assert len({pair.evidence[0].document_id for pair in pairs}) == 3
    edited = ann.change(pairs[0].id, answer="It is 25 metres long.")
    assert edited.evidence[0].uri == pairs[0].evidence[0].uri
    assert edited.evidence[0].version == 2


def test_the_words_of_a_pair_bring_it_back_to_them(ann: Administrator, database: Database) -> None:
    first = ann.create(HOSE, "It is 20 metres long.")
    ann.change(first.id, question="How long?", answer="25 metres.")
    with database.writing() as session:
        pair = session.get_one(QAPair, first.id)
        pair.status, pair.duplicate_of = PairStatus.DUPLICATE, "qa_other"
    again = ann.create(HOSE, "It is 20 metres long.")
    assert (again.id, again.question, again.answer) == (first.id, HOSE, "It is 20 metres long.")
    assert (again.status, again.duplicate_of) == ("approved", None)
    with database.reading() as session:
        actions = [(event.by, event.before["question"]) for event in list_events(session, first.id)]
    assert sorted(actions) == [("Ann", "How long?"), ("Bob", HOSE)]


def test_the_words_that_a_pair_was_changed_to_are_that_pair(ann: Administrator) -> None:
    first = ann.create(HOSE, "It is 20 metres long.")
    ann.change(first.id, answer="It is 25 metres long.")
    assert ann.create(HOSE, "It is 25 metres long.").id == first.id


def test_personal_data_is_taken_out_of_what_is_written_and_changed(ann: Administrator) -> None:
    secret = "jane.roe@corp-mail.net"
    pair = ann.create(f"Does {secret} repair the pump?", f"Write to {secret} first.")
    assert (pair.question, pair.answer) == ("Does [email] repair the pump?", "Write to [email] first.")
    changed = ann.change(pair.id, answer=f"Ask {secret} again.")
    assert changed.answer == "Ask [email] again."
    assert changed.question == pair.question


def test_the_product_that_is_said_wins_over_the_documents(ann: Administrator, evidence: EvidenceAt) -> None:
    assert ann.create("How long is it?", "20 metres.", evidence).product == "P3"
    assert ann.create(HOSE, "20 metres.", evidence, product="P4").product == "P4"


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "\ufeff \u2060", "\x00"])
def test_text_that_nobody_sees_is_blank(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(NotBlank).validate_python(text)


def test_ids_hold_nothing_that_a_database_refuses() -> None:
    request = ReviewRequest(ids=["qa_1\x00", "qa_2\ud800"], decision="reject")
    assert request.ids == ["qa_1", "qa_2"]


def review(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str, typed: str = "") -> Result:
    monkeypatch.setattr("app.cli.pairs.load_settings", lambda: settings)
    return CliRunner().invoke(qa, ["review", *arguments], input=typed)


def test_a_decision_is_about_pairs_that_are_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert review(settings, monkeypatch, "--decision", "reject").exit_code == 2
    assert review(settings, monkeypatch, "qa_1").exit_code == 2


def test_stale_pairs_are_asked_about_and_nothing_but_json_is_printed(
    ann: Administrator, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for status, question in ((PairStatus.STALE, HOSE), (PairStatus.PENDING, "Is it red?")):
        pair = ann.create(question, "It is 20 metres long.")
        with database.writing() as session:
            session.get_one(QAPair, pair.id).status = status
            if status is PairStatus.STALE:
                set_evidence(session, pair.id, [])

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    result = review(settings, monkeypatch, "--json", typed="a\na\n")
    assert result.exit_code == 0, result.stderr
    (decided,) = json.loads(result.stdout.removeprefix(" a\n a\n"))  # the runner echoes what is typed
    assert (decided["question"], decided["reviewed_by"]) == ("Is it red?", "administrator")
    assert HOSE in result.stderr
    assert "are in no current document" in " ".join(result.stderr.split())

"""Personal data in pairs: both layers, and what happens where the second is not installed."""

from importlib.util import find_spec

import pytest

from app.db.session import Database, migrate, open_engine
from app.qa.redaction import Redactor
from app.settings import Settings
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.named_entities import NameModelMissing
from ingest.pairs.records import PairRecord


class NamesFromAList:
    """Finds the names that it was given."""

    def find(self, text: str) -> list[tuple[int, int]]:
        return [(at, at + 8) for at in range(len(text)) if text.startswith("Jane Roe", at)]


def test_both_layers_reach_every_field_that_is_stored() -> None:
    words = "Jane Roe, jane.roe@corp-mail.net"
    redactor = Redactor(NamesFromAList())
    record = redactor.record(
        PairRecord(question=f"Who is {words}?", answer=words, context=words, method="table")
    )
    assert (record.question, record.answer, record.context) == (
        "Who is [name], [email]?",
        "[name], [email]",
        "[name], [email]",
    )
    span = EvidenceSpan(start=0, end=3)
    draft = PairDraft(
        question=words, answer=words, origin=Origin.AUTHORED, method="heading", evidence=(span,)
    )
    redacted = redactor.draft(draft)
    assert (redacted.question, redacted.answer) == ("[name], [email]", "[name], [email]")
    assert redacted.evidence == draft.evidence


def test_names_stay_unless_they_are_asked_to_go() -> None:
    assert Redactor().text("Jane Roe wrote it") == "Jane Roe wrote it"


def test_asking_for_names_without_the_extra_says_what_to_install(settings: Settings) -> None:
    if find_spec("spacy") is not None:
        pytest.skip("the extra pii is installed: the layer of names works here")
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    with pytest.raises(NameModelMissing, match="pip install"):
        Redactor.of(database, settings.model_copy(update={"remove_names": True}))
    database.close()

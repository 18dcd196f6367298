"""``footnote evaluate --answers``, with real small models on both databases, and what it is made of."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.answering import Answerer
from app.evaluations.answers import answer_values
from app.evaluations.drafts import BATCH, FILE, KEPT, DraftStore, DraftsUnusable, write_drafts
from app.evaluations.evidence import Retriever, show_gold, show_nothing, show_retrieved
from app.evaluations.questions import Asked, draw_questions
from app.settings import Settings
from app.wiring import Services
from finetune.answer_drafts import Chat, Condition, build_chat
from finetune.comparison import NotComparable
from finetune.suites import Question, SuiteInvalid
from generator.answers import AnswerConfig
from generator.models import Message
from retriever.search import SearchConfig
from tests.app.conftest import Run
from tests.app.test_evaluations import write_suite
from tests.conftest import ENCODER, GENERATOR
from tests.generator.conftest import ScriptedGenerator

Evaluate = Callable[..., tuple[Any, str]]

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EVALUATE = ("evaluate", "--answers", "--encoder", ENCODER, "--generator", GENERATOR)


def drafts_of(home: Path) -> dict[str, str]:
    with closing(sqlite3.connect(home / "evaluations" / FILE)) as connection:
        return dict(connection.execute("SELECT key, draft FROM drafts").fetchall())


@pytest.fixture
def evaluate(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Evaluates short answers of the real generator to a small suite; the run, and what was told."""
    monkeypatch.setenv("FOOTNOTE_EVIDENCE_TOKENS", "150")
    monkeypatch.setenv("FOOTNOTE_ANSWER_TOKENS", "16")
    suite = write_suite(tmp_path / "suite")

    def evaluate_suite(*arguments: str) -> tuple[Any, str]:
        with redirect_stderr(StringIO()) as told, capture_logs():  # without a program, logs go to the output
            (found,) = run(*EVALUATE, "--suite", str(suite), "--json", *arguments)["runs"]
        return found, told.getvalue()

    return evaluate_suite


def test_every_evidence_is_measured_and_what_was_written_is_kept(
    evaluate: Evaluate, own_models: Settings
) -> None:
    first, told = evaluate()
    report, conditions = first["report"], first["report"]["conditions"]
    # One question has a reference; it and the one that can't be answered have passages; all are searched.
    counts = {name: found["questions"] for name, found in conditions.items()}
    assert counts == {"none": 1, "gold": 2, "retrieved": 4}
    assert "4 questions; at most 7 answers are written" in told
    assert (first["suite"], report["unanswerable"]) == ("tiny", 1)
    assert (report["without_passages"], report["without_references"]) == (2, 2)
    assert list(conditions["none"]["measures"]) == ["draft token recall"]
    assert all(0 <= value["mean"] <= 1 for one in conditions.values() for value in one["measures"].values())
    outcomes = {one["id"]: one["values"] for one in conditions["retrieved"]["outcomes"]}
    assert ["token recall" in outcomes[one] for one in "123"] == [True, False, False]
    assert list(outcomes["4"]) == ["refusal right"]

    kept = drafts_of(own_models.home)
    second, told = evaluate("--against", first["id"])
    assert f"{GENERATOR}: 0 answers to write, {len(kept)} are there already" in told
    assert drafts_of(own_models.home) == kept
    assert second["report"]["conditions"] == conditions, "the same drafts give the same figures"
    (comparison,) = second["report"]["comparisons"]
    assert comparison["run"] == first["id"]
    assert {one["mean"] for found in comparison["conditions"].values() for one in found.values()} == {0}


def test_runs_of_answers_are_listed_shown_compared_and_exported(
    run: Run, evaluate: Evaluate, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    first, _ = evaluate("--evidence", "gold")
    second, _ = evaluate("--evidence", "gold", "--against", first["id"], "--html", str(page))
    assert [one["id"] for one in run("evaluate", "list", "--json")] == [second["id"], first["id"]]
    assert f"(4 questions), {ENCODER} + {GENERATOR}" in run("evaluate", "list")
    assert run("evaluate", "show", second["id"], "--json") == second
    shown = run("evaluate", "show", second["id"], "--worst", "20")
    assert "With gold evidence" in shown
    for poor in second["report"]["conditions"]["gold"]["worst"]:
        assert poor["draft"].splitlines()[0] in shown
    (comparison,) = second["report"]["comparisons"]
    assert run("evaluate", "compare", first["id"], second["id"], "--json") == comparison
    run("evaluate", "export", second["id"], str(tmp_path / "run.json"))
    assert json.loads((tmp_path / "run.json").read_text()) == second
    run("evaluate", "export", second["id"], str(tmp_path / "run.html"))
    assert (tmp_path / "run.html").read_text() == page.read_text()


def test_only_what_is_alike_is_compared(run: Run, evaluate: Evaluate, tmp_path: Path) -> None:
    suite = str(tmp_path / "suite")
    answered, _ = evaluate("--evidence", "none")
    (searched,) = run("evaluate", "--suite", suite, "--encoder", ENCODER, "--json")["runs"]
    with pytest.raises(NotComparable, match=f"run {searched['id']} measured search"):
        evaluate("--against", searched["id"])
    with pytest.raises(NotComparable, match=f"run {answered['id']} measured answers"):
        run("evaluate", "--suite", suite, "--encoder", ENCODER, "--against", answered["id"])
    with pytest.raises(NotComparable, match=r"one of .* measured search, the other answers"):
        run("evaluate", "compare", answered["id"], searched["id"])
    with pytest.raises(NotComparable, match="2 of its questions are not asked now, 0 are new"):
        evaluate("--limit", "2", "--against", answered["id"])


def test_what_can_not_be_asked_is_told(run: Run, tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="say --answers, too"):
        run("evaluate", "--generator", GENERATOR)
    suite = write_suite(tmp_path / "suite")
    bare = {"id": "1", "question": "Where is the key?", "gold_documents": ["https://d/p/pump.md"]}
    (suite / "questions.jsonl").write_text(json.dumps(bare))
    with pytest.raises(SuiteInvalid, match=r"nothing can be asked\. Gold evidence needs gold_passages"):
        run(*EVALUATE, "--suite", str(suite), "--evidence", "gold", "--evidence", "none")


@pytest.fixture
def retriever(run: Run, services: Services, tmp_path: Path) -> Retriever:
    """A home with a few documents, and what searches it."""
    documents = write_suite(tmp_path / "suite") / "documents"
    run("ingest", str(documents), "--uri-prefix", "https://d/", "--product", "Garden")
    return Retriever(
        live=services.live_index(), encoder=services.encoder, config=SearchConfig(), reranker=None
    )


def as_asked(*questions: Question, gold: dict[str, Sequence[str]]) -> Asked:
    return Asked(
        name="t",
        sha256="s",
        split=None,
        questions=tuple(one for one in questions if one.answerable),
        unanswerable=tuple(one for one in questions if not one.answerable),
        left_out=0,
        gold_passages=gold,
        not_located=0,
        missing_documents=(),
    )


OIL = Question(id="oil", question="How do I oil the pump P3?", gold_documents=("https://d/p/pump.md",))
HULL = Question(id="hull", question="How is the hose painted?", answerable=False)


def test_the_generator_is_asked_exactly_what_the_server_asks_it(
    services: Services, retriever: Retriever
) -> None:
    config = AnswerConfig(prompt_tokens=60)
    questions = (OIL, HULL)
    for one in show_retrieved(services.database, retriever, questions, most=3):
        writer = ScriptedGenerator("Oil it every 90 days. [1]")
        answerer = Answerer(
            services.database,
            retriever.encoder,
            writer,
            search=retriever.config,
            passages=3,
            curated_similarity=2,
            config=config,
        )
        list(answerer.stream(retriever.live, one.question.question, products=None))
        assert one.subjects == ("Garden",)
        assert writer.asked == [list(build_chat(one, Condition.RETRIEVED, writer.count_tokens, config))]


def test_gold_passages_have_the_cosine_that_search_gives_them(
    services: Services, retriever: Retriever
) -> None:
    (found,) = show_retrieved(services.database, retriever, [OIL], most=10)
    by_id = {one.passage_id: one for one in found.evidence}
    ids = sorted(by_id)
    asked = as_asked(OIL, HULL, gold={"oil": ids, "hull": ["psg_gone"]})
    (gold,) = show_gold(services.database, retriever.encoder, asked, most=2)
    assert [one.passage_id for one in gold.evidence] == ids[:2]
    for one in gold.evidence:
        assert one.text == by_id[one.passage_id].text
        assert one.score == pytest.approx(by_id[one.passage_id].score, abs=1e-5)
    assert gold.subjects == ("Garden",)
    assert show_nothing(asked) == [], "without references there is nothing to measure"


def test_a_gate_gets_every_value_by_measure_and_question(
    services: Services, retriever: Retriever, tmp_path: Path
) -> None:
    with closing(DraftStore(tmp_path, lambda: NOW)) as store:
        values = answer_values(
            services.database,
            retriever,
            ScriptedGenerator("Oil the pump P3 every 90 days with machine oil of grade 32. [1]"),
            as_asked(OIL, HULL, gold={}),
            Condition.RETRIEVED,
            config=AnswerConfig(),
            most=2,
            drafts=store,
            progress=lambda *_: None,
            say=lambda _: None,
        )
    assert set(values["refusal right"]) == {"oil", "hull"}
    assert values["citation recall"] == values["supported"] == values["answered"] == {"oil": 1}
    assert "token recall" not in values, "no question has a reference"


def test_a_damaged_file_of_drafts_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 99)
    with pytest.raises(DraftsUnusable, match=r"drafts\.sqlite can't be used: .*delete it"):
        DraftStore(tmp_path, lambda: NOW)


def chats(count: int) -> list[Chat]:
    return [(Message("user", f"question {number}"),) for number in range(count)]


class Failing(ScriptedGenerator):
    """Answers with the question, and is killed at the second batch."""

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,  # noqa: ARG002
        should_stop: Callable[[], bool] | None = None,  # noqa: ARG002
    ) -> list[str]:
        if self.asked and self.script == "dies":
            raise KeyboardInterrupt
        self.asked.extend(chats)
        return [f"to {chat[0].content}" for chat in chats]


def write(store: DraftStore, generator: Failing, asked: list[Chat]) -> tuple[dict[Chat, str], list[str]]:
    told: list[str] = []
    found = write_drafts(store, generator, asked, max_new_tokens=8, progress=lambda *_: None, say=told.append)
    return found, told


def test_an_evaluation_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    asked = chats(BATCH + 5)
    with closing(DraftStore(tmp_path, lambda: NOW)) as store, pytest.raises(KeyboardInterrupt):
        write(store, Failing("dies"), asked)
    again = Failing("lives")
    with closing(DraftStore(tmp_path, lambda: NOW)) as store:
        found, told = write(store, again, [*asked, *asked])
    assert again.asked == asked[BATCH:], "only what was lost is written, and nothing twice"
    assert found == {chat: f"to {chat[0].content}" for chat in asked}
    assert told == [f"scripted: 5 answers to write, {BATCH} are there already"]


def test_the_first_batch_tells_how_long_the_rest_will_take(tmp_path: Path) -> None:
    with closing(DraftStore(tmp_path, lambda: NOW)) as store:
        told = write(store, Failing(""), chats(BATCH + 1))[1]
    assert told[1] == "scripted: the other 1 will take about 1 minutes"


def test_drafts_are_of_one_generator_one_prompt_and_one_length_and_are_not_kept_for_ever(
    tmp_path: Path,
) -> None:
    (first, second) = chats(2)
    with closing(DraftStore(tmp_path, lambda: NOW)) as store:
        store.add("g", {first: "a"}, max_new_tokens=8)
        assert store.find("g", [first, second], max_new_tokens=8) == {first: "a"}
        assert store.find("g", [first], max_new_tokens=9) == {}
        assert store.find("other", [first], max_new_tokens=8) == {}
    with closing(DraftStore(tmp_path, lambda: NOW + KEPT)) as store:
        assert store.find("g", [first], max_new_tokens=8) == {first: "a"}
    with closing(DraftStore(tmp_path, lambda: NOW + KEPT + timedelta(seconds=1))) as store:
        assert store.find("g", [first], max_new_tokens=8) == {}


@given(
    answerable=st.lists(st.booleans(), min_size=1, max_size=12),
    limit=st.integers(1, 15),
    seed=st.integers(0, 9),
)
def test_drawn_questions_keep_their_order_and_have_a_checksum_of_their_own(
    answerable: list[bool], limit: int, seed: int
) -> None:
    questions = [
        Question(id=str(row), question="?", gold_documents=("d",) * can, answerable=can)
        for row, can in enumerate(answerable)
    ]
    asked = as_asked(*questions, gold={})
    drawn = draw_questions(asked, limit, seed=seed)
    every, some = ([*one.questions, *one.unanswerable] for one in (asked, drawn))
    assert len(some) == min(limit, len(every))
    assert some == [one for one in every if one in some]
    assert (drawn.sha256 == asked.sha256) == (len(some) == len(every))
    assert draw_questions(asked, limit, seed=seed) == drawn
    larger = draw_questions(asked, limit + 1, seed=seed)
    assert {one.id for one in some} <= {one.id for one in (*larger.questions, *larger.unanswerable)}

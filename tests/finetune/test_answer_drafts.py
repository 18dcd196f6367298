"""Drafts: the prompt is serving's own, byte for byte, and a replay gives what serving gives."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.answer_drafts import Condition, DraftForeign, ShownQuestion, build_chat, serve_draft
from finetune.suites import Question
from generator.answering import answer_question
from generator.answers import AnswerConfig, AnswerOrigin
from generator.evidence import Evidence
from tests.generator.conftest import ScriptedGenerator

CONFIG = AnswerConfig(prompt_tokens=60)
PUMP = Evidence(
    passage_id="pump",
    title="Pump P3",
    heading_path=("Care",),
    text="Oil the pump every 90 days. Use machine oil of grade 32. The pump moves 12 litres a minute.",
    score=0.8,
)
HOSE = Evidence(
    passage_id="hose", title="Hose", heading_path=(), text="The garden hose is 20 metres long.", score=0.5
)


def shown(question: str, *evidence: Evidence, answerable: bool = True) -> ShownQuestion:
    gold = ("d",) if answerable else ()
    asked = Question(id="q", question=question, gold_documents=gold, answerable=answerable)
    return ShownQuestion(question=asked, evidence=evidence, subjects=("Garden",))


def serve(one: ShownQuestion, script: str) -> tuple[object, Sequence[object]]:
    """The answer that serving gives while the model writes a script, and what the model was asked."""
    generator = ScriptedGenerator(script)
    answer = answer_question(one.question.question, one.evidence, generator, CONFIG, subjects=one.subjects)
    return answer, generator.asked


TEXT = st.text("ab .<|[1]\n", max_size=40)
EVIDENCE = st.builds(
    Evidence,
    passage_id=st.uuids().map(str),
    title=TEXT,
    heading_path=st.tuples(TEXT),
    text=TEXT.map(lambda text: f"pump oil {text}"),
    score=st.floats(0.8, 1),
)


@given(evidence=st.lists(EVIDENCE, min_size=1, max_size=5))
def test_the_prompt_is_that_of_serving(evidence: list[Evidence]) -> None:
    one = shown("How do I oil the pump? [1]", *evidence)
    _, asked = serve(one, "Oil it.")
    assert asked == [list(build_chat(one, Condition.RETRIEVED, ScriptedGenerator("").count_tokens, CONFIG))]


@pytest.mark.parametrize(
    "draft",
    [
        "Oil the pump every 90 days. [1] Use machine oil of grade 32 [1].",
        "Oil the pump every 30 days. [1]",
        "The documents do not answer this question.",
        "Sure! Oil the pump every 90 days.\n\nIt is 20 metres long.\n\n- The hose is 20 metres long [2]",
        "",
        "Oil the pump every 90 days. " * 30,
    ],
)
def test_a_replay_is_what_serving_gives(draft: str) -> None:
    one = shown("How often do I oil the pump?", PUMP, HOSE)
    generator = ScriptedGenerator(draft)
    chat = build_chat(one, Condition.GOLD, generator.count_tokens, CONFIG)
    served = serve_draft(one, chat, draft, generator, CONFIG)
    assert served == serve(one, draft)[0]
    assert generator.asked == [], "nothing is written anew"


def test_weak_evidence_is_refused_whatever_the_draft_says() -> None:
    far = Evidence(passage_id="x", title="", heading_path=(), text="Nothing of that.", score=0.1)
    one = shown("How often do I oil the pump?", far)
    generator = ScriptedGenerator("")
    chat = build_chat(one, Condition.RETRIEVED, generator.count_tokens, CONFIG)
    assert serve_draft(one, chat, "Nothing of that. [1]", generator, CONFIG).origin is AnswerOrigin.NONE


def test_a_draft_of_another_prompt_is_refused() -> None:
    one, generator = shown("How often do I oil the pump?", PUMP), ScriptedGenerator("")
    chat = build_chat(shown("How long is the hose?", PUMP), Condition.GOLD, generator.count_tokens, CONFIG)
    with pytest.raises(DraftForeign, match="otherwise than the draft"):
        serve_draft(one, chat, "Oil it.", generator, CONFIG)


def test_from_memory_nothing_but_the_question_is_said() -> None:
    one = shown("How <|im_end|> often?", PUMP)
    system, user = build_chat(one, Condition.NONE, ScriptedGenerator("").count_tokens, CONFIG)
    assert (system.role, user.role, user.content) == ("system", "user", "How < |im_end|> often?")
    assert "passage" not in system.content

"""Evaluating answers, beside tables worked out by hand."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.answer_drafts import Condition, ShownQuestion, build_chat
from finetune.answer_evaluation import AnswerReport, evaluate_drafts, values_by_measure
from finetune.gate import MainMeasure
from finetune.suites import Question
from generator.answers import AnswerConfig, AnswerOrigin
from generator.evidence import Evidence
from generator.prompt import REFUSAL
from tests.finetune.test_answer_drafts import HOSE, PUMP
from tests.generator.conftest import ScriptedGenerator

CONFIG = AnswerConfig()
GENERATOR = ScriptedGenerator("")
OIL = Question(
    id="oil",
    question="How often do I oil the pump?",
    gold_documents=("d",),
    answers=("Oil the pump every 90 days.", "Every three months"),
    product="Pump",
)
PAINT = Question(id="paint", question="Which paint does the pump need?", answerable=False, product="Hull")


def evaluate(
    drafts: dict[Question, str], *evidence: Evidence, condition: Condition = Condition.GOLD
) -> AnswerReport:
    shown = [ShownQuestion(question=question, evidence=evidence) for question in drafts]
    chats = [build_chat(one, condition, GENERATOR.count_tokens, CONFIG) for one in shown]
    return evaluate_drafts(
        shown, chats, list(drafts.values()), generator=GENERATOR, config=CONFIG, condition=condition
    )


def test_a_good_answer_has_everything() -> None:
    report = evaluate({OIL: "Oil the pump every 90 days. [1]"}, PUMP, HOSE)
    (outcome,) = report.outcomes
    assert outcome.values == dict.fromkeys(
        (
            "refusal right",
            "token recall",
            "draft token recall",
            "k-precision",
            "answered",
            "citation recall",
            "citation precision",
            "supported",
        ),
        1.0,
    )
    assert (outcome.origin, outcome.written, outcome.served) == (AnswerOrigin.WRITTEN, 1, 1)
    assert report.worst == ()


@pytest.mark.parametrize(
    ("draft", "recall", "precision", "supported"),
    [
        # Wrong passage cited: serving finds the right one, the draft is not credited for that.
        ("Oil the pump every 90 days. [2]", 0, 0, 1),
        ("Oil the pump every 90 days.", 0, 0, 1),
        # The second passage does nothing for the sentence.
        ("Oil the pump every 90 days. [1][2]", 1, 1 / 2, 1),
        # There is no third passage.
        ("Oil the pump every 90 days. [1][3]", 0, 0, 1),
        ("Oil the pump every 45 days. [1]", 0, 0, 0),
        ("Oil the pump every 90 days. [1] Paint it blue on Sundays. [1]", 1 / 2, 1 / 2, 1 / 2),
        # Headings and refusals state nothing that could be cited.
        (f"# Oil\n\nOil the pump every 90 days. [1]\n\n{REFUSAL}", 1, 1, 1),
        (REFUSAL, 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_the_draft_is_measured_before_anything_is_mended(
    draft: str, recall: float, precision: float, supported: float
) -> None:
    (outcome,) = evaluate({OIL: draft}, PUMP, HOSE).outcomes
    found = [outcome.values[name] for name in ("citation recall", "citation precision", "supported")]
    assert found == [recall, precision, supported]


def test_what_is_served_is_measured_after_the_checks() -> None:
    report = evaluate({OIL: "Oil the pump every 90 days. [1] Paint it blue on Sundays. [1]"}, PUMP, HOSE)
    (outcome,) = report.outcomes
    assert (outcome.written, outcome.served) == (2, 1)
    assert outcome.values["k-precision"] == 1, "the sentence that was dropped does not count"
    refused = evaluate({OIL: "Nobody knows."}, HOSE).outcomes[0]
    assert refused.origin is AnswerOrigin.NONE
    assert [refused.values[name] for name in ("token recall", "k-precision", "answered")] == [0, 0, 0]
    assert refused.values["draft token recall"] == 0


def test_refusals_are_right_where_nothing_answers() -> None:
    invented = "The pump moves 12 litres a minute. [1]"
    report = evaluate({OIL: "Oil the pump every 90 days. [1]", PAINT: invented}, PUMP)
    assert [outcome.origin for outcome in report.outcomes] == [AnswerOrigin.WRITTEN, AnswerOrigin.WRITTEN]
    assert report.outcomes[1].values == {"refusal right": 0}
    assert report.measures["refusal right"].mean == 1 / 2
    assert report.measures["refusal f1"].mean == 0
    assert report.worst[0].id == "paint"
    assert (report.worst[0].draft, report.worst[0].served) == (invented, invented)
    right = evaluate({OIL: "Oil the pump every 90 days.", PAINT: REFUSAL}, HOSE)
    assert [outcome.origin for outcome in right.outcomes] == [AnswerOrigin.NONE, AnswerOrigin.NONE]
    assert right.measures["refusal precision"].mean == 1 / 2
    assert right.measures["refusal recall"].mean == 1
    assert right.measures["refusal f1"].mean == pytest.approx(2 / 3)
    assert right.origins == {"none": 2}


def test_from_memory_only_what_was_said_is_measured() -> None:
    silent = Question(id="hose", question="How long is the hose?", gold_documents=("d",))
    report = evaluate({OIL: "Every 90 days.", silent: "20 metres."}, condition=Condition.NONE)
    assert [outcome.values for outcome in report.outcomes] == [{"draft token recall": 3 / 5}, {}]
    assert list(report.measures) == ["draft token recall"]
    assert [one.id for one in report.worst] == ["oil"]
    assert report.worst[0].served == ""


def test_values_are_given_by_measure_and_by_group() -> None:
    report = evaluate({OIL: "Oil the pump every 90 days. [1]", PAINT: REFUSAL}, PUMP)
    values = values_by_measure(report)
    assert values["citation recall"] == {"oil": 1}
    assert set(values["refusal right"]) == {"oil", "paint"}
    assert {*values, "mrr@10", "hit@10"} == set(get_args(MainMeasure)), "the gate can ask for each of them"
    assert {name: group.questions for name, group in report.by_product.items()} == {"Hull": 1, "Pump": 1}


def test_no_question_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one question"):
        evaluate({}, PUMP)


SENTENCES = st.sampled_from(
    ["Oil the pump every 90 days.", "Use oil of grade 32", "It is green!", REFUSAL, "```\nx = 1\n```", "- a"]
)
MARKERS = st.sampled_from(["", " [1]", " [2]", " [1, 2]", " [7]", " [1-300]"])


@given(
    draft=st.lists(st.tuples(SENTENCES, MARKERS).map("".join), max_size=5).map("\n".join),
    question=st.sampled_from([OIL, PAINT]),
)
def test_every_value_is_a_share(draft: str, question: Question) -> None:
    (outcome,) = evaluate({question: draft}, PUMP, HOSE).outcomes
    assert all(0 <= value <= 1 for value in outcome.values.values())
    assert outcome.values.get("supported", 1) >= outcome.values.get("citation recall", 0)
    assert (outcome.served == 0) == (outcome.origin is AnswerOrigin.NONE)

"""Examples for a generator, against what the prompt and the support check say of them."""

import re
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finetune.answer_examples import (
    SAME_QUESTION,
    AnsweredQuestion,
    choose_diverse,
    cited_answer,
    compose_examples,
    describe_answer_examples,
    keep_carried,
)
from finetune.configuration import AnswerExampleConfig
from finetune.grounding import grounded_score
from finetune.overlap import overlap
from generator.citations import cited_sentences
from generator.evidence import Evidence
from generator.prompt import REFUSAL, build_messages
from generator.support import SupportConfig

TEXTS = {
    "dog": "The dog barks at night. It sleeps in the kennel.",
    "cat": "The cat hunts mice in the barn.",
    "hen": "The hen lays an egg every morning.",
    "cow": "The cow gives milk twice a day.",
}


def _evidence(name: str) -> Evidence:
    return Evidence(passage_id=name, title="Farm", heading_path=(), text=TEXTS[name], score=0.5)


ASKED = [
    AnsweredQuestion(
        id=name, question=f"What does the {name} do?", answer=text, gold=(_evidence(name),), weight=0.5
    )
    for name, text in TEXTS.items()
]
FOUND = [[_evidence(name) for name in TEXTS] for _ in ASKED]


def _words(text: str) -> int:
    return len(text.split())


def _cited(answer: str, names: tuple[str, ...]) -> str:
    evidence = tuple(_evidence(name) for name in names)
    asked = AnsweredQuestion(id="", question="What do they do?", answer=answer, gold=evidence, weight=1.0)
    return cited_answer(asked, evidence, AnswerExampleConfig(most_sentences=3))


def test_each_sentence_cites_the_passage_that_holds_it() -> None:
    answer = "The hen lays an egg every morning. The dog barks at night."
    assert _cited(answer, ("dog", "cat", "hen")) == (
        "The hen lays an egg every morning. [3] The dog barks at night. [1]"
    )


def test_what_no_passage_holds_is_not_learnt() -> None:
    answer = "The hen lays an egg every morning. The horse pulls 12 carts to Vienna."
    assert _cited(answer, ("hen",)) == "The hen lays an egg every morning. [1]"
    assert _cited("The horse pulls 12 carts to Vienna.", ("hen",)) == ""


def test_code_and_what_leads_to_it_are_left_out() -> None:
    answer = "The dog barks at night:\n\n```\nbark()\n```\n\nThe cat hunts mice in the barn."
    assert _cited(answer, ("dog", "cat")) == "The cat hunts mice in the barn. [2]"


def test_examples_show_what_serving_would_show_and_cite_what_holds() -> None:
    examples, left_out = compose_examples(ASKED, FOUND, _words, AnswerExampleConfig(refusals=0.0), seed=1)
    assert left_out == 0
    for one, asked in zip(examples, ASKED, strict=True):
        assert list(one.messages) == build_messages(one.question, one.evidence)
        assert one.evidence.count(asked.gold[0]) == 1
        assert not one.refuses
        for sentence in cited_sentences(one.target, evidence_count=len(one.evidence)):
            cited = [one.evidence[number - 1].text for number in sentence.numbers]
            assert [sentence.text in text for text in cited] == [True]
        assert grounded_score(one.target, one, support=SupportConfig()) == 1


def test_places_of_gold_and_numbers_of_distractors_vary() -> None:
    examples, _left_out = compose_examples(
        ASKED * 20, FOUND * 20, _words, AnswerExampleConfig(refusals=0.0), seed=1
    )
    places = {[one.passage_id for one in example.evidence].index(example.id) for example in examples}
    assert places == {0, 1, 2, 3}
    assert {len(example.evidence) for example in examples} == {1, 2, 3, 4}


def test_a_share_refuses_and_is_never_shown_what_answers() -> None:
    config = AnswerExampleConfig(refusals=0.25)
    examples, _left_out = compose_examples(ASKED * 100, FOUND * 100, _words, config, seed=1)
    refusals = [one for one in examples if one.refuses]
    assert 60 < len(refusals) < 140  # 100 are expected, with a deviation of 9
    for one in refusals:
        assert one.target == REFUSAL
        assert one.id not in {passage.passage_id for passage in one.evidence}
        assert 1 <= len(one.evidence) <= config.distractors + 1
        assert grounded_score(one.target, one, support=SupportConfig()) == 1
        assert grounded_score("The dog barks. [1]", one, support=SupportConfig()) == 0


def test_a_copy_of_the_answer_is_no_distractor_of_a_refusal() -> None:
    twin = Evidence(passage_id="twin", title="", heading_path=(), text=TEXTS["hen"], score=0.9)
    hen = [one for one in ASKED if one.id == "hen"]
    examples, left_out = compose_examples(
        hen * 50, [[twin]] * 50, _words, AnswerExampleConfig(refusals=0.9), seed=1
    )
    assert not any(one.refuses for one in examples)
    assert left_out > 0


def test_answers_without_support_are_left_out_and_counted() -> None:
    invented = AnsweredQuestion(
        id="x", question="Who?", answer="Napoleon ate 40 pies.", gold=(_evidence("dog"),), weight=1.0
    )
    examples, left_out = compose_examples(
        [invented, ASKED[0]], FOUND[:2], _words, AnswerExampleConfig(refusals=0.0), seed=1
    )
    assert ([one.id for one in examples], left_out) == (["dog"], 1)


def test_the_same_seed_makes_the_same_examples() -> None:
    def made(seed: int) -> str:
        examples, _left_out = compose_examples(ASKED * 5, FOUND * 5, _words, AnswerExampleConfig(), seed=seed)
        return str(describe_answer_examples(examples)["sha256"])

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_manifest_tells_which_questions_were_learnt() -> None:
    examples, _left_out = compose_examples(ASKED, FOUND, _words, AnswerExampleConfig(), seed=1)
    learnt = describe_answer_examples(examples)["questions"]
    assert overlap(["Who else?", *(one.question.upper() for one in examples)], learnt) == tuple(
        one.question.upper() for one in examples
    )


def test_the_grounded_score_by_hand() -> None:
    (one,), _left_out = compose_examples(
        ASKED[:1], [[]], _words, AnswerExampleConfig(refusals=0.0, distractors=0), seed=1
    )
    assert one.target == "The dog barks at night. [1] It sleeps in the kennel. [1]"
    scores = {
        "The dog barks at night. [1]": 1 * 4 / 8,
        "The dog barks at night. [1] It sleeps in the kennel.": 1 / 2 * 8 / 8,
        "The dog barks at night.": 0,
        "Napoleon ate 40 pies. [1]": 0,
        REFUSAL: 0,
        "": 0,
    }
    assert {draft: grounded_score(draft, one, support=SupportConfig()) for draft in scores} == scores


def test_what_is_kept_of_an_answer_is_the_target_without_its_citations() -> None:
    config = AnswerExampleConfig(refusals=0.0, distractors=0)
    examples, _left_out = compose_examples(ASKED, [[] for _ in ASKED], _words, config, seed=1)
    targets = {one.id: re.sub(r" \[\d\]", "", one.target) for one in examples}
    assert targets
    assert {one.id: one.answer for one in keep_carried(ASKED, config)} == targets
    invented = replace(ASKED[0], answer="Napoleon ate 40 pies.")
    assert keep_carried([invented], config) == []


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_the_most_different_questions_are_taken(size: int, count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(size, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = generator.random(size).tolist()
    taken = choose_diverse(vectors, weights, count)
    assert len(taken) == len(set(taken)) <= count
    assert taken[0] == int(np.argmax(weights))
    assert taken == choose_diverse(vectors, weights, 2 * count)[: len(taken)]
    among = vectors[taken] @ vectors[taken].T - 2 * np.eye(len(taken))
    assert len(taken) == 1 or among.max() < SAME_QUESTION + 1e-6
    left = [place for place in range(size) if place not in taken]
    if left and len(taken) > 1:  # farthest first: what is left lies nearer than the taken lie to each other
        assert (vectors[left] @ vectors[taken].T).max(axis=1).min() >= among.max() - 1e-6


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose_diverse(np.empty((0, 3), dtype=np.float32), [], 5) == []

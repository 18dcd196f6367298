"""The sample that mixtures are compared on."""

import json
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from finetune.examples import Corpus, Example, ExamplesInvalid
from finetune.pool import Pool, make_pool, read_pool, score_pool
from retriever.arrays import Vectors

CORPUS = Corpus(
    ids=[f"p{row}" for row in range(30)],
    documents=[f"d{row // 2}" for row in range(30)],
    texts=[f"text {row}" for row in range(30)],
)


def _unit(count: int, seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _asked(count: int) -> list[Example]:
    return [
        Example(id=str(n), question=f"q{n}", rows=(29 - n,), relevance=1, source="pair") for n in range(count)
    ]


def test_a_pool_holds_the_right_passages_and_the_nearest() -> None:
    questions, passages = _unit(4, 1), _unit(30, 2)
    pool = make_pool(_asked(4), CORPUS, questions=questions, passages=passages, most_passages=12, seed=3)
    assert set(pool.questions) == {"q0", "q1", "q2", "q3"}
    assert len(pool.texts) == 12
    for number in range(4):
        assert f"text {29 - number}" in pool.texts
        nearest = int(np.argmax(passages @ questions[number]))
        assert f"text {nearest}" in pool.texts
        assert pool.gold[pool.questions.index(f"q{number}")] == {CORPUS.documents[29 - number]}


def test_of_many_questions_some_are_drawn_and_always_the_same() -> None:
    questions, passages = _unit(20, 1), _unit(30, 2)

    def drawn(seed: int) -> Sequence[str]:
        return make_pool(
            _asked(20), CORPUS, questions=questions, passages=passages, most_questions=5, seed=seed
        ).questions

    assert len(drawn(1)) == 5
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


class _Table:
    """Vectors by text."""

    dimension, max_tokens, fingerprint = 2, 99, "table"
    known: ClassVar = {
        "near a": (1.0, 0.0),
        "a": (1.0, 0.0),
        "b": (0.8, 0.6),
        "c": (0.0, 1.0),
        "near c": (0.0, 1.0),
    }

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.known[text] for text in texts], dtype=np.float32)

    encode_passages = encode_queries

    def token_offsets(self, text: str) -> list[int]:
        return list(range(len(text)))


def test_scores_of_a_hand_worked_pool() -> None:
    # "near a" ranks the documents A, B, C; "near c" ranks C, B, A: reciprocal ranks 1/2 and 1.
    pool = Pool(
        questions=["near a", "near c"],
        gold=[frozenset({"B"}), frozenset({"C"})],
        documents=["A", "B", "C"],
        texts=["a", "b", "c"],
    )
    score = score_pool(_Table(), pool)
    assert score.reciprocal_rank == pytest.approx(0.75)
    assert score.hit == 1.0


def test_a_general_pool_is_read_with_passages_that_answer_nothing() -> None:
    rows = [{"passage": f"passage {n}", "question": f"question {n}"} for n in range(10)]
    pool = read_pool([json.dumps(row) for row in [*rows, {"passage": "alone"}]])
    assert len(pool.questions) == 10
    assert len(pool.texts) == 11
    assert pool.gold[3] == {"passage 3"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{}"], "line 1: KeyError"),
        (['{"passage": ""}'], "line 1: "),
        (['{"passage": "a", "question": 3}'], "line 1: "),
        (["[]"], "line 1: "),
        (['{"passage": "a", "question": "b"}'], "1 general questions are too few, 10 is the least"),
    ],
)
def test_a_broken_pool_is_named(lines: list[str], said: str) -> None:
    with pytest.raises(ExamplesInvalid) as caught:
        read_pool(lines)
    assert said in str(caught.value)

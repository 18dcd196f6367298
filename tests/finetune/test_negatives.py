"""Hard negatives against a brute-force choice."""

from collections.abc import Sequence

import numpy as np
import pytest

from finetune.configuration import MiningConfig
from finetune.examples import Corpus, Example
from finetune.negatives import mine_negatives, random_negatives

ROWS = 40


def _unit(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


CORPUS = Corpus(
    ids=[f"p{row}" for row in range(ROWS)],
    documents=[f"d{row // 3}" for row in range(ROWS)],
    texts=[f"text {row % 35}" for row in range(ROWS)],  # rows 35 to 39 repeat 0 to 4
)
PASSAGES = _unit(ROWS, 1)
EXAMPLES = [
    Example(id=str(row), question=f"q{row // 2}", rows=(row, row + 1), relevance=1, source="file")
    for row in (0, 1, 3, 8, 20)
]
QUESTIONS = _unit(len(EXAMPLES), 2)


def _search(question: str) -> Sequence[int]:
    generator = np.random.default_rng(len(question) + ord(question[-1]))
    rows: list[int] = generator.permutation(ROWS).tolist()
    return rows


@pytest.mark.parametrize("margin", [0.5, 0.95, 1.0])
@pytest.mark.parametrize(("depth", "most"), [(40, 5), (10, 3), (40, 40), (5, 0)])
def test_negatives_are_what_the_search_ranks_high_and_answers_nothing(
    margin: float, depth: int, most: int
) -> None:
    config = MiningConfig(depth=depth, most=most, margin=margin)
    mined = mine_negatives(EXAMPLES, CORPUS, _search, questions=QUESTIONS, passages=PASSAGES, config=config)
    for place, example in enumerate(EXAMPLES):
        right = set(example.rows)
        best = max(float(PASSAGES[row] @ QUESTIONS[place]) for row in right)
        expected = []
        for row in _search(example.question)[:depth]:
            repeats = any(CORPUS.texts[row] == CORPUS.texts[other] for other in right)
            if not repeats and float(PASSAGES[row] @ QUESTIONS[place]) <= margin * best:
                expected.append(row)
        assert list(mined[place]) == expected[:most]


def test_other_negatives_every_epoch_and_the_same_for_the_same_seed() -> None:
    mined = [tuple(range(10)), (3,), ()]
    first = random_negatives(mined, count=3, seed=1, epoch=0)
    assert first == random_negatives(mined, count=3, seed=1, epoch=0)
    assert first != random_negatives(mined, count=3, seed=1, epoch=1)
    assert [len(rows) for rows in first] == [3, 1, 0]
    assert all(set(rows) <= set(mined[place]) for place, rows in enumerate(first))
    drawn = {row for epoch in range(60) for row in random_negatives(mined, count=3, seed=1, epoch=epoch)[0]}
    assert drawn == set(range(10))

"""A second order of hits: hand-worked, and within its budget by a clock that the test turns."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retriever.arrays import Scores
from retriever.reranking import RerankConfig, TimedReranker, reorder
from retriever.search import Hit


def hit(name: str, score: float, rank: int = 0) -> Hit:
    return Hit(rank=rank, score=score, cosine=0.5, passage_id=name, document_id=f"d{name}", via=("dense",))


def hits(*scores: float) -> list[Hit]:
    return [hit(f"p{n}", score, n + 1) for n, score in enumerate(scores)]


def test_a_hand_worked_reordering() -> None:
    # Scores 0, ln 3 and -ln 3 have the mean 0; their sigmoids are 1/2, 3/4 and 1/4.
    scores = np.array([0, math.log(3), -math.log(3)], dtype=np.float32)
    found = reorder(hits(0.9, 0.8, 0.7, 0.6), scores, weight=1)
    assert [(one.passage_id, one.rank) for one in found] == [("p1", 1), ("p0", 2), ("p2", 3), ("p3", 4)]
    assert [one.score for one in found] == pytest.approx([1.55, 1.4, 0.95, 0.6])
    small = reorder(hits(0.9, 0.8, 0.7, 0.6), scores, weight=0.3)
    assert [one.passage_id for one in small] == ["p0", "p1", "p2", "p3"]
    assert small[0].score == pytest.approx(1.05)


def test_equal_new_scores_are_ordered_by_passage_id() -> None:
    found = reorder([hit("b", 0.5), hit("a", 0.5), hit("c", 0.5)], np.zeros(3, np.float32), weight=1)
    assert [one.passage_id for one in found] == ["a", "b", "c"]


@given(
    st.lists(st.floats(-1, 2), max_size=12),
    st.lists(st.floats(-100, 100, width=32), max_size=12),
    st.floats(0, 5),
    st.floats(-50, 50),
)
def test_every_hit_stays_and_zero_means_nothing(
    own: list[float], given_scores: list[float], weight: float, shift: float
) -> None:
    before = hits(*sorted(own, reverse=True))
    scores = np.array(given_scores[: len(before)], dtype=np.float32)
    after = reorder(before, scores, weight=weight)
    assert [one.rank for one in after] == list(range(1, len(before) + 1))
    assert {one.passage_id for one in after} == {one.passage_id for one in before}
    assert [one.score for one in after] == sorted((one.score for one in after), reverse=True)
    assert [one.passage_id for one in after[len(scores) :]] == [
        one.passage_id for one in before[len(scores) :]
    ]
    moved = reorder(before, (scores.astype(np.float64) + shift).astype(np.float32), weight=weight)
    assert sorted(one.score for one in moved) == pytest.approx(sorted(one.score for one in after), abs=1e-3)


class Slow:
    """Likes later passages more; each character takes its time."""

    fingerprint = "slow"

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds  # a character
        self.read: list[int] = []

    def score(self, question: str, texts: Sequence[str]) -> Scores:
        self.read.append(len(texts))
        self.now += self.seconds * sum(len(question) + len(text) for text in texts)
        return np.linspace(0, len(texts) / 3, len(texts), dtype=np.float32)

    def clock(self) -> float:
        return self.now


TEXTS = {f"p{n}": "x" * 90 for n in range(30)}
QUESTION = "q" * 10  # with it, a passage has 100 characters


def timed(slow: Slow) -> TimedReranker:
    return TimedReranker(slow, RerankConfig(weight=1, budget_milliseconds=300), slow.clock)


@pytest.mark.parametrize(
    ("milliseconds", "read"),
    [(1, 20), (14.9, 20), (15.1, 19), (29, 10), (149, 2), (151, 0), (1000, 0)],
)
def test_as_many_passages_are_read_as_fit_into_the_budget(milliseconds: float, read: int) -> None:
    slow = Slow(milliseconds / 1000 / 100)
    reranker = timed(slow)
    before = hits(*(1 - n / 1000 for n in range(30)))
    found = reranker.rerank(QUESTION, before, TEXTS)
    assert slow.read == [2, 2, *([read] if read else [])]  # the first two measure
    if not read:
        assert found == before
        return
    assert found[0].passage_id == f"p{read - 1}"
    assert [one.passage_id for one in found[read:]] == [f"p{n}" for n in range(read, 30)]


def test_the_estimate_follows_the_machine_and_a_busy_hour_is_forgotten() -> None:
    slow = Slow(0.00001)
    reranker = timed(slow)
    before = hits(*(1 - n / 1000 for n in range(30)))
    reranker.rerank(QUESTION, before, TEXTS)
    assert slow.read[-1] == 20
    slow.seconds = 0.01  # a second for each passage
    for _ in range(40):
        reranker.rerank(QUESTION, before, TEXTS)
    busy = len(slow.read)
    assert busy < 10  # nearly all of these questions were left as they were
    slow.seconds = 0.00001
    for _ in range(400):
        reranker.rerank(QUESTION, before, TEXTS)
    assert slow.read[-1] == 20


def test_hits_without_a_text_and_few_hits_are_left_alone() -> None:
    slow = Slow(0.00001)
    reranker = timed(slow)
    assert reranker.rerank(QUESTION, [], TEXTS) == []
    one = hits(0.5)
    assert reranker.rerank(QUESTION, one, TEXTS) == one
    assert slow.read == []
    gone = {name: text for name, text in TEXTS.items() if name != "p3"}
    found = reranker.rerank(QUESTION, hits(0.54, 0.53, 0.52, 0.51, 0.5), gone)
    assert [one.passage_id for one in found] == ["p2", "p1", "p0", "p3", "p4"]


@pytest.mark.parametrize("wrong", [{"passages": 1}, {"weight": 0}, {"budget_milliseconds": 0}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need passages"):
        RerankConfig(**wrong)  # type: ignore[arg-type]

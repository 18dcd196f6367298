"""Learning weights: what is worth something is found, against brute force."""

from dataclasses import replace

import numpy as np
import pytest

from finetune.fusion_weights import GRID, Judged, describe_weights, learn_weights, score_weights
from retriever.candidates import SIGNALS
from retriever.metrics import hit_at, reciprocal_rank_at
from retriever.search import SearchConfig


def _judged(count: int, *, telling: str, seed: int = 1) -> list[Judged]:
    """Each gold passage stands out by one signal; vectors say little."""
    generator = np.random.default_rng(seed)
    judged = []
    for _ in range(count):
        signals = generator.uniform(0, 0.2, size=(40, len(SIGNALS))).astype(np.float32)
        signals[7, SIGNALS.index(telling)] = 1.0
        judged.append(
            Judged(signals=signals, documents=[f"d{row // 2}" for row in range(40)], gold=frozenset({"d3"}))
        )
    return judged


@pytest.mark.parametrize("telling", ["bm25", "document", "document_bm25", "qa"])
def test_the_signal_that_tells_gets_weight(telling: str) -> None:
    silent = SearchConfig(bm25_weight=0, document_weight=0, document_bm25_weight=0, qa_weight=0)
    learned = learn_weights(_judged(60, telling=telling), silent, seed=1)
    weights = describe_weights(learned.config)
    assert weights[f"{telling}_weight"] >= sorted(GRID[f"{telling}_weight"])[-2]
    assert learned.after[1] > learned.before[1] + 0.3
    assert learned.cross_fitted[1] > learned.before[1] + 0.3


def test_what_is_good_already_is_kept() -> None:
    given = SearchConfig(bm25_weight=0.123)
    learned = learn_weights(_judged(60, telling="dense"), given, seed=1)
    assert learned.config == given
    assert learned.before == learned.after == (1.0, 1.0)


def test_scores_are_those_of_the_metrics() -> None:
    judged = _judged(30, telling="qa", seed=5)
    config = replace(SearchConfig(), qa_weight=0.05)
    hits, ranks = score_weights(judged, config)
    rankings = []
    for one in judged:
        best: dict[str, float] = {}
        for row in range(40):
            score = float(one.signals[row] @ config.weights)
            best[one.documents[row]] = max(best.get(one.documents[row], -9.0), score)
        rankings.append(sorted(best, key=lambda document: -best[document]))
    gains = [dict.fromkeys(one.gold, 1.0) for one in judged]
    assert hits.tolist() == hit_at(rankings, gains, 10).tolist()
    assert ranks.tolist() == pytest.approx(reciprocal_rank_at(rankings, gains, 10).tolist())
    assert 0 < ranks.mean() < 1


def test_chance_is_not_taken_for_skill() -> None:
    # Random signals: the best on all questions looks better than it is; the cross-fitted figure does not.
    generator = np.random.default_rng(3)
    judged = [
        Judged(
            signals=generator.uniform(size=(60, len(SIGNALS))).astype(np.float32),
            documents=[f"d{row}" for row in range(60)],
            gold=frozenset({f"d{generator.integers(60)}"}),
        )
        for _ in range(60)
    ]
    learned = learn_weights(judged, SearchConfig(), seed=1)
    assert learned.after[0] > 10 / 60
    assert learned.cross_fitted[0] < learned.after[0]


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="49 questions are too few to learn from; 50 is the least"):
        learn_weights(_judged(49, telling="qa"), SearchConfig(), seed=1)

"""How good rankings are, per question, and how sure the mean is.

Every metric takes the same two sequences, one entry per question, and returns one value in [0, 1] per
question, so that two systems can be compared question by question; the mean is ``values.mean()``.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from retriever.errors import RepeatedItem

Values = NDArray[np.float64]
"""(questions,), each in [0, 1]."""

Gains = Mapping[str, float]
"""The relevant items of one question, each with a gain above 0; what is not named has gain 0."""

Rankings = Sequence[Sequence[str]]
"""Per question, the items found, best first, without repeats."""

_DRAWS_AT_ONCE = 4_000_000  # 32 MB of float64


def hit_at(rankings: Rankings, relevant: Sequence[Gains], k: int) -> Values:
    """1 where any relevant item is among the first ``k``, else 0."""
    return _per_question(rankings, relevant, k, lambda found, _gains: float(found.any()))


def recall_at(rankings: Rankings, relevant: Sequence[Gains], k: int) -> Values:
    """Share of the relevant items that are among the first ``k``."""
    return _per_question(rankings, relevant, k, lambda found, gains: np.count_nonzero(found) / len(gains))


def reciprocal_rank_at(rankings: Rankings, relevant: Sequence[Gains], k: int) -> Values:
    """1 / rank of the first relevant item, 0 where it is not among the first ``k``. Its mean is MRR@k."""

    def reciprocal(found: Values, _gains: Gains) -> float:
        places = np.flatnonzero(found)
        return 1 / (int(places[0]) + 1) if len(places) else 0.0

    return _per_question(rankings, relevant, k, reciprocal)


def ndcg_at(rankings: Rankings, relevant: Sequence[Gains], k: int) -> Values:
    """Discounted gain of the first ``k`` over the best that is possible: gain / log2(rank + 1), summed.

    Source: Järvelin & Kekäläinen, TOIS 2002, with linear gains as in trec_eval.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))  # (k,)

    def normalised(found: Values, gains: Gains) -> float:
        ideal = np.sort([float(gain) for gain in gains.values()])[::-1][:k]
        return float(found @ discounts[: len(found)] / (ideal @ discounts[: len(ideal)]))

    return _per_question(rankings, relevant, k, normalised)


def bootstrap_interval(
    values: Values, *, seed: int, samples: int = 10_000, level: float = 0.95
) -> tuple[float, float]:
    """Where the mean lies with probability ``level``, by resampling questions with replacement.

    For two systems, pass the differences of their values per question: an interval above 0 says that
    the first is better.

    Args:
        values: (questions,), at least one.
        seed: The same seed gives the same interval.
        samples: Resampled means.
        level: Share of them inside the interval, in (0, 1).

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: If there is no value.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, percentile method.
    """
    if not len(values):
        raise ValueError("need at least one value to resample")
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWS_AT_ONCE // len(values))
    means = [
        values[generator.integers(len(values), size=(min(step, samples - start), len(values)))].mean(axis=1)
        for start in range(0, samples, step)
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def _per_question(
    rankings: Rankings, relevant: Sequence[Gains], k: int, value: Callable[[Values, Gains], float]
) -> Values:
    """Value of each question's gains in ranked order, (at most k,).

    Raises:
        ValueError: If the sequences differ in length, k < 1, or a question has no relevant item.
        RepeatedItem: If a ranking names an item twice.
    """
    if k < 1:
        raise ValueError(f"need k >= 1, got {k}")
    pairs = zip(rankings, relevant, strict=True)
    return np.array([value(_gains(ranking, gains, k), gains) for ranking, gains in pairs], dtype=np.float64)


def _gains(ranking: Sequence[str], gains: Gains, k: int) -> Values:
    if not gains or min(gains.values()) <= 0:
        raise ValueError("each question needs a relevant item, and gains above 0; leave other questions out")
    seen: set[str] = set()
    for item in ranking:
        if item in seen:
            raise RepeatedItem(item)
        seen.add(item)
    return np.array([gains.get(item, 0.0) for item in ranking[:k]], dtype=np.float64)

from collections.abc import Callable, Mapping, Sequence

import ir_measures
import numpy as np
import pytest

from retriever.errors import RepeatedItem
from retriever.metrics import Values, bootstrap_interval, hit_at, ndcg_at, recall_at, reciprocal_rank_at

Metric = Callable[[Sequence[Sequence[str]], Sequence[Mapping[str, float]], int], Values]
METRICS: list[tuple[Metric, str]] = [
    (hit_at, "Success"),
    (recall_at, "R"),
    (reciprocal_rank_at, "RR"),
    (ndcg_at, "nDCG"),
]

# ranks of the relevant items:   2 and 4 of three       none          1 of one
RANKINGS = [["x", "a", "y", "b"], ["x", "y"], ["a", "x"]]
RELEVANT = [{"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 1.0}, {"a": 1.0}]


@pytest.mark.parametrize(
    ("metric", "k", "expected"),
    [
        (hit_at, 1, [0, 0, 1]),
        (hit_at, 2, [1, 0, 1]),
        (recall_at, 3, [1 / 3, 0, 1]),
        (recall_at, 4, [2 / 3, 0, 1]),
        (reciprocal_rank_at, 1, [0, 0, 1]),
        (reciprocal_rank_at, 10, [1 / 2, 0, 1]),
        # (1/log2(3) + 1/log2(5)) / (1 + 1/log2(3) + 1/log2(4))
        (ndcg_at, 4, [(0.6309298 + 0.4306766) / (1 + 0.6309298 + 0.5), 0, 1]),
    ],
)
def test_a_hand_worked_table(metric: Metric, k: int, expected: list[float]) -> None:
    np.testing.assert_allclose(metric(RANKINGS, RELEVANT, k), expected, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize(("metric", "name"), METRICS)
def test_random_runs_agree_with_ir_measures(metric: Metric, name: str, k: int) -> None:
    generator = np.random.default_rng(k)
    items = [f"d{number:02}" for number in range(30)]
    rankings = [list(generator.permutation(items)[: generator.integers(0, 20)]) for _ in range(60)]
    relevant = [
        {str(item): float(generator.integers(1, 4)) for item in generator.permutation(items)[:count]}
        for count in generator.integers(1, 6, size=60)
    ]
    judged = [
        ir_measures.Qrel(str(question), item, int(gain))
        for question, gains in enumerate(relevant)
        for item, gain in gains.items()
    ]
    run = [
        ir_measures.ScoredDoc(str(question), item, -float(place))
        for question, ranking in enumerate(rankings)
        for place, item in enumerate(ranking)
    ]
    theirs = ir_measures.iter_calc([ir_measures.parse_measure(f"{name}@{k}")], judged, run)
    expected = {value.query_id: value.value for value in theirs}
    found = metric(rankings, relevant, k)
    np.testing.assert_allclose(found, [expected.get(str(row), 0.0) for row in range(60)], atol=1e-9)


@pytest.mark.parametrize(("metric", "_name"), METRICS)
def test_questions_that_have_no_answer_are_refused(metric: Metric, _name: str) -> None:
    for gains in ({}, {"a": 0.0}):
        with pytest.raises(ValueError, match="leave other questions out"):
            metric([["a"]], [gains], 1)
    with pytest.raises(ValueError, match="k >= 1"):
        metric([["a"]], [{"a": 1.0}], 0)
    with pytest.raises(ValueError, match="argument 2"):
        metric([["a"]], [], 1)
    with pytest.raises(RepeatedItem):
        metric([["a", "b", "a"]], [{"a": 1.0}], 1)


def test_no_question_gives_no_value() -> None:
    assert recall_at([], [], 5).shape == (0,)


def test_the_interval_is_close_to_the_normal_one() -> None:
    values = np.random.default_rng(3).random(400)
    low, high = bootstrap_interval(values, seed=1)
    spread = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - spread, abs=0.003)
    assert high == pytest.approx(values.mean() + spread, abs=0.003)


def test_a_seed_gives_one_interval_and_the_level_widens_it() -> None:
    values = np.random.default_rng(3).random(50)
    low, high = bootstrap_interval(values, seed=1)
    assert (low, high) == bootstrap_interval(values, seed=1)
    assert (low, high) != bootstrap_interval(values, seed=2)
    wide = bootstrap_interval(values, seed=1, level=0.99)
    assert wide[0] < low < high < wide[1]


def test_many_values_are_resampled_in_steps() -> None:
    values = np.full(3_000_000, 0.25)
    assert bootstrap_interval(values, seed=1, samples=3) == (0.25, 0.25)


def test_one_value_has_no_spread_and_none_is_refused() -> None:
    assert bootstrap_interval(np.array([0.5]), seed=1) == (0.5, 0.5)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval(np.array([]), seed=1)

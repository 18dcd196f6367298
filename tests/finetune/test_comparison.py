"""Paired differences, on hand-worked values and by their symmetries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.comparison import NotComparable, compare_outcomes
from finetune.evaluation import Outcome


def outcome(name: str, rank: int | None, **more: float) -> Outcome:
    value = 0.0 if rank is None or rank > 10 else 1 / rank
    return Outcome(id=name, rank=rank, passage_rank=None, values={"mrr@10": value, **more})


def outcomes(*ranks: int | None) -> list[Outcome]:
    return [outcome(f"q{number}", rank) for number, rank in enumerate(ranks)]


def test_a_hand_worked_table() -> None:
    first = outcomes(1, 2, None, 4, 20)
    second = outcomes(2, 1, 5, 4, 15)
    compared = compare_outcomes(first, list(reversed(second)))
    difference = compared.differences["mrr@10"]
    assert difference.mean == pytest.approx((-0.5 + 0.5 + 0.2 + 0 + 0) / 5)
    assert (difference.better, difference.worse, difference.equal) == (2, 1, 2)
    assert difference.interval is None
    assert [(one.id, one.first_rank, one.second_rank) for one in compared.improved] == [
        ("q1", 2, 1),
        ("q2", None, 5),
        ("q4", 20, 15),
    ]
    assert [(one.id, one.first_rank, one.second_rank) for one in compared.worsened] == [("q0", 1, 2)]
    assert compared.questions == 5


def test_the_interval_is_close_to_that_of_paired_values() -> None:
    generator = np.random.default_rng(5)
    ranks = generator.integers(1, 11, size=(2, 300)).tolist()
    difference = compare_outcomes(outcomes(*ranks[0]), outcomes(*ranks[1])).differences["mrr@10"]
    values = 1 / np.array(ranks[1]) - 1 / np.array(ranks[0])
    spread = 1.96 * values.std(ddof=1) / np.sqrt(300)
    assert difference.interval == pytest.approx((values.mean() - spread, values.mean() + spread), abs=0.006)


RANKS = st.lists(st.tuples(*[st.none() | st.integers(1, 100)] * 2), min_size=1, max_size=9)


@given(RANKS)
def test_turning_the_pair_around_turns_every_sign(ranks: list[tuple[int | None, int | None]]) -> None:
    first, second = (outcomes(*(pair[side] for pair in ranks)) for side in (0, 1))
    there = compare_outcomes(first, second).differences["mrr@10"]
    back = compare_outcomes(second, first).differences["mrr@10"]
    assert there.mean == pytest.approx(-back.mean)
    assert (there.better, there.worse, there.equal) == (back.worse, back.better, back.equal)
    nothing = compare_outcomes(first, first)
    assert (nothing.differences["mrr@10"].mean, nothing.improved, nothing.worsened) == (0, (), ())


def test_a_measure_counts_over_the_questions_that_both_have_it_of() -> None:
    first = [outcome("a", 1, **{"passage hit@10": 0.0}), outcome("b", 1, **{"passage hit@10": 1.0})]
    second = [outcome("a", 1, **{"passage hit@10": 1.0}), outcome("b", 1)]
    difference = compare_outcomes(first, second).differences["passage hit@10"]
    assert (difference.mean, difference.better + difference.worse + difference.equal) == (1, 1)


def test_other_questions_are_refused_by_name() -> None:
    with pytest.raises(
        NotComparable, match=r"1 only in the first, for instance q2; 1 only in the second.*new"
    ):
        compare_outcomes(outcomes(1, 1, 1), [*outcomes(1, 1), outcome("new", 1)])

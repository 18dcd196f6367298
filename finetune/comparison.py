"""Two searches on the same questions, compared question by question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.evaluation import FEWEST_FOR_INTERVAL, SEED, Outcome
from retriever.metrics import bootstrap_interval

CHANGED = 10
_NAMED = 5  # ids in a message


class NotComparable(Exception):
    """Two evaluations are not of the same questions; the message says what differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The second search's value minus the first's, over questions.

    Attributes:
        mean: In [-1, 1]; above 0 says that the second is better.
        interval: Its 95 % paired bootstrap interval; None for fewer than 10 questions.
        better: Questions whose value rose.
        worse: Questions whose value fell.
        equal: The others.
    """

    mean: float
    interval: tuple[float, float] | None
    better: int
    worse: int
    equal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A question whose gold document moved; ranks as in `finetune.evaluation.Outcome`."""

    id: str
    first_rank: int | None
    second_rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Paired differences of two searches.

    Attributes:
        questions: How many both were asked.
        differences: By measure; over the questions that both have it of.
        improved: The questions whose reciprocal rank rose most, the largest gain first; at most 10.
        worsened: Those whose reciprocal rank fell most.
    """

    questions: int
    differences: Mapping[str, Difference]
    improved: tuple[Change, ...]
    worsened: tuple[Change, ...]


def compare_outcomes(first: Sequence[Outcome], second: Sequence[Outcome]) -> Comparison:
    """What the second search gains over the first.

    Args:
        first: What it is compared with.
        second: Outcomes of the same questions, in any order.

    Raises:
        NotComparable: If the questions differ; names some that only one has.
    """
    others = {outcome.id: outcome for outcome in second}
    _check_ids({outcome.id for outcome in first}, set(others))
    pairs = [(one, others[one.id]) for one in first]
    names = dict.fromkeys(name for one, other in pairs for name in one.values if name in other.values)
    moved = sorted(pairs, key=lambda pair: _reciprocal(pair[0]) - _reciprocal(pair[1]))
    changes = [
        Change(id=one.id, first_rank=one.rank, second_rank=other.rank)
        for one, other in moved
        if one.rank != other.rank
    ]
    return Comparison(
        questions=len(pairs),
        differences={name: _difference(name, pairs) for name in names},
        improved=tuple(change for change in changes if _gain(change) > 0)[:CHANGED],
        worsened=tuple(change for change in reversed(changes) if _gain(change) < 0)[:CHANGED],
    )


def _check_ids(first: set[str], second: set[str]) -> None:
    if first == second:
        return
    parts = [
        f"{len(ids)} only in the {which}, for instance {', '.join(sorted(ids)[:_NAMED])}"
        for which, ids in (("first", first - second), ("second", second - first))
        if ids
    ]
    raise NotComparable(f"the runs were asked different questions: {'; '.join(parts)}. Evaluate both anew")


def _difference(name: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> Difference:
    values = np.array(
        [
            other.values[name] - one.values[name]
            for one, other in pairs
            if name in one.values and name in other.values
        ]
    )  # (questions that both have the measure of,)
    enough = len(values) >= FEWEST_FOR_INTERVAL
    return Difference(
        mean=float(values.mean()),
        interval=bootstrap_interval(values, seed=SEED) if enough else None,
        better=int(np.count_nonzero(values > 0)),
        worse=int(np.count_nonzero(values < 0)),
        equal=int(np.count_nonzero(values == 0)),
    )


def _reciprocal(outcome: Outcome) -> float:
    return 0.0 if outcome.rank is None else 1 / outcome.rank


def _gain(change: Change) -> float:
    before = 0.0 if change.first_rank is None else 1 / change.first_rank
    after = 0.0 if change.second_rank is None else 1 / change.second_rank
    return after - before

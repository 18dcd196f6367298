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
    differences = compare_values(
        {outcome.id: outcome.values for outcome in first}, {outcome.id: outcome.values for outcome in second}
    )
    others = {outcome.id: outcome for outcome in second}
    pairs = [(one, others[one.id]) for one in first]
    moved = sorted(pairs, key=lambda pair: _reciprocal(pair[0]) - _reciprocal(pair[1]))
    changes = [
        Change(id=one.id, first_rank=one.rank, second_rank=other.rank)
        for one, other in moved
        if one.rank != other.rank
    ]
    return Comparison(
        questions=len(pairs),
        differences=differences,
        improved=tuple(change for change in changes if _gain(change) > 0)[:CHANGED],
        worsened=tuple(change for change in reversed(changes) if _gain(change) < 0)[:CHANGED],
    )


def compare_values(
    first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]
) -> dict[str, Difference]:
    """Paired differences by measure, each over the questions that both have it of.

    Args:
        first: Question to its values by measure, of what is compared with.
        second: The same of what is compared.

    Raises:
        NotComparable: If the questions differ; names some that only one has.
    """
    _check_ids(set(first), set(second))
    names = dict.fromkeys(name for question in first for name in first[question] if name in second[question])
    return {name: _difference(name, [(first[one], second[one]) for one in first]) for name in names}


def _check_ids(first: set[str], second: set[str]) -> None:
    if first == second:
        return
    parts = [
        f"{len(ids)} only in the {which}, for instance {', '.join(sorted(ids)[:_NAMED])}"
        for which, ids in (("first", first - second), ("second", second - first))
        if ids
    ]
    raise NotComparable(f"the runs were asked different questions: {'; '.join(parts)}. Evaluate both anew")


def _difference(name: str, pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> Difference:
    values = np.array(
        [other[name] - one[name] for one, other in pairs if name in one and name in other]
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

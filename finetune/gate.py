"""Whether a candidate may take the place of what is live, by the same questions asked of both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finetune.comparison import NotComparable
from finetune.evaluation import FEWEST_FOR_INTERVAL, SEED
from retriever.metrics import bootstrap_interval

_NAMED = 5  # questions in a message

MainMeasure = Literal[
    "citation recall",
    "citation precision",
    "supported",
    "token recall",
    "draft token recall",
    "k-precision",
    "answered",
    "refusal right",
    "mrr@10",
    "hit@10",
]
"""What can be asked to rise: of answers (`finetune.answer_evaluation`), and of the search over documents."""

Measured = Mapping[str, Mapping[str, float]]
"""Measure to question to value. A larger value is better, but for costs such as milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """What a candidate must show.

    Attributes:
        main: The measure that must rise.
        margin: Least rise of its mean: the lower end of the 95 % paired interval must lie above it.
        falls: Guards: measure to the largest fall of its mean that is allowed, at least 0. A larger one
            refuses where it is sure: where the upper end of its 95 % paired interval lies below 0.
        rises: Costs: measure to the largest rise that is allowed, as a share: 0.5 lets it take half as
            much again.
        least_questions: Fewer with a value of the main measure decide nothing.
    """

    main: str
    margin: float = 0.0
    falls: Mapping[str, float] = field(default_factory=dict)
    rises: Mapping[str, float] = field(default_factory=dict)
    least_questions: int = 30

    def __post_init__(self) -> None:
        if not all(allowed >= 0 for allowed in (self.margin, *self.falls.values(), *self.rises.values())):
            raise ValueError(f"margins, falls and rises must be at least 0, got {self}")
        if self.least_questions < FEWEST_FOR_INTERVAL:
            raise ValueError(
                f"need least_questions >= {FEWEST_FOR_INTERVAL}, which an interval takes, "
                f"got {self.least_questions}"
            )
        if self.main in {*self.falls, *self.rises} or set(self.falls) & set(self.rises):
            raise ValueError(f"a measure is the main one, a guard or a cost, and only one of these: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: The measure.
        kind: What it was looked at as.
        candidate: The candidate's mean.
        live: The mean of what is live.
        difference: The candidate's mean minus the live one's. Of a cost, the geometric mean of the
            questions' ratios, minus 1: one question that was held up does not decide it.
        interval: The 95 % paired bootstrap interval of the difference; None for fewer than 10 questions.
        allowed: Margin, largest fall or largest rise.
        passed: Whether it does not stand in the way.
        reason: Why, for people.
        doubtful: Whether a guard fell by more than is allowed, and chance alone may have done it.
    """

    name: str
    kind: Literal["main", "guard", "cost"]
    candidate: float
    live: float
    difference: float
    interval: tuple[float, float] | None
    allowed: float
    passed: bool
    reason: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """What the gate decided, and why.

    Attributes:
        passed: Whether the candidate may be promoted.
        questions: How many the main measure has values of.
        checks: The main measure first, then guards, then costs; none where nothing was measured.
        reasons: What stands in the way; empty if and only if it passed.
    """

    passed: bool
    questions: int
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]


def refuse(questions: int, reasons: Sequence[str]) -> GateDecision:
    """A refusal before anything was measured."""
    return GateDecision(passed=False, questions=questions, checks=(), reasons=tuple(reasons))


def too_few(questions: int, config: GateConfig) -> str | None:
    """Why so many questions decide nothing; None if they are enough."""
    if questions >= config.least_questions:
        return None
    return (
        f"{questions} questions can't decide anything, {config.least_questions} is the least; approve more "
        "pairs, or name a suite with more questions"
    )


def too_few_answers(drawn: int, config: GateConfig) -> str | None:
    """The same of the questions that are answered at first, of those that have the main measure."""
    if drawn >= config.least_questions:
        return None
    return (
        f"{drawn} of the questions drawn to be answered have {config.main!r}, and fewer than "
        f"{config.least_questions} can't decide anything; ask for more with --answers (answers, over HTTP)"
    )


def names_overlap(learnt: Sequence[str]) -> str | None:
    """Why questions that the candidate was trained on decide nothing; None if there are none.

    Args:
        learnt: What `finetune.overlap.overlap` found.
    """
    if not learnt:
        return None
    named = "; ".join(repr(question) for question in learnt[:_NAMED])
    more = f" and {len(learnt) - _NAMED} more" if len(learnt) > _NAMED else ""
    return (
        f"the candidate was trained on {len(learnt)} of the questions: {named}{more}; name a suite without "
        "them, or tune again without them"
    )


def decide(candidate: Measured, live: Measured, config: GateConfig) -> GateDecision:
    """Compare a candidate with what is live.

    The main measure must rise for sure: the lower end of its paired interval lies above the margin. A guard
    must not fall for sure: a mean that fell by more than is allowed refuses where the whole interval lies
    below 0, and is called doubtful where it does not. By the mean alone most candidates would be refused, for
    falls that nothing shows: answers to some sixty questions move by more than any fall that one is ready to
    lose. No such number proves that nothing fell either. Of fewer than 10 values the mean decides.

    Args:
        candidate: Values of the candidate; costs above 0.
        live: Values of what is live, of the same questions, measured in the same run.
        config: What must be shown.

    Raises:
        NotComparable: If a measure is missing, or not of the same questions.
        ValueError: If a cost is not above 0.
    """
    kinds: list[tuple[str, Callable[[str, _Paired, GateConfig], Check]]] = [
        (config.main, _check_main),
        *((name, _check_guard) for name in config.falls),
        *((name, _check_cost) for name in config.rises),
    ]
    checks = tuple(check(name, _pair(name, candidate, live), config) for name, check in kinds)
    reasons = tuple(check.reason for check in checks if not check.passed)
    return GateDecision(
        passed=not reasons, questions=len(candidate[config.main]), checks=checks, reasons=reasons
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Paired:
    """(questions,) values of both, in the same order."""

    candidate: NDArray[np.float64]
    live: NDArray[np.float64]


def _pair(name: str, candidate: Measured, live: Measured) -> _Paired:
    for whose, measured in (("candidate", candidate), ("live release", live)):
        if not measured.get(name):
            raise NotComparable(f"{name!r} was not measured of the {whose}, and the gate asks for it")
    first, second = candidate[name], live[name]
    if first.keys() != second.keys():
        lone = sorted(first.keys() ^ second.keys())
        raise NotComparable(
            f"{name!r} is not of the same questions: {len(lone)} have it of one only, for instance "
            f"{', '.join(lone[:_NAMED])}. Evaluate both anew"
        )
    ids = sorted(first)
    return _Paired(
        candidate=np.array([first[one] for one in ids]), live=np.array([second[one] for one in ids])
    )


def _check_main(name: str, values: _Paired, config: GateConfig) -> Check:
    differences = values.candidate - values.live
    interval, few = _interval(differences), too_few(len(differences), config)
    sure = interval is not None and interval[0] > config.margin
    measured = f"{name} changed by {_signed(float(differences.mean()))}{_between(interval)}"
    verdict = (
        f"surely more than {config.margin:g}" if sure else f"which is not surely more than {config.margin:g}"
    )
    return _as_check(
        name,
        "main",
        values,
        difference=float(differences.mean()),
        interval=interval,
        allowed=config.margin,
        passed=sure and few is None,
        reason=few or f"{measured}, {verdict}",
    )


def _check_guard(name: str, values: _Paired, config: GateConfig) -> Check:
    differences, allowed = values.candidate - values.live, config.falls[name]
    difference, interval = float(differences.mean()), _interval(differences)
    measured = f"{name} changed by {_signed(difference)}{_between(interval)}"
    within = difference >= -allowed
    chance = interval is not None and interval[1] >= 0
    doubtful = chance and not within
    doubt = f"; {len(differences)} questions can't tell this from chance, more may" if doubtful else ""
    return _as_check(
        name,
        "guard",
        values,
        difference=difference,
        interval=interval,
        allowed=allowed,
        passed=within or chance,
        reason=f"{measured}, a fall of {allowed:g} is allowed{doubt}",
        doubtful=doubtful,
    )


def _check_cost(name: str, values: _Paired, config: GateConfig) -> Check:
    if not (min(values.candidate.min(), values.live.min()) > 0):
        raise ValueError(f"{name!r} is a cost, and not above 0 for every question")
    ratios, allowed = np.log(values.candidate / values.live), config.rises[name]  # (questions,)
    interval = _interval(ratios)
    change = float(np.expm1(ratios.mean()))
    shares = None if interval is None else (float(np.expm1(interval[0])), float(np.expm1(interval[1])))
    return _as_check(
        name,
        "cost",
        values,
        difference=change,
        interval=shares,
        allowed=allowed,
        passed=change <= allowed,
        reason=f"{name} changed by {_signed(change)} of itself{_between(shares)}, "
        f"a rise of {allowed:g} is allowed",
    )


def _as_check(
    name: str,
    kind: Literal["main", "guard", "cost"],
    values: _Paired,
    *,
    difference: float,
    interval: tuple[float, float] | None,
    allowed: float,
    passed: bool,
    reason: str,
    doubtful: bool = False,
) -> Check:
    return Check(
        name=name,
        kind=kind,
        candidate=float(values.candidate.mean()),
        live=float(values.live.mean()),
        difference=difference,
        interval=interval,
        allowed=allowed,
        passed=passed,
        reason=reason,
        doubtful=doubtful,
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    return bootstrap_interval(values, seed=SEED) if len(values) >= FEWEST_FOR_INTERVAL else None


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" (95 %: {_signed(interval[0])} to {_signed(interval[1])})"

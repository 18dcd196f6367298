"""The gate, against tables worked by hand, and as a property of seeded candidates."""

from typing import Any

import numpy as np
import pytest

from finetune.comparison import NotComparable
from finetune.gate import GateConfig, decide, names_overlap, too_few
from finetune.overlap import digest_questions, overlap

CONFIG = GateConfig(main="right", margin=0.125, falls={"refused": 0.25}, rises={"ms": 0.5})


def spread(values: list[float]) -> dict[str, float]:
    """Values of questions q00, q01 and so on."""
    return {f"q{place:02}": value for place, value in enumerate(values)}


def measured(
    right: float, *, refused: float = 1.0, milliseconds: float = 10.0
) -> dict[str, dict[str, float]]:
    """Thirty questions, all with the same values."""
    return {
        "right": spread([right] * 30),
        "refused": spread([refused] * 30),
        "ms": spread([milliseconds] * 30),
    }


LIVE = measured(0.5)


@pytest.mark.parametrize(
    ("candidate", "passed", "failing"),
    [
        # Constant differences: the interval is the difference itself.
        (measured(0.75), True, []),
        (measured(0.625), False, ["right"]),  # the margin itself is not above the margin
        (measured(0.5), False, ["right"]),
        (measured(0.75, refused=0.75), True, []),  # the whole allowed fall
        (measured(0.75, refused=0.7), False, ["refused"]),
        (measured(0.75, refused=1.5), True, []),
        (measured(0.75, milliseconds=15.0), True, []),
        (measured(0.75, milliseconds=15.1), False, ["ms"]),
        (measured(0.5, refused=0.5, milliseconds=40), False, ["right", "refused", "ms"]),
    ],
)
def test_constant_differences_by_hand(
    candidate: dict[str, dict[str, float]],
    passed: bool,  # noqa: FBT001
    failing: list[str],
) -> None:
    decision = decide(candidate, LIVE, CONFIG)
    assert decision.passed is passed
    assert [check.name for check in decision.checks if not check.passed] == failing
    assert decision.reasons == tuple(check.reason for check in decision.checks if not check.passed)
    assert [check.kind for check in decision.checks] == ["main", "guard", "cost"]
    main = decision.checks[0]
    assert main.interval == pytest.approx((main.difference, main.difference))
    assert (decision.questions, main.live, main.allowed) == (30, 0.5, 0.125)


def test_a_rise_that_chance_can_explain_is_refused() -> None:
    # One question of forty better: resamples without it have probability (39/40)**40 = 0.36, so the
    # lower end is 0. Ten better and none worse: all resamples lie above 0 but (3/4)**40 = 0.00001.
    live, config = {"right": spread([0.0] * 40)}, GateConfig(main="right")
    one, ten = ({"right": spread([1.0] * better + [0.0] * (40 - better))} for better in (1, 10))
    lucky, better = decide(one, live, config), decide(ten, live, config)
    assert (lucky.passed, better.passed) == (False, True)
    assert lucky.checks[0].difference == pytest.approx(1 / 40)
    assert lucky.checks[0].interval is not None
    assert lucky.checks[0].interval[0] == 0
    assert "not surely more than 0" in lucky.reasons[0]
    low, high = better.checks[0].interval or (0, 0)
    # The normal approximation: 0.25 +- 1.96 * sqrt(0.25 * 0.75 / 40).
    assert (low, high) == pytest.approx((0.116, 0.384), abs=0.02)


def test_a_fall_that_chance_can_explain_is_doubtful_and_a_sure_one_refuses() -> None:
    # The tables above turned round: of forty, ten worse can't be chance; two worse and one better are
    # a mean of -1/40, more than the allowed 1/50, and one resample in three has no fall at all.
    config = GateConfig(main="right", falls={"carried": 0.02})
    main, live = {"right": spread([1.0] * 40)}, {"right": spread([0.0] * 40), "carried": spread([0.5] * 40)}
    ten = main | {"carried": spread([-0.5] * 10 + [0.5] * 30)}
    few = main | {"carried": spread([-0.5] * 2 + [1.5] + [0.5] * 37)}
    within = main | {"carried": spread([-0.3] + [0.5] * 39)}  # a mean of -0.02
    sure, chance, allowed = (decide(one, live, config) for one in (ten, few, within))
    guards = [one.checks[1] for one in (sure, chance, allowed)]
    assert [guard.difference for guard in guards] == pytest.approx([-10 / 40, -1 / 40, -0.8 / 40])
    assert [one.passed for one in (sure, chance, allowed)] == [False, True, True]
    assert [guard.doubtful for guard in guards] == [False, True, False]
    assert sure.reasons == (guards[0].reason,)
    assert "40 questions can't tell this from chance" in guards[1].reason
    assert "chance" not in guards[0].reason + guards[2].reason


def test_of_a_handful_of_values_the_mean_decides_a_guard() -> None:
    config = GateConfig(main="right", falls={"carried": 0.02})
    few = {"carried": spread([1.0, 0.0, *[1.0] * 7])}
    guard = decide(measured(1) | few, LIVE | {"carried": spread([1.0] * 9)}, config).checks[1]
    assert (guard.interval, guard.passed, guard.doubtful) == (None, False, False)


@pytest.mark.parametrize(("fall", "most_refused", "least_refused"), [(0.0, 8, 0), (0.3, 100, 92)])
def test_guards_that_only_chance_moved_seldom_refuse(
    fall: float, most_refused: int, least_refused: int
) -> None:
    """A hundred candidates, 60 questions each: the interval leaves 2.5 % on either side."""
    config, rng = GateConfig(main="right", falls={"carried": 0.02}), np.random.default_rng(1)
    refused = 0
    for _ in range(100):
        values = (rng.random((2, 60)) < [[0.7 - fall], [0.7]]).astype(float)
        fallen, live = (
            {"right": spread([value] * 60), "carried": spread(list(row))}
            for value, row in zip((1.0, 0.0), values, strict=True)
        )
        refused += not decide(fallen, live, config).passed
    assert least_refused <= refused <= most_refused


def test_one_question_that_was_held_up_does_not_decide_a_cost() -> None:
    slow = spread([10.0] * 29 + [5000.0])
    check = decide(measured(1.0) | {"ms": slow}, LIVE, CONFIG).checks[2]
    assert check.candidate == pytest.approx((290 + 5000) / 30)
    assert check.difference == pytest.approx(500 ** (1 / 30) - 1)  # 0.23
    assert check.passed


def test_too_few_questions_decide_nothing_however_good_they_look() -> None:
    candidate, live = ({"right": spread([value] * 29)} for value in (1.0, 0.0))
    decision = decide(candidate, live, GateConfig(main="right"))
    assert not decision.passed
    assert decision.reasons[0].startswith("29 questions can't decide anything, 30 is the least")
    assert too_few(30, CONFIG) is None
    few = decide({"right": {"a": 1.0}}, {"right": {"a": 0.0}}, GateConfig(main="right"))
    assert (few.passed, few.checks[0].interval) == (False, None)


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"refused": spread([1] * 30), "ms": spread([1] * 30)}, "'right' was not measured of the candidate"),
        (measured(1) | {"refused": {}}, "'refused' was not measured of the candidate"),
        (measured(1) | {"ms": spread([1] * 29)}, "'ms' is not of the same questions: 1 .* instance q29"),
    ],
)
def test_other_questions_are_not_compared(candidate: Any, message: str) -> None:
    with pytest.raises(NotComparable, match=message):
        decide(candidate, LIVE, CONFIG)


def test_a_cost_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="'ms' is a cost, and not above 0"):
        decide(measured(1, milliseconds=0), LIVE, CONFIG)


def test_a_value_that_is_no_number_never_passes() -> None:
    broken = measured(1) | {"right": spread([float("nan")] * 30), "refused": spread([float("nan")] * 30)}
    assert [check.passed for check in decide(broken, LIVE, CONFIG).checks] == [False, False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        {"margin": -0.1},
        {"falls": {"refused": -1}},
        {"rises": {"ms": float("nan")}},
        {"least_questions": 9},
        {"falls": {"right": 0.1}},
        {"falls": {"ms": 0.1}, "rises": {"ms": 0.1}},
    ],
)
def test_a_gate_that_can_not_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be at least 0|need least_questions|only one of these"):
        GateConfig(**({"main": "right"} | wrong))


def outcomes(seed: int, right: float) -> dict[str, float]:
    """200 questions, each answered rightly with this probability."""
    return spread([float(value) for value in np.random.default_rng(seed).random(200) < right])


@pytest.mark.parametrize("seed", range(20))
def test_worse_candidates_are_refused_and_clearly_better_ones_pass(seed: int) -> None:
    live = outcomes(seed, 0.6)
    generator = np.random.default_rng(1000 + seed)
    noise = {one: float(generator.random() < 0.4) for one in live}
    worse = {one: noise[one] if generator.random() < 0.3 else value for one, value in live.items()}
    better = {one: max(value, float(generator.random() < 0.4)) for one, value in live.items()}
    config = GateConfig(main="right")
    decisions = [decide({"right": one}, {"right": live}, config) for one in (worse, live, better)]
    assert [decision.passed for decision in decisions] == [False, False, True]


def test_candidates_that_are_as_good_as_what_is_live_seldom_pass() -> None:
    # By chance, one of forty: the interval leaves 2.5 % on either side.
    config = GateConfig(main="right")
    rng = np.random.default_rng(0)
    draws = [spread(list((rng.random(60) < 0.5).astype(float))) for _ in range(200)]
    pairs = zip(draws[::2], draws[1::2], strict=True)
    passed = sum(decide({"right": one}, {"right": other}, config).passed for one, other in pairs)
    assert 0 < passed <= 8


def test_questions_that_were_learnt_are_named_as_they_are_asked() -> None:
    learnt = digest_questions(["How do I  Oil it?", "how do i oil it?", "What is a straße?"])
    assert len(learnt) == 2
    asked = ["Where is it?", "HOW do i oil it?", "What is a STRASSE?"]
    found = overlap(asked, learnt)
    assert found == ("HOW do i oil it?", "What is a STRASSE?")
    assert names_overlap(()) is None
    message = names_overlap(found) or ""
    assert "trained on 2 of the questions: 'HOW do i oil it?'; 'What is a STRASSE?'; name" in message
    assert "and 3 more" in (names_overlap(["a?", *"bcdefgh"]) or "")

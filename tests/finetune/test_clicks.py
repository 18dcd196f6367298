"""From clicks to relevance: hand-worked cases, and what must hold for any log."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.clicks import (
    ClickConfig,
    ClickRelevance,
    Showing,
    ShownPassage,
    Thumb,
    click_examples,
    estimate_relevance,
    look_probability,
    relevance,
)

ALL = ClickConfig(least_showings=1, least_relevance=0)


def showing(question: str, *passages: tuple[str, int, bool] | tuple[str, int, bool, Thumb]) -> Showing:
    return Showing(
        question=question,
        passages=tuple(
            ShownPassage(
                passage_id=one[0], position=one[1], clicked=one[2], thumb=one[3] if len(one) > 3 else None
            )
            for one in passages
        ),
    )


def by_passage(found: list[ClickRelevance]) -> dict[str, float]:
    return {one.passage_id: one.relevance for one in found}


def test_a_reader_looks_at_the_first_place_and_half_as_often_at_the_second() -> None:
    assert [look_probability(place, 1) for place in (1, 2, 4)] == [1, 0.5, 0.25]
    assert look_probability(4, 0.5) == 0.5
    assert look_probability(9, 0) == 1
    with pytest.raises(ValueError, match="counts from 1"):
        look_probability(0, 1)


@pytest.mark.parametrize(
    ("votes", "looks", "expected"),
    [
        (3, 1, 0.5),  # 3 votes of 1 + 2 looks; ln 4 / ln 16
        (3, 4, 0.25),  # half of the looks
        (15, 13, 1.0),  # as many votes as looks, and enough of them
        (15, 28, 0.5),
        (1, 2, 0.0625),  # 1/4 of ln 2 / ln 16
        (40, 13, 1.0),  # never above 1
        (0, 9, 0.0),
        (-3, 9, 0.0),
    ],
)
def test_relevance_is_that_of_a_table_worked_by_hand(votes: float, looks: float, expected: float) -> None:
    assert relevance(votes, looks, ClickConfig(doubt=2, enough=15)) == pytest.approx(expected)


def test_a_log_worked_by_hand() -> None:
    """Passage b, at place 2, is opened by two of three readers; a, at place 1, by one."""
    log = [
        showing("How long?", ("a", 1, False), ("b", 2, True)),
        showing("how  LONG?", ("a", 1, True), ("b", 2, True)),
        showing("how  LONG?", ("a", 1, False), ("b", 2, False), ("c", 3, True)),
    ]
    found = estimate_relevance(log, ALL)
    assert [(one.question, one.passage_id, one.showings, one.votes) for one in found] == [
        ("how  LONG?", "b", 3, 2),
        ("how  LONG?", "c", 1, 1),
        ("how  LONG?", "a", 3, 1),
    ]
    relevances = by_passage(found)
    assert relevances["b"] == pytest.approx(2 / (1.5 + 2) * math.log(3) / math.log(11))
    assert relevances["c"] == pytest.approx(1 / (1 / 3 + 2) * math.log(2) / math.log(11))
    assert relevances["a"] == pytest.approx(1 / (3 + 2) * math.log(2) / math.log(11))


def test_a_thumb_down_takes_a_vote_away_whatever_was_clicked_and_a_thumb_up_is_a_vote() -> None:
    log = [
        showing("q", ("a", 1, True), ("b", 4, False, "up"), ("c", 1, True)),
        showing("q", ("a", 1, True, "down"), ("b", 4, True, "up"), ("c", 1, True)),
    ]
    found = estimate_relevance(log, ALL)
    assert {one.passage_id: one.votes for one in found} == {"b": 2, "c": 2}
    assert by_passage(found)["b"] == pytest.approx(
        2 / 4 * math.log(3) / math.log(11)
    )  # looked at for certain


def test_below_the_least_showings_or_relevance_there_is_no_example() -> None:
    once = [showing("q", ("a", 1, True))]
    assert estimate_relevance(once, ClickConfig(least_relevance=0)) == []
    assert len(estimate_relevance(once * 2, ClickConfig(least_relevance=0))) == 1
    seldom = once + [showing("q", ("a", 1, False))] * 20
    assert estimate_relevance(seldom, ClickConfig()) == []


@pytest.mark.parametrize("position", range(1, 101))
def test_as_set_up_one_vote_alone_is_never_an_example(position: int) -> None:
    log = [showing("q", ("a", position, True)), showing("q", ("a", position, False))]
    assert estimate_relevance(log, ClickConfig()) == []
    assert estimate_relevance([log[0], log[0]], ClickConfig()) != []


positions = st.integers(1, 100)
histories = st.lists(st.tuples(positions, st.booleans()), min_size=1, max_size=30)
configs = st.builds(
    ClickConfig,
    position_exponent=st.floats(0, 2),
    doubt=st.floats(0, 5),
    enough=st.floats(1, 50),
    least_showings=st.just(1),
    least_relevance=st.just(0.0),
)


def _relevance(history: list[tuple[int, bool]], config: ClickConfig) -> float:
    log = [showing("q", ("a", position, clicked)) for position, clicked in history]
    return by_passage(estimate_relevance(log, config)).get("a", 0.0)


@given(histories, configs)
def test_a_relevance_is_a_probability(history: list[tuple[int, bool]], config: ClickConfig) -> None:
    value = _relevance(history, config)
    assert 0 <= value <= 1
    assert (value > 0) == any(clicked for _, clicked in history)


@given(histories, configs, st.data())
def test_a_further_click_never_lowers_the_relevance(
    history: list[tuple[int, bool]], config: ClickConfig, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(history) - 1))
    clicked = [(position, done or at == place) for at, (position, done) in enumerate(history)]
    assert _relevance(clicked, config) >= _relevance(history, config)


@given(histories, configs)
def test_a_showing_that_nobody_clicked_never_raises_it(
    history: list[tuple[int, bool]], config: ClickConfig
) -> None:
    assert _relevance([*history, (1, False)], config) <= _relevance(history, config)


@given(histories, configs)
def test_the_correction_raises_what_stands_low(history: list[tuple[int, bool]], config: ClickConfig) -> None:
    lower = [(position + 10, clicked) for position, clicked in history]
    assert _relevance(lower, config) >= _relevance(history, config)
    blind = ClickConfig(
        position_exponent=0, doubt=config.doubt, enough=config.enough, least_showings=1, least_relevance=0
    )
    assert _relevance(history, config) >= _relevance(history, blind)
    assert _relevance(lower, blind) == _relevance(history, blind)


def test_the_correction_puts_a_passage_below_before_one_above_that_was_clicked_as_often() -> None:
    log = [showing("q", ("top", 1, number < 2), ("low", 5, number < 2)) for number in range(6)]
    assert [one.passage_id for one in estimate_relevance(log, ALL)] == ["low", "top"]
    blind = ClickConfig(position_exponent=0, least_showings=1, least_relevance=0)
    assert len(set(by_passage(estimate_relevance(log, blind)).values())) == 1


@given(st.permutations(range(6)))
def test_the_order_of_a_log_does_not_matter(order: list[int]) -> None:
    log = [showing("q", ("a", 1, number % 2 == 0), ("b", 3, number % 3 == 0)) for number in range(6)]
    assert by_passage(estimate_relevance([log[one] for one in order], ALL)) == pytest.approx(
        by_passage(estimate_relevance(log, ALL))
    )


def test_examples_are_of_passages_that_are_there() -> None:
    found = estimate_relevance([showing("Q?", ("a", 1, True), ("gone", 2, True))] * 3, ClickConfig())
    examples, skipped = click_examples(found, {"a": 7})
    assert skipped == 1
    (example,) = examples
    assert (example.question, example.rows, example.source) == ("Q?", (7,), "click")
    assert example.relevance == by_passage(found)["a"]


@pytest.mark.parametrize(
    "wrong", [{"position_exponent": -1}, {"doubt": -1}, {"enough": 0}, {"least_showings": 0}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need"):
        ClickConfig(**wrong)  # type: ignore[arg-type]

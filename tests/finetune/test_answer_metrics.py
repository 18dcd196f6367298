"""Measures of answers: by hand, by brute force, beside a reference library, and by what must always hold."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from finetune.answer_metrics import (
    CitationCheck,
    check_citations,
    citation_precision,
    citation_recall,
    k_precision,
    refusal_measures,
    token_recall,
    words_of,
)

WORDS = st.lists(st.sampled_from(["pump", "oil", "bar", "the", "12"]), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Pump's oil, a litre!", ["pump", "s", "oil", "litre"]),
        ("Call ray.init(num_cpus=4).", ["call", "ray", "init", "num_cpus", "4"]),
        ("ﬁle STRASSE straße", ["file", "strasse", "strasse"]),
        ("an A the THE ... ", []),
    ],
)
def test_words_are_folded_and_without_articles(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("answer", "references", "recall"),
    [
        ("Oil the pump.", ["Oil a pump"], 1),
        ("Oil the pump.", ["Oil the pump every 90 days"], 2 / 5),
        ("pump", ["pump pump"], 1 / 2),
        ("pump pump pump", ["pump pump"], 1),
        ("It holds 12 litres.", ["nothing of that", "it holds 12"], 1),
        ("", ["oil"], 0),
        ("oil", ["..."], 1),
        ("", ["the"], 1),
    ],
)
def test_recall_is_of_the_best_reference(answer: str, references: list[str], recall: float) -> None:
    assert token_recall(answer, references) == pytest.approx(recall)


def test_recall_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        token_recall("oil", [])


@pytest.mark.parametrize(
    ("answer", "evidence", "precision"),
    [
        ("Oil the pump.", ["The pump", "needs oil"], 1),
        ("Oil the old pump.", ["The pump needs oil"], 2 / 3),
        ("pump pump", ["A pump."], 1 / 2),
        ("pump pump", ["A pump.", "The pump!"], 1),
        ("", ["oil"], 0),
        ("oil", [], 0),
    ],
)
def test_precision_is_over_the_evidence_joined(answer: str, evidence: list[str], precision: float) -> None:
    assert k_precision(answer, evidence) == pytest.approx(precision)


def overlap(first: str, second: str) -> int:
    """Words in common, each as often as in both: by crossing out one after the other."""
    left = words_of(second)
    common = 0
    for word in words_of(first):
        if word in left:
            left.remove(word)
            common += 1
    return common


@given(answer=WORDS, references=st.lists(WORDS, min_size=1, max_size=3))
def test_recall_is_that_of_brute_force(answer: str, references: list[str]) -> None:
    shares = [overlap(answer, one) / len(words_of(one)) if words_of(one) else 1.0 for one in references]
    assert token_recall(answer, references) == pytest.approx(max(shares))


@given(answer=WORDS, evidence=st.lists(WORDS, max_size=3), more=WORDS)
def test_precision_is_that_of_brute_force_and_never_falls_with_more_evidence(
    answer: str, evidence: list[str], more: str
) -> None:
    expected = overlap(answer, " ".join(evidence)) / len(words_of(answer)) if words_of(answer) else 0.0
    assert k_precision(answer, evidence) == pytest.approx(expected)
    assert k_precision(answer, [*evidence, more]) >= k_precision(answer, evidence)


# What each set of passages carries: 1 alone, 2 and 3 only together, 4 nothing.
def carries(numbers: Sequence[int]) -> bool:
    assert numbers
    return 1 in numbers or {2, 3} <= set(numbers)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], CitationCheck(carried=False, useful=0, citations=0)),
        ([1], CitationCheck(carried=True, useful=1, citations=1)),
        ([4], CitationCheck(carried=False, useful=0, citations=1)),
        ([2], CitationCheck(carried=False, useful=0, citations=1)),
        ([2, 4], CitationCheck(carried=False, useful=0, citations=2)),
        # Neither alone, and neither can be spared.
        ([2, 3], CitationCheck(carried=True, useful=2, citations=2)),
        # 4 does nothing.
        ([1, 4], CitationCheck(carried=True, useful=1, citations=2)),
        ([4, 2, 3], CitationCheck(carried=True, useful=2, citations=3)),
        # 2 alone does not carry it, and 1 and 3 still do; the same for 3.
        ([1, 2, 3], CitationCheck(carried=True, useful=1, citations=3)),
        # There is no passage 5, nor 0.
        ([1, 5], CitationCheck(carried=False, useful=0, citations=2)),
        ([0], CitationCheck(carried=False, useful=0, citations=1)),
    ],
)
def test_citations_as_worked_out_by_hand(numbers: list[int], expected: CitationCheck) -> None:
    assert check_citations(numbers, carries, shown=4) == expected


def test_citations_of_an_answer() -> None:
    checks = [check_citations(numbers, carries, shown=4) for numbers in ([1, 4], [], [2], [2, 3])]
    assert citation_recall(checks) == 2 / 4
    assert citation_precision(checks) == 3 / 5
    assert (citation_recall([]), citation_precision([])) == (0, 0)
    assert citation_precision(checks[1:2]) == 0


@given(numbers=st.lists(st.integers(0, 6), unique=True), carrying=st.frozensets(st.integers(1, 5)))
def test_useful_citations_are_at_most_all_and_a_carried_sentence_has_one(
    numbers: list[int], carrying: frozenset[int]
) -> None:
    check = check_citations(numbers, lambda some: bool(carrying & set(some)), shown=5)
    assert 0 <= check.useful <= check.citations
    assert check.carried == (bool(carrying & set(numbers)) and set(numbers) <= set(range(1, 6)))
    assert check.useful == (len(carrying & set(numbers)) if check.carried else 0)


def test_refusals_as_worked_out_by_hand() -> None:
    refused = [True, True, True, False, False]
    answerable = [False, False, True, False, True]
    found = refusal_measures(refused, answerable)
    assert [round(one.mean, 6) for one in found.values()] == [0.666667, 0.666667, 0.666667]
    assert list(found) == ["refusal precision", "refusal recall", "refusal f1"]
    assert all(one.interval is None for one in found.values()), "five questions are too few"


@pytest.mark.parametrize("flags", list(product([False, True], repeat=4)))
def test_refusals_agree_with_scikit_learn(flags: tuple[bool, ...]) -> None:
    answerable = [False, True, False, True]
    found = [one.mean for one in refusal_measures(flags, answerable).values()]
    expected = precision_recall_fscore_support(
        [not one for one in answerable], flags, average="binary", zero_division=0
    )
    assert found == pytest.approx(list(expected[:3]))


def test_nothing_is_said_of_refusals_where_all_can_be_answered() -> None:
    assert refusal_measures([True, False], [True, True]) == {}


def test_the_interval_is_that_of_resampled_questions() -> None:
    generator = np.random.default_rng(3)
    answerable = generator.random(60) < 0.5
    refused = np.where(generator.random(60) < 0.8, ~answerable, answerable)
    draws = generator.integers(60, size=(4000, 60))
    values = []
    for rows in draws:
        said, can = refused[rows], answerable[rows]
        right = np.count_nonzero(said & ~can)
        values.append(2 * right / (np.count_nonzero(said) + np.count_nonzero(~can)))
    interval = refusal_measures(list(refused), list(answerable))["refusal f1"].interval
    assert interval == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.01)

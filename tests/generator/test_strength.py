from dataclasses import replace

import pytest

from generator.evidence import Evidence
from generator.passages import read_passage
from generator.strength import Strength, StrengthConfig, measure_strength


def measure(question: str, evidence: list[Evidence], cosine: float) -> Strength:
    passages = [read_passage(replace(one, score=cosine)) for one in evidence]
    return measure_strength(question, passages, StrengthConfig())


def test_near_evidence_is_sufficient_whatever_its_words(evidence: list[Evidence]) -> None:
    assert measure("How long are values kept?", evidence, 0.6).sufficient


def test_far_evidence_needs_the_questions_words(evidence: list[Evidence]) -> None:
    assert measure("How long is the default timeout?", evidence, 0.1).sufficient
    assert not measure("How long are tigers?", evidence, 0.1).sufficient


def test_an_unknown_name_needs_very_near_evidence(evidence: list[Evidence]) -> None:
    weak = measure("How do I deploy the cache on Heroku?", evidence, 0.6)
    assert weak.unknown == ("Heroku",)
    assert not weak.sufficient
    assert measure("How do I deploy the cache on Heroku?", evidence, 0.8).sufficient


def test_in_title_case_nothing_is_a_name(evidence: list[Evidence]) -> None:
    assert measure("How Do I Deploy The Cache Somewhere?", evidence, 0.6).unknown == ()


def test_no_evidence_is_never_sufficient() -> None:
    strength = measure_strength("What is it?", [], StrengthConfig())
    assert (strength.sufficient, strength.value) == (False, 0)


def test_the_value_is_the_mean_of_cosine_and_coverage(evidence: list[Evidence]) -> None:
    assert measure("What is the default timeout?", evidence, 0.5).value == pytest.approx(0.75)
    assert measure("How long is the default timeout?", evidence, -0.5).cosine == 0


def test_evidence_below_the_least_strength_is_not_sufficient(evidence: list[Evidence]) -> None:
    passages = [read_passage(replace(one, score=0.5)) for one in evidence]
    asked = "What is the default timeout?"  # all of its words are there: (0.5 + 1) / 2
    found = [measure_strength(asked, passages, StrengthConfig(minimum=least)) for least in (0, 0.75, 0.751)]
    assert [one.sufficient for one in found] == [True, True, False]
    assert [one.value for one in found] == pytest.approx([0.75] * 3)


def test_very_near_evidence_needs_no_least_strength(evidence: list[Evidence]) -> None:
    asked = "Wie heiss ist es morgen?"  # none of its words are there
    for cosine, sufficient in ((0.74, False), (0.75, True)):
        passages = [read_passage(replace(one, score=cosine)) for one in evidence]
        found = measure_strength(asked, passages, StrengthConfig(minimum=0.52))
        assert (found.coverage, found.sufficient) == (0, sufficient)


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="thresholds"):
        StrengthConfig(minimum_cosine=2)

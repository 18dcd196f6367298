from dataclasses import replace

from generator.evidence import Evidence
from generator.passages import read_passage
from generator.quotations import best_quotation
from generator.strength import question_terms


def quote(question: str, evidence: list[Evidence], minimum: float = 0.6, fewest_terms: int = 2) -> str | None:
    passages = [read_passage(one) for one in evidence]
    found = best_quotation(question_terms(question), passages, minimum=minimum, fewest_terms=fewest_terms)
    return found.evidence.text[found.start : found.end] if found else None


def test_the_sentence_with_the_questions_words_is_found(evidence: list[Evidence]) -> None:
    assert quote("What is the default timeout?", evidence) == "The default timeout is 300 seconds."


def test_one_common_word_is_no_match(evidence: list[Evidence]) -> None:
    assert quote("What is a timeout?", evidence) is None
    assert quote("What is the default timeout?", evidence, fewest_terms=3) is None


def test_a_sentence_that_leans_on_another_is_not_quoted(evidence: list[Evidence]) -> None:
    leaning = [replace(evidence[0], text="This default timeout is the same as the session timeout.")]
    assert quote("What is the default timeout?", leaning) is None


def test_a_title_alone_is_no_match(evidence: list[Evidence]) -> None:
    assert quote("What is the cache framework?", evidence) is None


def test_code_is_not_quoted_as_an_answer(evidence: list[Evidence]) -> None:
    assert quote("Is BACKEND default RedisCache?", evidence) is None

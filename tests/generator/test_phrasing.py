import pytest

from generator.phrasing import clean_statement, is_refusal
from generator.prompt import REFUSAL


@pytest.mark.parametrize(
    ("sentence", "statement"),
    [
        ("Redis is fast.", "Redis is fast."),
        ("Based on the provided passages, redis is fast.", "Redis is fast."),
        ("According to, Redis is fast.", "Redis is fast."),
        ("The passage states that Redis is fast.", "Redis is fast."),
        ("Redis is fast, as described in.", "Redis is fast."),
        ("Redis is fast (see the documentation).", "Redis is fast."),
        ("Sure! Redis is fast.", "Redis is fast."),
        ("Answer: Redis is fast.", "Redis is fast."),
        ("Call `values()` and exists() first.", "Call `values()` and exists() first."),
        ("In Redis, keys expire.", "In Redis, keys expire."),
        ("Sure, here is what I found:", ""),
        ("What is Redis?", ""),
        ("I hope this helps!", ""),
        ("is used for caching.", ""),
        ("Sources:", ""),
        ("...", ""),
    ],
)
def test_what_a_sentence_states(sentence: str, statement: str) -> None:
    assert clean_statement(sentence) == statement


@pytest.mark.parametrize(
    "sentence",
    [
        REFUSAL,
        REFUSAL.lower().rstrip("."),
        "The passages do not mention Heroku.",
        "The provided context doesn't contain an answer.",
        "There is no information about this in the documents.",
        "I cannot answer that.",
        "No, Django does not answer this question.",
    ],
)
def test_refusals_are_recognised(sentence: str) -> None:
    assert is_refusal(sentence)


@pytest.mark.parametrize(
    "sentence",
    ["Redis does not store data on disk.", "The document is stored in a database.", "No answer yet."],
)
def test_plain_negations_are_no_refusals(sentence: str) -> None:
    assert not is_refusal(sentence)

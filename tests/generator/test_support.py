import pytest

from generator.evidence import Evidence
from generator.passages import Passage, read_passage, read_vocabulary
from generator.sentences import SpanKind
from generator.support import DENIED, SupportConfig, Verdict, check_support

CONFIG = SupportConfig()


@pytest.fixture
def passages(evidence: list[Evidence]) -> list[Passage]:
    return [read_passage(one) for one in evidence]


@pytest.mark.parametrize(
    "sentence",
    [
        "Memcached is a memory-based cache server.",
        "The default timeout is 300 seconds.",
        "By default the timeout is 300 seconds in Memcached.",
        "Set `CACHES` to PyMemcacheCache.",
        "Memcached doesn't store data on disk.",
        "Data is not stored on disk by Memcached.",
    ],
)
def test_what_the_evidence_says_is_supported(sentence: str, passages: list[Passage]) -> None:
    support = check_support(sentence, passages[:1], config=CONFIG)
    assert support.supported, support
    assert support.verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("sentence", "missing"),
    [
        ("The default timeout is 600 seconds.", "600"),
        ("Memcached is a memory-based cache server on Heroku.", "Heroku"),
        ("Set the `CACHE_BACKEND` setting to use it.", "CACHE_BACKEND"),
        ("Set the CACHES setting to FileBasedCache to use it.", "FileBasedCache"),
        ("Memcached stores data on disk.", DENIED),
        ("Memcached is not a memory-based cache server.", DENIED),
        ("The default timeout is never 300 seconds.", DENIED),
    ],
)
def test_what_it_does_not_say_is_not(sentence: str, missing: str, passages: list[Passage]) -> None:
    support = check_support(sentence, passages[:1], config=CONFIG)
    assert not support.supported
    assert missing in support.missing
    assert support.verdict is Verdict.UNSUPPORTED


def test_other_words_are_not_supported(passages: list[Passage]) -> None:
    support = check_support("Templates render quickly with inheritance.", passages, config=CONFIG)
    assert not support.supported
    assert support.score < 0.3


@pytest.mark.parametrize("sentence", ["", "Yes.", "It is.", "..."])
def test_what_says_nothing_is_not_supported(sentence: str, passages: list[Passage]) -> None:
    assert not check_support(sentence, passages, config=CONFIG).supported


def test_without_evidence_nothing_is_supported() -> None:
    assert not check_support("Redis is fast.", [], config=CONFIG).supported


def test_the_quote_is_the_sentence_that_carries_it(passages: list[Passage]) -> None:
    (quote,) = check_support("The default timeout is 300 seconds.", passages[:1], config=CONFIG).quotes
    text = passages[0].evidence.text
    assert text[quote.start : quote.end] == "The default timeout is 300 seconds."


def test_two_passages_carry_a_sentence_together(passages: list[Passage]) -> None:
    sentence = "Memcached is a memory-based cache server, and Redis is an in-memory database on port 6379."
    assert not check_support(sentence, passages[:1], config=CONFIG).supported
    together = check_support(sentence, passages[:2], config=CONFIG)
    assert together.supported
    assert [quote.passage for quote in together.quotes] == [0, 1]


def test_code_is_supported_when_all_its_names_are_there(passages: list[Passage]) -> None:
    good = "```python\nCACHES = {'default': {'BACKEND': 'RedisCache'}}\n```"
    bad = "```python\nCACHES = {'default': {'BACKEND': 'FileCache'}}\n```"
    assert check_support(good, passages[1:2], kind=SpanKind.CODE, config=CONFIG).supported
    assert not check_support(bad, passages[1:2], kind=SpanKind.CODE, config=CONFIG).supported


def test_a_word_that_only_the_question_has_is_held_against_the_sentence(passages: list[Passage]) -> None:
    question = read_vocabulary("Does a compressed default timeout exist?")
    sentence = "The compressed default timeout is 300 seconds."
    plain = check_support(sentence, passages[:1], config=CONFIG)
    asked = check_support(sentence, passages[:1], question=question, config=CONFIG)
    assert asked.score < plain.score


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="minimum_score"):
        SupportConfig(minimum_score=0)


def test_a_pair_in_a_question_counts_as_its_two_sides() -> None:
    from generator.strength import question_terms

    assert [term.key for term in question_terms("What does on_delete=CASCADE mean?")][:2] == [
        "on_delete",
        "cascade",
    ]

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.answering import answer_question, stream_answer
from generator.answers import Answer, AnswerConfig, AnswerOrigin, AnswerPart, AnswerStatus
from generator.evidence import Evidence
from generator.models import Generator, Message
from generator.prompt import REFUSAL
from generator.support import Verdict

CONFIG = AnswerConfig()
QUESTION = "How long is the default timeout of Memcached?"
Scripted = Callable[..., Generator]


def check_promises(answer: Answer, evidence: list[Evidence]) -> None:
    """What holds for every answer, whatever the model writes."""
    texts = {one.passage_id: one.text for one in evidence}
    assert (answer.status is AnswerStatus.ANSWERED) == bool(answer.sentences)
    assert 0 <= answer.confidence <= 1
    assert [citation.number for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
    for citation in answer.citations:
        assert citation.quote == texts[citation.passage_id][citation.start : citation.end] != ""
    end = 0
    for sentence in answer.sentences:
        assert sentence.verdict is Verdict.SUPPORTED
        assert sentence.citations
        assert set(sentence.citations) <= {citation.number for citation in answer.citations}
        assert end <= sentence.start < sentence.end <= len(answer.text)
        shown = answer.text[sentence.start : sentence.end]
        assert shown == shown.strip()
        markers = "".join(f"[{number}]" for number in sentence.citations)
        assert answer.text[sentence.end :].lstrip().startswith(markers)
        end = sentence.end
    if answer.sentences:
        cited = {number for sentence in answer.sentences for number in sentence.citations}
        assert cited == {citation.number for citation in answer.citations}


def test_a_supported_sentence_is_shown_with_its_quote(scripted: Scripted, evidence: list[Evidence]) -> None:
    answer = answer_question(QUESTION, evidence, scripted("The default timeout is 300 seconds [1]."), CONFIG)
    assert answer.text == "The default timeout is 300 seconds. [1]"
    assert answer.citations[0].quote == "The default timeout is 300 seconds."
    assert answer.citations[0].passage_id == "cache"
    assert answer.origin is AnswerOrigin.WRITTEN
    assert answer.confidence > 0.5
    check_promises(answer, evidence)


@pytest.mark.parametrize("marker", ["", " [2]", " [9]", " [1][3]"])
def test_a_missing_or_wrong_marker_is_replaced_by_the_passage_that_carries_it(
    marker: str, scripted: Scripted, evidence: list[Evidence]
) -> None:
    generator = scripted(f"The default timeout is 300 seconds{marker}.")
    answer = answer_question(QUESTION, evidence, generator, CONFIG)
    assert [citation.passage_id for citation in answer.citations] == ["cache"]


def test_an_unsupported_sentence_is_dropped_and_recorded(
    scripted: Scripted, evidence: list[Evidence]
) -> None:
    script = "The default timeout is 300 seconds [1]. It can be raised to 900 seconds on Heroku [1]."
    answer = answer_question(QUESTION, evidence, scripted(script), CONFIG)
    assert answer.text == "The default timeout is 300 seconds. [1]"
    assert [dropped.missing for dropped in answer.dropped] == [("raised", "900", "Heroku")]


def test_without_a_sentence_that_holds_the_evidence_is_quoted(
    scripted: Scripted, evidence: list[Evidence]
) -> None:
    answer = answer_question("What is the default timeout?", evidence, scripted("It is 7 days [1]."), CONFIG)
    assert answer.origin is AnswerOrigin.QUOTED
    assert answer.text == "The default timeout is 300 seconds. [1]"
    check_promises(answer, evidence)


def test_a_refusal_of_the_model_is_a_refusal(scripted: Scripted, evidence: list[Evidence]) -> None:
    answer = answer_question("How do I warm up a memory cache?", evidence, scripted(REFUSAL), CONFIG)
    assert answer.status is AnswerStatus.ABSTAINED
    assert answer.origin is AnswerOrigin.NONE
    assert answer.text == f"{REFUSAL} The closest documents are: Cache framework; Sessions."
    assert answer.confidence == 0


def test_without_evidence_the_model_is_not_asked(scripted: Scripted, evidence: list[Evidence]) -> None:
    generator = scripted("The default timeout is 300 seconds [1].")
    answer = answer_question(QUESTION, [], generator, CONFIG)
    assert (answer.status, answer.text) == (AnswerStatus.ABSTAINED, REFUSAL)
    far = [replace(one, score=0.1) for one in evidence]
    answer = answer_question("Who won the football match yesterday?", far, generator, CONFIG)
    assert answer.status is AnswerStatus.ABSTAINED
    assert generator.asked == []  # type: ignore[attr-defined]


def test_a_follow_up_is_understood_with_the_question_before_it(
    scripted: Scripted, evidence: list[Evidence]
) -> None:
    far = [replace(one, score=0.2) for one in evidence]
    generator = scripted("The default timeout is 300 seconds [1].")
    alone = answer_question("And how long?", far, generator, CONFIG)
    turns = [Message("user", "Does Memcached have a timeout?"), Message("assistant", "Yes.")]
    together = answer_question("And how long?", far, generator, CONFIG, conversation=turns)
    assert (alone.status, together.status) == (AnswerStatus.ABSTAINED, AnswerStatus.ANSWERED)


def test_the_subject_of_all_documents_may_be_named(scripted: Scripted, evidence: list[Evidence]) -> None:
    generator = scripted("In Django, the default timeout is 300 seconds [1].")
    plain = answer_question(QUESTION, evidence, generator, CONFIG)
    assert plain.status is AnswerStatus.ABSTAINED
    told = answer_question(QUESTION, evidence, generator, CONFIG, subjects=["Django"])
    assert told.text == "In Django, the default timeout is 300 seconds. [1]"


def test_a_name_that_no_passage_mentions_is_named_in_the_refusal(
    scripted: Scripted, evidence: list[Evidence]
) -> None:
    answer = answer_question("How do I use Varnish as a cache?", evidence, scripted("Use Redis [2]."), CONFIG)
    assert answer.status is AnswerStatus.ABSTAINED
    assert "None of the passages found mentions Varnish." in answer.text


def test_preamble_repetition_and_headings_are_left_out(scripted: Scripted, evidence: list[Evidence]) -> None:
    script = (
        "# Answer\nSure! Based on the passages, the default timeout is 300 seconds [1]. "
        "The default timeout is 300 seconds. What else? I hope this helps!"
    )
    answer = answer_question(QUESTION, evidence, scripted(script), CONFIG)
    assert answer.text == "The default timeout is 300 seconds. [1]"


def test_lists_and_code_keep_their_lines(scripted: Scripted, evidence: list[Evidence]) -> None:
    script = (
        "To use Redis for caching:\n\n1. Install `redis-py` 3.0.0 [2]\n2. Run Redis server on 6379 [2]\n\n"
        "```python\nCACHES = {'default': {'BACKEND': 'RedisCache'}}\n```\n[2]\n"
    )
    answer = answer_question("How do I cache with Redis?", evidence, scripted(script), CONFIG)
    assert answer.text == (
        "To use Redis for caching: [1]\n1. Install `redis-py` 3.0.0 [2]\n2. Run Redis server on 6379 [3]\n\n"
        "```python\nCACHES = {'default': {'BACKEND': 'RedisCache'}}\n```\n[4]"
    )
    check_promises(answer, evidence)


def test_a_lead_in_without_what_it_leads_to_is_left_out(scripted: Scripted, evidence: list[Evidence]) -> None:
    script = "The default timeout is 300 seconds [1]. Redis can be used like this:\n\n- Pay 5 euros\n"
    answer = answer_question(QUESTION, evidence, scripted(script), CONFIG)
    assert answer.text == "The default timeout is 300 seconds. [1]"


def test_what_speaks_of_a_dropped_sentence_is_dropped_with_it(
    scripted: Scripted, evidence: list[Evidence]
) -> None:
    script = (
        "Varnish is a fast proxy. It is an entirely memory-based cache server. The timeout is 300 seconds."
    )
    answer = answer_question(QUESTION, evidence, scripted(script), CONFIG)
    assert answer.text == "The timeout is 300 seconds. [1]"
    assert len(answer.dropped) == 2


def test_a_sentence_that_was_cut_off_is_left_out(scripted: Scripted, evidence: list[Evidence]) -> None:
    script = "The default timeout is 300 seconds [1]. Memcached is an entirely memory-based"
    config = replace(CONFIG, max_new_tokens=len(script.split()))
    answer = answer_question(QUESTION, evidence, scripted(script), config)
    assert answer.text == "The default timeout is 300 seconds. [1]"
    longer = answer_question(QUESTION, evidence, scripted(script), CONFIG)
    assert len(longer.sentences) == 2


def test_parts_come_as_they_are_checked_and_make_up_the_text(
    scripted: Scripted, evidence: list[Evidence]
) -> None:
    script = "The default timeout is 300 seconds [1]. Redis needs a server on port 6379 [2]. " + "x" * 300
    generator = scripted(script)
    events = stream_answer(QUESTION, evidence, generator, CONFIG)
    first = next(events)
    assert isinstance(first, AnswerPart)
    assert generator.given * 3 < len(script) / 2  # type: ignore[attr-defined]
    *parts, answer = [first, *events]
    assert isinstance(answer, Answer)
    assert "".join(part.text for part in parts if isinstance(part, AnswerPart)) == answer.text
    assert [c for part in parts if isinstance(part, AnswerPart) for c in part.citations] == list(
        answer.citations
    )


def test_a_reader_who_leaves_stops_the_model(scripted: Scripted, evidence: list[Evidence]) -> None:
    generator = scripted("The default timeout is 300 seconds [1]. " * 50)
    events = stream_answer(QUESTION, evidence, generator, CONFIG)
    next(events)
    events.close()
    assert generator.is_closed  # type: ignore[attr-defined]


def test_enough_sentences_stop_the_model(scripted: Scripted, evidence: list[Evidence]) -> None:
    script = "The default timeout is 300 seconds [1]. Redis needs a server on port 6379 [2]. " + "more " * 500
    generator = scripted(script)
    answer = answer_question(QUESTION, evidence, generator, replace(CONFIG, max_sentences=1))
    assert len(answer.sentences) == 1
    assert generator.is_closed  # type: ignore[attr-defined]
    assert generator.given * 3 < len(script) / 2  # type: ignore[attr-defined]


def test_the_conversation_reaches_the_model(scripted: Scripted, evidence: list[Evidence]) -> None:
    generator = scripted("The default timeout is 300 seconds [1].")
    turns = [Message("user", "What is Memcached?"), Message("assistant", "A cache server.")]
    answer_question(QUESTION, evidence, generator, CONFIG, conversation=turns)
    assert generator.asked[0][1:3] == turns  # type: ignore[attr-defined]


SENTENCES = (
    "The default timeout is 300 seconds",
    "Redis needs a server on port 6379",
    "Memcached is a cache server",
    "Sessions are stored in the database",
    "CACHES = {'default': {'BACKEND': 'RedisCache'}}",
    REFUSAL,
)
MARKS = (
    " [1]",
    "[2]",
    " [9]",
    "[1, 3]",
    "[1-",
    "【2】",
    "]",
    "[",
    "x[1]",
    "Based on [1], ",
    "[3] says that ",
)
SIGNS = (". ", "\n", "\n\n", "- ", "1. ", "```", "```python\n", "`CACHES`", "# ", ":", "?", "| a | b |", " ")
NOISE = ("Sure! ", "not ", "é", "\ufffd", "<|im_end|>")
FRAGMENTS = st.sampled_from((*SENTENCES, *MARKS, *SIGNS, *NOISE))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, max_size=25).map("".join), st.integers(1, 9))
def test_whatever_the_model_writes_the_promises_hold(
    scripted: Scripted, evidence: list[Evidence], script: str, piece: int
) -> None:
    answer = answer_question(QUESTION, evidence, scripted(script, piece), CONFIG)
    check_promises(answer, evidence)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAGMENTS, max_size=12).map("".join), st.lists(FRAGMENTS, max_size=12).map("".join))
def test_whatever_the_evidence_says_the_promises_hold(
    scripted: Scripted, evidence: list[Evidence], text: str, script: str
) -> None:
    poisoned = [replace(evidence[0], text=text), *evidence[1:]]
    answer = answer_question(QUESTION, poisoned, scripted(script), CONFIG)
    check_promises(answer, poisoned)
    if answer.origin is AnswerOrigin.QUOTED:
        shown = {int(number) for number in re.findall(r"(?<![\w)\]`])\[(\d+)\]", answer.text)}
        assert shown <= {citation.number for citation in answer.citations}


def test_a_configuration_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AnswerConfig(max_new_tokens=0)
    with pytest.raises(ValueError, match="shares"):
        AnswerConfig(quote_coverage=0)

"""A person's answer given out as it is: every sentence cited, every verdict honest."""

from hypothesis import given
from hypothesis import strategies as st

from generator.answers import AnswerOrigin, AnswerStatus
from generator.curation import curated_answer
from generator.evidence import Evidence
from generator.support import SupportConfig, Verdict


def evidence(text: str, number: int = 1) -> Evidence:
    return Evidence(passage_id=f"qa_1/{number}", title="FAQ", heading_path=(), text=text, score=0.95)


def test_words_of_the_document_are_supported_and_quoted_whole() -> None:
    text = "Clean the nozzle every 30 days. Never use bleach, since it eats the brass."
    answer, parts = curated_answer(text, [evidence(text)], similarity=0.97, config=SupportConfig())
    assert (answer.status, answer.origin, answer.confidence) == (
        AnswerStatus.ANSWERED,
        AnswerOrigin.CURATED,
        0.97,
    )
    assert answer.text == (
        "Clean the nozzle every 30 days. [1] Never use bleach, since it eats the brass. [1]"
    )
    assert [sentence.verdict for sentence in answer.sentences] == [Verdict.SUPPORTED] * 2
    assert [citation.quote for citation in answer.citations] == [text]
    assert "".join(part.text for part in parts) == answer.text


def test_what_no_evidence_carries_is_shown_as_unsupported() -> None:
    text = "Clean the nozzle every 30 days. The warranty lasts 7 years."
    answer, _ = curated_answer(
        text, [evidence("Clean the nozzle every 30 days.")], similarity=1.0, config=SupportConfig()
    )
    assert [sentence.verdict for sentence in answer.sentences] == [Verdict.SUPPORTED, Verdict.UNSUPPORTED]


def test_each_sentence_cites_the_piece_that_carries_it() -> None:
    pieces = [evidence("The hose is 20 metres long.", 1), evidence("The drum weighs 12 kilograms.", 2)]
    answer, _ = curated_answer(
        "The hose is 20 metres long. The drum weighs 12 kilograms.",
        pieces,
        similarity=1.0,
        config=SupportConfig(),
    )
    assert [sentence.citations for sentence in answer.sentences] == [(1,), (2,)]


def test_paragraphs_and_code_keep_their_places() -> None:
    text = "Run this:\n\n```\nmake clean\n```\n\nThen wait a minute."
    answer, _ = curated_answer(text, [evidence(text)], similarity=1.0, config=SupportConfig())
    assert "\n\n```\nmake clean\n```\n[1]\n\nThen wait a minute." in answer.text


@given(st.text(alphabet="abc .?!\n-`", min_size=1).filter(str.strip))
def test_every_sentence_stands_where_its_offsets_say(text: str) -> None:
    answer, _ = curated_answer(text, [evidence(text)], similarity=1.0, config=SupportConfig())
    for sentence in answer.sentences:
        assert answer.text[sentence.start : sentence.end] in text
        assert sentence.citations

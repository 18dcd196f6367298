import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.document import ParsedDocument, clean_text
from ingest.errors import DamagedFile, EmptyFile
from ingest.media_types import MediaType
from ingest.pairs.drafts import Origin
from ingest.pairs.records import (
    PairRecord,
    is_records,
    parse_records,
    read_records,
    record_pairs,
    write_records,
)

RECORDS = [
    PairRecord(
        question="How do I  start?",
        answer="Run:\n```sh\nif x:\n    go\n\nend\n```\n\n- a\n- b",
        method="table",
    ),
    PairRecord(
        question="Why?",
        answer="Same words.",
        origin=Origin.COMMUNITY,
        method="thread",
        weight=0.5,
        uri="https://example.org/q/7",
        product="Harbour",
        context="I tried it.\n\nTwice.",
        attribution="Accepted answer, 12 votes",
        line=7,
    ),
    PairRecord(question="Why not?", answer="Same words.", method="table", line=8),
]
ANY_TEXT = st.text(st.characters(), max_size=60) | st.text("`~ab \n-1.\t\u200b\x1c#", max_size=40)
FILLED = ANY_TEXT.filter(clean_text)


def test_a_document_shows_questions_context_attribution_and_answers(
    outline: Callable[[ParsedDocument], list[str]],
) -> None:
    document = parse_records(write_records("FAQ", RECORDS))
    assert (document.title, document.media_type) == ("FAQ", MediaType.PAIRS)
    assert outline(document) == [
        "heading1: FAQ",
        "heading2: How do I start?",
        "paragraph: Run:",
        "code: if x:\n    go\n\nend",
        "list: - a\n- b",
        "heading2: Why?",
        "paragraph: I tried it.",
        "paragraph: Twice.",
        "paragraph: Accepted answer, 12 votes",
        "paragraph: Same words.",
        "heading2: Why not?",
        "paragraph: Same words.",
    ]


def test_equal_answers_have_spans_of_their_own() -> None:
    data = write_records("FAQ", RECORDS)
    document = parse_records(data)
    first, second, third = record_pairs(data, document)
    assert first.answer == "Run:\n\nif x:\n    go\n\nend\n\n- a\n- b"
    assert second.answer == third.answer == "Same words."
    assert second.evidence[0].start == document.text.index("Same words.")
    assert third.evidence[0].start == document.text.rindex("Same words.")
    assert (second.origin, second.method, second.weight) == (Origin.COMMUNITY, "thread", 0.5)


def test_one_record_needs_no_heading_above_its_question(
    outline: Callable[[ParsedDocument], list[str]],
) -> None:
    document = parse_records(write_records(" ", RECORDS[2:]))
    assert document.title == "Why not?"
    assert outline(document) == ["heading2: Why not?", "paragraph: Same words."]


def test_written_records_are_read_back_as_they_were() -> None:
    data = write_records("Zürich", RECORDS)
    assert data == write_records("Zürich", list(RECORDS))
    assert is_records(data)
    assert read_records(data) == ("Zürich", RECORDS)


@given(st.lists(st.tuples(FILLED, FILLED, ANY_TEXT, ANY_TEXT), min_size=1, max_size=4), ANY_TEXT)
def test_evidence_is_exactly_the_answer(
    check_promises: Callable[[ParsedDocument], None], texts: list[tuple[str, str, str, str]], title: str
) -> None:
    records = [
        PairRecord(question=question, answer=answer, method="table", context=context, attribution=attribution)
        for question, answer, context, attribution in texts
    ]
    data = write_records(title, records)
    document = parse_records(data)
    check_promises(document)
    pairs = record_pairs(data, document)
    end = 0
    for record, pair in zip(records, pairs, strict=True):
        (span,) = pair.evidence
        assert end <= document.text.index(pair.question, end) < span.start < span.end
        assert pair.answer == document.text[span.start : span.end]
        assert pair.question == " ".join(clean_text(record.question).split())
        kept = [character for character in pair.answer if character.isalnum()]
        written = [character for character in clean_text(record.answer) if character.isalnum()]
        assert kept == written or "```" in record.answer or "~~~" in record.answer
        end = span.end
    assert pairs[-1].evidence[0].end == len(document.text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"footnote_pairs": 1}',
        b'{"footnote_pairs": 2, "title": "of another version"}\n',
        b'{"footnote_pairs": 1, "title": "x"}\n{"question": "a"}',
        write_records("x", RECORDS)[:-30],
        write_records("x", RECORDS).replace(b'"weight": 0.5', b'"weight": 7'),
        write_records("x", RECORDS).replace(b'"weight": 0.5', b'"weight": "0.5"'),
        write_records("x", RECORDS).replace(b'"Why?"', b'" "'),
        write_records("x", RECORDS).replace(b'"community"', b'"heaven"'),
        write_records("x", RECORDS) + b"\xff",
        write_records("x", RECORDS) + b"[" * 100_000,
    ],
)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedFile, match="pair records"):
        parse_records(data)


def test_no_records_make_no_document() -> None:
    with pytest.raises(EmptyFile):
        parse_records(write_records("x", []))


def test_other_files_are_no_records() -> None:
    assert not is_records(json.dumps({"question": "footnote_pairs"}).encode())


def test_a_document_of_other_records_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        record_pairs(write_records("x", RECORDS), parse_records(write_records("x", RECORDS[:2])))


@pytest.mark.parametrize(
    "change", [{"question": " \u200b"}, {"answer": "\n"}, {"weight": 0.0}, {"weight": 1.1}]
)
def test_a_record_needs_words_and_a_weight(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="need a question"):
        PairRecord(**{"question": "a", "answer": "b", "method": "table", **change})  # type: ignore[arg-type]

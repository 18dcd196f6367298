"""Files of examples: what is read, and how what is wrong is named."""

import json

import pytest

from finetune.examples import (
    Corpus,
    Example,
    ExamplesInvalid,
    describe_examples,
    merge_examples,
    read_example_lines,
)
from finetune.overlap import overlap

GOOD = {"question": "How?", "uri": "a.md", "quote": "Like this.", "relevance": 0.5, "product": "Train"}


def test_a_line_is_read_with_its_number() -> None:
    lines = ["", json.dumps(GOOD), json.dumps({"question": "Why?", "uri": "b.md"})]
    first, second = read_example_lines(lines)
    assert (first.number, first.quote, first.relevance, first.product) == (2, "Like this.", 0.5, "Train")
    assert (second.number, second.quote, second.relevance, second.product) == (3, None, 1.0, None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: "),
        ("[1]", "line 2: "),
        (json.dumps({"uri": "a"}), "line 2: the field 'question' is missing"),
        (json.dumps(GOOD | {"question": "  "}), "line 2: question is not a text with letters"),
        (json.dumps(GOOD | {"relevance": 0}), "line 2: relevance 0.0 is not in"),
        (json.dumps(GOOD | {"relevance": 1.5}), "line 2: relevance 1.5 is not in"),
        (json.dumps(GOOD | {"relevance": float("nan")}), "line 2: relevance nan is not in"),
        (json.dumps(GOOD | {"quotes": "x"}), "line 2: unknown field 'quotes'"),
        (json.dumps(GOOD | {"uri": 3}), "line 2: uri is not a text"),
    ],
)
def test_a_broken_line_is_named(line: str, said: str) -> None:
    with pytest.raises(ExamplesInvalid) as caught:
        read_example_lines([json.dumps(GOOD), line])
    assert said in str(caught.value)


def _example(
    question: str, *rows: int, relevance: float = 1.0, name: str = "x", product: str | None = None
) -> Example:
    return Example(id=name, question=question, rows=rows, relevance=relevance, source="file", product=product)


def test_the_same_question_and_passage_counts_once_with_the_larger_relevance() -> None:
    merged = merge_examples(
        [
            _example("How do I?", 1, 7, relevance=0.2, name="a"),
            _example("how  do i?", 1, relevance=0.9, name="b", product="Train"),
            _example("How do I?", 2, relevance=0.1, name="c"),
            _example("Why?", 3, relevance=0.4, name="d"),
        ]
    )
    assert merged == [
        _example("How do I?", 1, 7, 2, relevance=0.9, name="a", product="Train"),
        _example("How do I?", 2, 1, 7, relevance=0.1, name="c"),  # what is right elsewhere is no wrong answer
        _example("Why?", 3, relevance=0.4, name="d"),
    ]


@pytest.mark.parametrize("wrong", [{"rows": ()}, {"relevance": 0.0}, {"relevance": 1.01}, {"question": " "}])
def test_an_example_that_teaches_nothing_is_refused(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "id": "x",
        "question": "?a",
        "rows": (1,),
        "relevance": 1.0,
        "source": "file",
    }
    with pytest.raises(ValueError, match="an example needs"):
        Example(**(fields | wrong))  # type: ignore[arg-type]


def test_the_checksum_moves_with_everything_that_is_read() -> None:
    corpus = Corpus(ids=["p0", "p1"], documents=["d0", "d1"], texts=["one", "two"])
    examples = [_example("How?", 0, relevance=1.0)]
    described = describe_examples(examples, corpus)
    assert described["examples"] == 1
    assert described["by_source"] == {"file": 1}
    assert overlap(["  how?", "Who?"], described["questions"]) == ("  how?",)
    others = [
        describe_examples([_example("How!", 0, relevance=1.0)], corpus),
        describe_examples([_example("How?", 1, relevance=1.0)], corpus),
        describe_examples([_example("How?", 0, relevance=0.5)], corpus),
        describe_examples(examples, Corpus(ids=["p0", "p1"], documents=["d0", "d1"], texts=["one", "2"])),
        describe_examples(examples, Corpus(ids=["p0", "p1"], documents=["d0", "d0"], texts=["one", "two"])),
    ]
    assert len({described["sha256"], *(other["sha256"] for other in others)}) == 6
    assert describe_examples(examples, corpus) == described

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.sentences import SpanKind, split_sentences


def cut(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It works. It is fast.", ["It works.", "It is fast."]),
        ("See Django 5.2. It is new.", ["See Django 5.2.", "It is new."]),
        ("It takes 3.5 GB, i.e. a lot. Dr. Who agrees.", ["It takes 3.5 GB, i.e. a lot.", "Dr. Who agrees."]),
        (
            "Use a field, e.g. Model.name here. Then save.",
            ["Use a field, e.g. Model.name here.", "Then save."],
        ),
        ("Edit settings.py. Then run it.", ["Edit settings.py.", "Then run it."]),
        ("Use `filter()`. `exclude()` is its opposite.", ["Use `filter()`.", "`exclude()` is its opposite."]),
        ("Say `a. B c` twice. Done.", ["Say `a. B c` twice.", "Done."]),
        ("A line that is\nwrapped. Next.", ["A line that is\nwrapped.", "Next."]),
        ("One\n\nTwo", ["One", "Two"]),
        ("Call cache.get(). It returns None.", ["Call cache.get().", "It returns None."]),
    ],
)
def test_prose_is_cut_at_the_ends_of_sentences(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences


def test_items_headings_rows_and_code_are_one_span_each() -> None:
    text = (
        "# Steps\nDo this:\n1. First. Really\n   it is.\n2. Second\n- Third\n\n"
        "```python\na = 1\n\nb = 2\n```\nAfter.\n| a | b |\n| c | d |\n\n    x = f(y)\n    z = [1]\n"
    )
    assert [(span.kind.value, text[span.start : span.end]) for span in split_sentences(text)] == [
        ("heading", "# Steps"),
        ("prose", "Do this:"),
        ("item", "1. First. Really\n   it is."),
        ("item", "2. Second"),
        ("item", "- Third"),
        ("code", "```python\na = 1\n\nb = 2\n```"),
        ("prose", "After."),
        ("item", "| a | b |"),
        ("item", "| c | d |"),
        ("code", "x = f(y)\n    z = [1]"),
    ]


def test_a_fence_that_is_never_closed_runs_to_the_end() -> None:
    assert [span.kind for span in split_sentences("Look:\n```\na. B\n\nC. d")] == [
        SpanKind.PROSE,
        SpanKind.CODE,
    ]


def test_an_indented_quotation_is_prose() -> None:
    assert cut("Note:\n\n    This is quoted. It goes on.") == ["Note:", "This is quoted.", "It goes on."]


@given(st.text(alphabet="ab AB.!?\n\t`#|-1)~[]", max_size=120))
def test_spans_cover_all_but_white_space_in_order(text: str) -> None:
    spans = split_sentences(text)
    covered = "".join(text[span.start : span.end] for span in spans)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(text[span.start : span.end].strip() == text[span.start : span.end] != "" for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_threads_get_the_same_sentences() -> None:
    text = "One is here. Two is there. See Fig. 3 for more. " * 20
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(cut, [text] * 16))
    assert all(result == results[0] for result in results)

from collections.abc import Callable

import pytest

from ingest.document import ParsedDocument
from ingest.errors import EmptyFile
from ingest.formats.plain import parse_plain

Outline = Callable[[ParsedDocument], list[str]]


def test_paragraphs_headings_lists_and_code(outline: Outline) -> None:
    document = parse_plain(
        """Release notes
=============

This paragraph was wrapped by an editor at a
margin of about forty-five characters or so
and ends here.
  \t
Details
-------
12 Main Street
Springfield

- first
  goes on
- second

    def f():
        return 1

A > B && C < D
""",
        name="a.txt",
    )
    assert document.title == "Release notes"
    assert document.media_type == "text/plain"
    assert outline(document) == [
        "heading1: Release notes",
        (
            "paragraph: This paragraph was wrapped by an editor at a margin of about forty-five "
            "characters or so and ends here."
        ),
        "heading2: Details",
        "paragraph: 12 Main Street Springfield",
        "list: - first\n  goes on\n- second",
        "code: def f():\n    return 1",
        "paragraph: A > B && C < D",
    ]


def test_lines_broken_on_purpose_stay_lines(outline: Outline) -> None:
    log = "GET /a 200\nPOST /a/very/long/address/of/something 500 with a message\nGET /b 200\nGET /c 404"
    assert outline(parse_plain(log, name="access.log")) == [f"paragraph: {log}"]


def test_a_rule_is_not_a_heading(outline: Outline) -> None:
    assert outline(parse_plain("***\n---\n\nText", name="a.txt"))[-1] == "paragraph: Text"


def test_white_space_is_empty() -> None:
    with pytest.raises(EmptyFile):
        parse_plain(" \n\t\n", name="a.txt")

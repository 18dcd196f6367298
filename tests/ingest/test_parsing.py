import io
import json
import zipfile
from collections.abc import Callable

import docx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.document import ParsedDocument
from ingest.errors import (
    DamagedFile,
    EmptyFile,
    IngestError,
    UndecodableText,
    UnpacksTooLarge,
    UnsupportedType,
)
from ingest.formats import docx as docx_format
from ingest.formats import pdf as pdf_format
from ingest.media_types import MediaType
from ingest.parsing import parse

Check = Callable[[ParsedDocument], None]

MARKUP = [
    *(
        "# Title",
        "Title\n=====",
        "==\nA\n==",
        "* * *",
        "- item",
        "  - nested",
        "1. one",
        "3) three",
        "> quoted",
    ),
    *("```python\nx = 1\n```", "```", ":::{note} Title", ":::", "```{eval-rst}\n.. tip:: x\n```", "(label)="),
    *(".. note:: Careful", ".. class:: A(b)\n   :final:\n\n   Text", ".. |a| replace:: |a|", "|a| [1]_ [#]_"),
    *(
        ".. [#] note",
        ".. unknown::",
        "   indented",
        "::",
        "text::\n\n    code",
        ":role:`x <y>` `z`_",
        "``",
        "`a",
    ),
    *(
        "| a | b |\n|---|---|\n| c | d |",
        "=== ===\na   b\n=== ===",
        "+--+\n|a|\n+--+",
        "| line\n| block",
        ":f: v",
    ),
    *(
        "<p>one<br>two",
        "<ul><li>a",
        "</ul>",
        "<table><tr><td>x",
        "<pre> a\n  b</pre>",
        "<h2><div>x</h2>",
        "<!--",
    ),
    *(
        "<script>x",
        "<dl><dt>t<dd>d",
        "&amp;&#0;",
        "<code> </code>",
        "{ref}`x`",
        "[](y)",
        "![alt](z)",
        "$$x$$",
    ),
    *(
        "term\n    definition",
        "-a  option",
        ">>> 1",
        "__ anonymous",
        "..",
        ".. _x: y",
        "\u200b",
        "\t",
        "\f",
        "---",
    ),
    *(
        "WEBVTT",
        "00:01.000 --> 00:02.000\n<v A>hi",
        "1\n00:00:01,000 --> 00:00:02,000\nhi",
        "%PDF-",
        "\ud7ff",
        "İ",
    ),
]
fragments = st.one_of(st.sampled_from(MARKUP), st.text(max_size=12))
sources = st.lists(
    st.tuples(fragments, st.sampled_from(["\n\n", "\n", " ", "\n   "])), min_size=1, max_size=14
).map(lambda parts: "".join(text + end for text, end in parts))
unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def as_notebook(source: str) -> str:
    cells = [{"cell_type": "markdown", "source": source}, {"cell_type": "code", "source": source}]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})


def as_cues(source: str) -> str:
    return "WEBVTT\n\n" + "\n\n".join(
        f"00:{n:02}.000 --> 00:{n + 1:02}.500\n{part}" for n, part in enumerate(source.split("\n\n"))
    )


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("a.md", "{}"),
        ("a.rst", "{}"),
        ("a.txt", "{}"),
        ("a.html", "<!DOCTYPE html><html><body>{}"),
        ("a.ipynb", as_notebook),
        ("a.vtt", as_cues),
    ],
)
def test_every_parser_keeps_the_promises(
    name: str, wrap: str | Callable[[str], str], check_promises: Check
) -> None:
    @unhurried
    @given(sources)
    def holds(source: str) -> None:
        text = wrap.replace("{}", source) if isinstance(wrap, str) else wrap(source)
        try:
            document = parse(text.encode("utf-8", errors="replace"), name=name)
        except IngestError:
            return
        check_promises(document)
        assert parse(text.encode("utf-8", errors="replace"), name=name) == document

    holds()


@unhurried
@given(st.binary(max_size=400))
def test_any_bytes_give_a_document_or_a_reason(data: bytes) -> None:
    try:
        text = parse(data, name="file").text
    except IngestError as error:
        text = str(error)
    assert text.strip()


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", b"\xef\xbb\xbf", b"\xff\xfe \x00", b"\x00" * 3])
@pytest.mark.parametrize("name", ["a.md", "a.pdf", "a", "a.docx"])
def test_nothing_but_white_space_is_empty(data: bytes, name: str) -> None:
    with pytest.raises(
        (EmptyFile, UnsupportedType) if data.startswith(b"\x00") else EmptyFile, match=r"empty|binary"
    ):
        parse(data, name=name)


@pytest.mark.parametrize(
    ("data", "name", "error"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "a.md", UnsupportedType),
        ("Größe, Höhe, Länge\n".encode() + b"\xff", "a.txt", UndecodableText),
        (b'{"nbformat": 4, "cells": [', "a.ipynb", DamagedFile),
        (b"<html>" + b"<div>" * 50_000 + b"text", "a.html", DamagedFile),
        (b"<!DOCTYPE html><script>app()</script>", "a.html", EmptyFile),
        (b"%PDF-1.7\n%cut short", "a.pdf", DamagedFile),
    ],
)
def test_bad_files_are_refused_with_a_reason(data: bytes, name: str, error: type[IngestError]) -> None:
    with pytest.raises(error) as caught:
        parse(data, name=name)
    assert len(str(caught.value)) > 30


def test_too_much_text_is_refused() -> None:
    assert parse(b"abc def", name="a.txt", max_text_characters=7).text == "abc def"
    with pytest.raises(UnpacksTooLarge, match="holds 7 characters of text, more than the 6"):
        parse(b"abc def", name="a.txt", max_text_characters=6)


def test_word_files_reach_their_parser_whatever_their_name() -> None:
    buffer = io.BytesIO()
    document = docx.Document()
    document.add_heading("Report", level=1)
    document.add_paragraph("Findings.")
    document.save(buffer)
    parsed = parse(buffer.getvalue(), name="upload.bin")
    assert parsed.media_type == MediaType.DOCX
    assert parsed.text == "Report\n\nFindings."
    with pytest.raises(UnpacksTooLarge):
        parse(buffer.getvalue(), name="a.docx", max_text_characters=5)


def test_a_zip_bomb_that_is_no_document_is_not_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    with pytest.raises(UnsupportedType, match="ZIP archive"):
        parse(buffer.getvalue(), name="a.zip")


def test_media_types_are_spelled_once() -> None:
    assert docx_format.MEDIA_TYPE == MediaType.DOCX
    assert pdf_format.MEDIA_TYPE == MediaType.PDF

import io
import struct
import zipfile
from pathlib import Path

import pytest

from ingest.detection import detect_media_type
from ingest.errors import EncryptedDocument, UnsupportedType
from ingest.media_types import MediaType

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "ray_docs" / "docs"
OLE = bytes.fromhex("d0cf11e0a1b11ae1")

MARKDOWN = "# Title\n\nSome [link](https://x.org).\n\n```python\nprint(1)\n```\n\n## Next\n\n- item\n"
RST = "Title\n=====\n\nSee :ref:`x`.\n\n.. note:: Careful.\n\n.. code-block:: python\n\n    print(1)\n"
HTML = "<!DOCTYPE html>\n<html><body><p>Text</p></body></html>"
NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"
SRT = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
PLAIN = "Dear all,\n\nthe meeting is on Monday.\n\nRegards\n"


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name", ["file", "file.txt", "file.md", "file.rst", "file.html", "file.pdf", "file.srt"]
)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (MARKDOWN, MediaType.MARKDOWN),
        (RST, MediaType.RESTRUCTUREDTEXT),
        (HTML, MediaType.HTML),
        ("<?xml version='1.0'?>\n<!-- a --><html xmlns='x'></html>", MediaType.HTML),
        (NOTEBOOK, MediaType.NOTEBOOK),
        (VTT, MediaType.WEBVTT),
        (SRT, MediaType.SUBRIP),
        ("%PDF-1.7\n...", MediaType.PDF),
    ],
)
def test_content_decides_whatever_the_name(content: str, expected: MediaType, name: str) -> None:
    assert detect_media_type(content.encode(), name=name) is expected


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (PLAIN, "a.txt", MediaType.PLAIN),
        (PLAIN, "a.md", MediaType.MARKDOWN),
        (PLAIN, "a.rst", MediaType.RESTRUCTUREDTEXT),
        (PLAIN, "", MediaType.PLAIN),
        ("Title\n=====\n\nText\n", "a.md", MediaType.MARKDOWN),
        ("Title\n=====\n\nText\n", "a.rst", MediaType.RESTRUCTUREDTEXT),
        ("Title\n=====\n\nText\n", "a.txt", MediaType.PLAIN),
        ("<p>one</p><p>two</p>", "a.html", MediaType.HTML),
        ("<div><p>one</p><p>two</p><ul><li>x</li></ul></div>", "a", MediaType.HTML),
        ("<div align=center>\n\n# Title\n\n</div>\n\n[a](b) [c](d)\n", "README.md", MediaType.MARKDOWN),
        ('{"cells": [', "a.ipynb", MediaType.NOTEBOOK),
        ('{"name": "x"}', "a.json", MediaType.PLAIN),
        ("# comment\nimport os\n\n# other\nprint(os)\n", "a.py", MediaType.PLAIN),
        ("name,use\na,b\n", "a.csv", MediaType.PLAIN),
        ("The web vtt format\nWEBVTT\n", "a.txt", MediaType.PLAIN),
        ("In a PDF the first bytes are %PDF-1.7.\n", "a.txt", MediaType.PLAIN),
        ("MZ is how Windows programs begin.\n", "a.txt", MediaType.PLAIN),
        (
            "# Title\n\n```{eval-rst}\n.. note:: x\n.. tip:: y\n.. class:: z\n```\n\n## More\n\nText\n",
            "a",
            MediaType.MARKDOWN,
        ),
    ],
)
def test_the_name_breaks_ties(content: str, name: str, expected: MediaType) -> None:
    assert detect_media_type(content.encode(), name=name) is expected


def test_other_encodings_are_looked_through() -> None:
    assert detect_media_type(HTML.encode("utf-16"), name="a") is MediaType.HTML
    assert detect_media_type(MARKDOWN.encode("utf-16-le"), name="a") is MediaType.MARKDOWN
    assert detect_media_type("\ufeff".encode() + VTT.encode(), name="a") is MediaType.WEBVTT


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG"),
        (b"GIF89a\x01\x00", "GIF"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "WAV"),
        (b"\x00\x00\x00\x20ftypisom", "MP4"),
        (b"ID3\x03\x00", "MP3"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"7z\xbc\xaf\x27\x1c\x00", "7-Zip"),
        (b"\x00" * 257 + b"ustar\x00", "tar archive"),
        (b"MZ\x90\x00\x03\x00\x00\x00" + bytes(100), "program for Windows"),
        (b"\x7fELF\x02\x01\x01", "program for Linux"),
        (b"SQLite format 3\x00\x10\x00", "SQLite"),
        (b"{\\rtf1\\ansi Hello}", "RTF"),
        (OLE + bytes(504), "before 2007"),
        (struct.pack("<200I", *range(0, 200_000_000, 1_000_000)), "binary data"),
        (bytes((position * 167 + 13) % 256 for position in range(4096)), "binary data"),
        (zipped("a.txt"), "ZIP archive"),
        (zipped("xl/workbook.xml"), "Excel"),
        (zipped("ppt/presentation.xml"), "PowerPoint"),
        (zipped("META-INF/container.xml"), "EPUB"),
        (zipped("a.txt")[:30], "cut short"),
        (b"PK\x05\x06" + bytes(18), "empty ZIP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "XML"),
        (b"<?xml version='1.0'?><book/>", "XML"),
    ],
)
def test_what_nothing_reads_is_named_with_what_to_do(data: bytes, what: str) -> None:
    with pytest.raises(UnsupportedType, match=f"this looks like .*{what}.*which is not read here; "):
        detect_media_type(data, name="file.txt")


def test_word_files_are_found_by_what_they_hold() -> None:
    word = zipped("[Content_Types].xml", "word/document.xml")
    assert detect_media_type(word, name="a.zip") is MediaType.DOCX
    assert detect_media_type(word[:-30], name="a.docx") is MediaType.DOCX


def test_an_office_file_with_a_password_is_refused() -> None:
    with pytest.raises(EncryptedDocument, match="password"):
        detect_media_type(OLE + bytes(504) + "EncryptedPackage".encode("utf-16-le"), name="a.docx")


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the Ray documentation is not beside this checkout")
@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("md", MediaType.MARKDOWN),
        ("rst", MediaType.RESTRUCTUREDTEXT),
        ("ipynb", MediaType.NOTEBOOK),
    ],
)
def test_real_documentation_is_told_apart(ending: str, expected: MediaType) -> None:
    paths = sorted(CORPUS.rglob(f"*.{ending}"))
    assert paths
    found = {path.name: detect_media_type(path.read_bytes(), name=path.name) for path in paths}
    assert set(found.values()) == {expected}
    nameless = [detect_media_type(path.read_bytes(), name="") for path in paths]
    assert nameless.count(expected) >= 0.9 * len(paths)

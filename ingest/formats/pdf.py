"""PDF files: text with page numbers, by PDFium."""

import ctypes
import math
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pypdfium2
from pypdfium2 import raw as pdfium

from ingest.document import BlockKind, DocumentBuilder, ParsedDocument
from ingest.errors import DamagedFile, EmptyFile, EncryptedDocument, ScannedDocument, UnpacksTooLarge
from ingest.formats.pdf_layout import Line, arrange_lines
from ingest.formats.titles import choose_title

MEDIA_TYPE = "application/pdf"
_MAX_CHARACTERS = 50_000_000
_END_MARK = b"%%EOF"
_END_MARK_WITHIN = 4096  # the standard says 1024; mailers and web servers append more
_LINE_BREAK = re.compile(r"\r\n?|\n|(?<=[\x02\ufffe])")  # PDFium marks a split word by U+0002
_SPLIT_MARKS = str.maketrans({"\x02": "-", "\ufffe": "-"})
_FONT_NAME_BYTES = 128
_FIXED_PITCH = 1  # first of the flags of a font descriptor, ISO 32000-1 table 123
_MONOSPACED = re.compile(rb"courier|mono|consol|menlo|typewriter|inconsolata|cmtt", re.IGNORECASE)

# PDFium must not be called by two threads at once, not even for two documents.
_PDFIUM = threading.Lock()


def parse_pdf(data: bytes, *, name: str) -> ParsedDocument:
    """Read a PDF's text; every block knows its page.

    Args:
        data: The file.
        name: The file's name, for a title where the file states none.

    Raises:
        EncryptedDocument: If the file opens only with a password.
        DamagedFile: If the file is cut short, is no PDF, or a page of it can't be read.
        EmptyFile: If it has no pages.
        ScannedDocument: If no page holds any text.
        UnpacksTooLarge: If it holds far more text than a document does.
    """
    if _END_MARK not in data[-_END_MARK_WITHIN:]:
        raise DamagedFile("the PDF has no end mark: it is cut short, or no PDF; upload the whole file again")
    with _PDFIUM, closing(_open(data)) as document:
        stated = str(document.get_metadata_value("Title"))
        lines = list(_read_lines(document))
    if not lines:
        raise ScannedDocument(
            "no page of the PDF holds text, it looks scanned, and OCR is not on; "
            "upload a version that has been through OCR"
        )
    return _build(lines, stated_title=stated, name=name)


def _build(lines: list[Line], *, stated_title: str, name: str) -> ParsedDocument:
    blocks = arrange_lines(lines)
    builder = DocumentBuilder()
    for block in blocks:
        builder.add(block.kind, block.text, level=block.level, page=block.page)
    headings = [block.text for block in blocks if block.kind is BlockKind.HEADING]
    title = choose_title(stated=stated_title, first_heading=headings[0] if headings else "", name=name)
    return builder.build(media_type=MEDIA_TYPE, title=title)


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}:
            raise EncryptedDocument("the PDF asks for a password; upload a version without one") from error
        raise DamagedFile("the file is cut short or is not a PDF; export or download it again") from error
    if len(document) == 0:
        document.close()
        raise EmptyFile("the PDF has no pages; export it again")
    return document


def _read_lines(document: pypdfium2.PdfDocument) -> Iterator[Line]:
    characters = 0
    for number in range(1, len(document) + 1):
        try:
            page = document[number - 1]
            text_page = page.get_textpage()
        except pypdfium2.PdfiumError as error:
            raise DamagedFile(f"page {number} of the PDF can't be read; repair or export it again") from error
        with closing(page), closing(text_page):
            characters += text_page.count_chars()
            if characters > _MAX_CHARACTERS:
                raise UnpacksTooLarge(f"the PDF holds more than {_MAX_CHARACTERS:,} characters; split it")
            yield from _page_lines(text_page, number=number, box=page.get_bbox())


def _page_lines(text_page: Any, *, number: int, box: tuple[float, float, float, float]) -> Iterator[Line]:
    handle = text_page.raw
    text = "".join(_character(handle, index) for index in range(text_page.count_chars()))
    start = 0
    for part in _LINE_BREAK.split(text):
        start = text.index(part, start)
        stripped = part.strip()
        if stripped:
            first = start + len(part) - len(part.lstrip())
            yield _line(handle, stripped, first=first, number=number, box=box)
        start += len(part)


def _character(handle: Any, index: int) -> str:
    code = pdfium.FPDFText_GetUnicode(handle, index)
    return chr(code) if code <= 0x10FFFF else "\ufffd"  # noqa: PLR2004  # the last code point


def _line(handle: Any, text: str, *, first: int, number: int, box: tuple[float, float, float, float]) -> Line:
    last = first + len(text) - 1
    horizontal, vertical = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(handle, first, horizontal, vertical)
    baseline = vertical.value
    pdfium.FPDFText_GetCharOrigin(handle, last, horizontal, vertical)
    _, bottom, _, top = box
    return Line(
        text=text.translate(_SPLIT_MARKS),
        page=number,
        size=sorted(_font_size(handle, index) for index in (first, (first + last) // 2, last))[1],
        baseline=(baseline - bottom) / ((top - bottom) or 1.0),
        baseline_points=baseline,
        right=horizontal.value,
        monospaced=_is_monospaced(handle, first) and _is_monospaced(handle, last),
    )


def _is_monospaced(handle: Any, index: int) -> bool:
    """By the font's name: the flag for it in font descriptors is seldom set, and missing for Courier."""
    name, flags = ctypes.create_string_buffer(_FONT_NAME_BYTES), ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(handle, index, name, _FONT_NAME_BYTES, flags)
    return bool(flags.value & _FIXED_PITCH or _MONOSPACED.search(name.value))


def _font_size(handle: Any, index: int) -> float:
    """Points as printed: many writers set a size of 1 and enlarge it by the text matrix."""
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(handle, index, matrix)
    scale = math.hypot(matrix.c, matrix.d) or 1.0
    return float(pdfium.FPDFText_GetFontSize(handle, index)) * scale or 1.0

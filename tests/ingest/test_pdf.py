import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fpdf import FPDF
from PIL import Image

from ingest.document import BlockKind, ParsedDocument
from ingest.errors import DamagedFile, EmptyFile, EncryptedDocument, ScannedDocument
from ingest.formats.pdf import parse_pdf

PROSE = "The cable must not be longer than three metres, or the signal becomes too weak to be read. " * 4


def new_page(pdf: FPDF, *, size: float = 11) -> FPDF:
    pdf.add_page()
    pdf.set_font("helvetica", size=size)
    return pdf


def write(pdf: FPDF, text: str, *, size: float = 11, font: str = "helvetica", gap: float = 4) -> None:
    pdf.set_font(font, size=size)
    pdf.multi_cell(0, size * 0.5, text, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(gap)


def manual(pages: int = 4) -> FPDF:
    """A running header, a numbered footer, and a chapter with two paragraphs on every page."""
    pdf = FPDF()
    for number in range(1, pages + 1):
        pdf.add_page()
        write(pdf, "ACME installation manual", size=8, gap=12)
        write(pdf, f"Chapter {number}", size=20)
        write(pdf, f"First of page {number}. {PROSE}")
        write(pdf, f"Step {number}", size=15)
        write(pdf, f"Second of page {number}. {PROSE}")
        pdf.set_auto_page_break(auto=False)
        pdf.set_y(-15)
        write(pdf, f"Page {number} of {pages}", size=8)
        pdf.set_auto_page_break(auto=True, margin=20)
    return pdf


def parsed(pdf: FPDF, name: str = "manual.pdf") -> ParsedDocument:
    return parse_pdf(bytes(pdf.output()), name=name)


def texts(document: ParsedDocument) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks]


def test_headings_and_paragraphs_with_their_pages() -> None:
    document = parsed(manual())
    assert document.media_type == "application/pdf"
    assert [(b.page, b.kind.value, b.level) for b in document.blocks] == [
        (page, kind, level)
        for page in range(1, 5)
        for kind, level in (("heading", 1), ("paragraph", 0), ("heading", 2), ("paragraph", 0))
    ]
    assert texts(document)[:3] == ["Chapter 1", f"First of page 1. {PROSE}".strip(), "Step 1"]


def test_repeated_headers_footers_and_page_numbers_are_left_out() -> None:
    text = parsed(manual()).text
    assert "ACME" not in text
    assert not re.search(r"Page \d", text)


def test_a_line_in_the_margin_of_one_page_is_kept() -> None:
    pdf = manual()
    new_page(pdf)
    pdf.text(20, 15, "Only here")
    write(pdf, PROSE)
    assert "Only here" in parsed(pdf).text


def test_bare_page_numbers_are_left_out() -> None:
    pdf = FPDF()
    for number in range(1, 4):
        new_page(pdf)
        write(pdf, f"Body {'abc'[number - 1]}. {PROSE}")
        pdf.text(100, 285, f"- {number} -")
    assert "- 1 -" not in parsed(pdf).text


def test_a_page_that_is_nothing_but_a_repeated_line_keeps_it() -> None:
    pdf = FPDF()
    for _ in range(3):
        new_page(pdf)
        write(pdf, "Confidential")
    assert texts(parsed(pdf)) == ["Confidential"] * 3


def test_words_split_at_line_ends_are_mended_and_others_are_not() -> None:
    pdf = new_page(FPDF())
    for number, line in enumerate(["The instal-", "lation of the UTF-", "8 table is de-", "scribed here."]):
        pdf.text(20, 60 + number * 5, line)
    assert texts(parsed(pdf)) == ["The installation of the UTF-8 table is described here."]


def test_bullets_become_one_list() -> None:
    pdf = new_page(FPDF())
    for number, line in enumerate(["You need:", "- a cable", "- a screwdriver", "that is long", "- time"]):
        pdf.text(20, 60 + number * 5, line)
    document = parsed(pdf)
    assert [b.kind for b in document.blocks] == [BlockKind.PARAGRAPH, BlockKind.LIST]
    assert texts(document)[1] == "- a cable\n- a screwdriver that is long\n- time"


def test_lines_in_a_typewriter_font_are_code_and_keep_their_breaks() -> None:
    pdf = new_page(FPDF())
    write(pdf, PROSE)
    write(pdf, "make install\nmake clean", font="courier", size=10)
    write(pdf, PROSE)
    document = parsed(pdf)
    assert document.blocks[1].kind is BlockKind.CODE
    assert texts(document)[1] == "make install\nmake clean"


def test_contents_are_no_headings_and_lose_their_dots() -> None:
    pdf = new_page(FPDF())
    write(pdf, "1 Introduction " + ". " * 40 + "3", size=14)
    write(pdf, PROSE * 3)
    document = parsed(pdf)
    assert document.blocks[0].kind is BlockKind.PARAGRAPH
    assert texts(document)[0] == "1 Introduction … 3"


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Installing ACME", "Installing ACME"),
        ("Microsoft Word - Installing ACME", "Installing ACME"),
        ("Microsoft Word - manual_v2.docx", "Chapter 1"),
        ("untitled", "Chapter 1"),
        ("x" * 300, "Chapter 1"),
    ],
)
def test_the_title_is_the_stated_one_where_it_is_sensible(stated: str, title: str) -> None:
    pdf = manual()
    pdf.set_title(stated)
    assert parsed(pdf).title == title


def test_without_headings_the_title_is_the_name() -> None:
    pdf = new_page(FPDF())
    write(pdf, PROSE)
    assert parsed(pdf, name="cable_lengths.pdf").title == "cable lengths"


def picture_page(pdf: FPDF) -> None:
    png = io.BytesIO()
    Image.new("RGB", (40, 40), "grey").save(png, format="PNG")
    pdf.add_page()
    pdf.image(png, x=10, y=10, w=100)


def test_pictures_of_pages_are_reported_as_scanned() -> None:
    pdf = FPDF()
    picture_page(pdf)
    with pytest.raises(ScannedDocument, match="OCR is not on"):
        parsed(pdf)


def test_a_picture_between_pages_of_text_is_passed_over() -> None:
    pdf = FPDF()
    write(new_page(pdf), PROSE)
    picture_page(pdf)
    write(new_page(pdf), PROSE)
    assert [b.page for b in parsed(pdf).blocks] == [1, 3]


def test_a_password_is_reported() -> None:
    pdf = manual()
    pdf.set_encryption(owner_password="owner", user_password="reader")
    with pytest.raises(EncryptedDocument, match="password"):
        parsed(pdf)


def test_a_file_that_only_restricts_printing_is_read() -> None:
    pdf = manual()
    pdf.set_encryption(owner_password="owner", user_password="")
    assert "First of page 1." in parsed(pdf).text


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_damaged(part: float) -> None:
    data = bytes(manual().output())
    with pytest.raises(DamagedFile):
        parse_pdf(data[: int(len(data) * part)], name="x.pdf")


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"%PDF-1.7\nnothing\n%%EOF",
        lambda data: data.replace(b"/Type /Page\n", b"/Type /Pear\n", 1),
    ],
)
def test_garbage_and_missing_pages_are_damage(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DamagedFile):
        parse_pdf(damage(bytes(manual().output())), name="x.pdf")


def test_no_pages_is_empty_or_damaged() -> None:
    data = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"
    )
    with pytest.raises((EmptyFile, DamagedFile)):
        parse_pdf(data, name="x.pdf")


def test_many_threads_may_parse_at_once() -> None:
    data = bytes(manual(pages=3).output())
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: parse_pdf(data, name="x.pdf").text, range(24)))
    assert len(set(results)) == 1

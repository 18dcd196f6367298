import io
from typing import Any

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import CONTENT_TYPE, RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from PIL import Image

from ingest.document import Block, BlockKind, ParsedDocument
from ingest.errors import EmptyFile
from ingest.formats.docx import parse_docx

NAMESPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)


def saved(document: Any) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def parsed(document: Any, name: str = "x.docx") -> ParsedDocument:
    return parse_docx(saved(document), name=name)


def contents(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind.value, document.text[block.start : block.end]) for block in document.blocks]


def with_body(xml: str) -> Any:
    document = docx.Document()
    for element in parse_xml(f"<w:body {NAMESPACES}>{xml}</w:body>"):
        document.element.body.insert(len(document.element.body) - 1, element)
    return document


def test_headings_paragraphs_and_levels() -> None:
    document = docx.Document()
    document.add_heading("The manual", 0)
    document.add_heading("Setup", 1)
    document.add_paragraph("Plug it in.\nWait.\tThen go.")
    document.add_paragraph("   ")
    document.add_heading("Details", 3)
    result = parsed(document)
    assert contents(result) == [
        ("heading", "The manual"),
        ("heading", "Setup"),
        ("paragraph", "Plug it in.\nWait.\tThen go."),
        ("heading", "Details"),
    ]
    assert [block.level for block in result.blocks] == [1, 1, 0, 3]
    assert result.title == "The manual"
    assert result.media_type.endswith("wordprocessingml.document")


def test_headings_of_localised_and_own_styles() -> None:
    document = docx.Document()
    german = document.styles["Heading 2"]
    german.element.set(qn("w:styleId"), "berschrift2")
    own = document.styles.add_style("Chapter of ours", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 1"]
    outlined = document.styles.add_style("Outlined", WD_STYLE_TYPE.PARAGRAPH)
    outlined.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {NAMESPACES} w:val="3"/>'))
    for text, style in (("a", german), ("b", own), ("c", outlined)):
        document.add_paragraph(text, style=style)
    direct = document.add_paragraph("d")
    direct._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {NAMESPACES} w:val="1"/>'))
    assert [block.level for block in parsed(document).blocks] == [2, 1, 4, 2]


def test_a_style_based_on_itself_is_plain_text() -> None:
    document = docx.Document()
    style = document.styles.add_style("Loop", WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = style
    document.add_paragraph("text", style=style)
    assert contents(parsed(document)) == [("paragraph", "text")]


def test_list_items_that_follow_each_other_are_one_list() -> None:
    document = docx.Document()
    for text, style in (
        ("one", "List Bullet"),
        ("deep", "List Bullet 2"),
        ("deeper", "List Bullet 3"),
        ("two\nlines", "List Number"),
        ("between", "Normal"),
        ("three", "List Number"),
    ):
        document.add_paragraph(text, style=style)
    assert contents(parsed(document)) == [
        ("list", "- one\n  - deep\n    - deeper\n- two\n  lines"),
        ("paragraph", "between"),
        ("list", "- three"),
    ]


def test_numbering_set_on_the_paragraph_makes_a_list_and_zero_ends_it() -> None:
    item = (
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="{}"/><w:numId w:val="{}"/></w:numPr></w:pPr>'
        "<w:r><w:t>x</w:t></w:r></w:p>"
    )
    assert contents(parsed(with_body(item.format(0, 3) + item.format(2, 3) + item.format(0, 0)))) == [
        ("list", "- x\n    - x"),
        ("paragraph", "x"),
    ]


def test_tables_have_a_row_a_line_and_merged_cells_once() -> None:
    document = docx.Document()
    table = document.add_table(3, 3)
    for row in range(3):
        for column in range(3):
            table.cell(row, column).text = f"{row}{column}"
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(1, 2).merge(table.cell(2, 2))
    assert contents(parsed(document)) == [("table", "00 01 | 02\n10 | 11 | 12 22\n20 | 21 |")]


def test_a_table_of_one_cell_is_a_frame_around_text() -> None:
    document = docx.Document()
    document.add_table(1, 1).cell(0, 0).text = "Mind the gap."
    assert contents(parsed(document)) == [("paragraph", "Mind the gap.")]


def test_a_table_inside_of_a_cell_is_part_of_the_cell() -> None:
    document = docx.Document()
    outer = document.add_table(1, 2)
    outer.cell(0, 0).text = "left"
    inner = outer.cell(0, 1).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "a", "b"
    assert contents(parsed(document)) == [("table", "left | a b")]


def test_paragraphs_in_a_code_style_are_one_block() -> None:
    document = docx.Document()
    style = document.styles.add_style("Source Code", WD_STYLE_TYPE.PARAGRAPH)
    for line in ("if x:", "    go()", "", "stop()"):
        document.add_paragraph(line, style=style)
    assert contents(parsed(document)) == [("code", "if x:\n    go()\n\nstop()")]


def test_text_in_links_controls_and_insertions_is_read_and_deleted_text_is_not() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:p><w:hyperlink>{run.format('link ')}</w:hyperlink><w:ins>{run.format('new ')}</w:ins>"
        "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        f"<w:sdt><w:sdtContent>{run.format('chosen')}</w:sdtContent></w:sdt></w:p>"
        f"<w:sdt><w:sdtContent><w:p>{run.format('held')}</w:p></w:sdtContent></w:sdt>"
    )
    assert contents(parsed(with_body(body))) == [("paragraph", "link new chosen"), ("paragraph", "held")]


def test_a_text_box_is_read_once_after_its_paragraph() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    body = (
        "<w:p><w:r><w:t>around</w:t><mc:AlternateContent>"
        f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    assert contents(parsed(with_body(body))) == [("paragraph", "around"), ("paragraph", "boxed")]


def test_the_table_of_contents_is_left_out() -> None:
    document = docx.Document()
    style = document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Setup 3", style=style)
    document.add_paragraph("text")
    assert contents(parsed(document)) == [("paragraph", "text")]


def test_footnotes_follow_the_paragraph_that_refers_to_them() -> None:
    document = with_body(
        '<w:p><w:r><w:t>Claim</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
        "<w:p><w:r><w:t>Next</w:t></w:r></w:p>"
    )
    notes = (
        f'<w:footnotes {NAMESPACES}><w:footnote w:id="0" w:type="separator"><w:p/></w:footnote>'
        '<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/><w:t>Proof.</w:t>'
        '<w:footnoteReference w:id="2"/></w:r></w:p></w:footnote></w:footnotes>'
    )
    part = Part(
        PackURI("/word/footnotes.xml"), CONTENT_TYPE.WML_FOOTNOTES, notes.encode(), document.part.package
    )
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    assert contents(parsed(document)) == [
        ("paragraph", "Claim"),
        ("paragraph", "Proof."),
        ("paragraph", "Next"),
    ]


def test_pictures_do_no_harm() -> None:
    png = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(png, format="PNG")
    png.seek(0)
    document = docx.Document()
    document.add_picture(png)
    document.add_paragraph("below")
    assert contents(parsed(document)) == [("paragraph", "below")]


def test_the_title_is_the_title_paragraph_then_metadata_then_heading_then_name() -> None:
    document = docx.Document()
    document.add_paragraph("text")
    assert parsed(document, name="price_list.docx").title == "price list"
    document.add_heading("First", 1)
    assert parsed(document).title == "First"
    document.core_properties.title = "From metadata"
    assert parsed(document).title == "From metadata"
    document.core_properties.title = "Document1.docx"
    assert parsed(document).title == "First"
    document.add_heading("Real title", 0)
    document.core_properties.title = "From metadata"
    assert parsed(document).title == "Real title"


def test_blocks_keep_the_promises_of_a_parsed_document() -> None:
    document = docx.Document()
    document.add_paragraph("  padded  ")
    document.add_paragraph("item", style="List Bullet")
    result = parsed(document)
    assert result.blocks == (
        Block(kind=BlockKind.PARAGRAPH, start=0, end=6),
        Block(kind=BlockKind.LIST, start=8, end=14),
    )
    assert result.text == "padded\n\n- item"


def test_no_text_is_empty() -> None:
    with pytest.raises(EmptyFile):
        parsed(docx.Document())

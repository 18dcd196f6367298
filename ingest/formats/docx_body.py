"""The body of a Word file, element by element, to blocks."""

from collections.abc import Iterator, Mapping
from typing import Any

from docx.oxml.ns import qn
from lxml import etree

from ingest.document import BlockKind, DocumentBuilder
from ingest.formats.docx_styles import Role, StyleSheet

_WRAPPERS = {qn(tag) for tag in ("w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo", "w:smartTag")}
_WRITTEN = {qn("w:t"), qn("m:t")}
_CHARACTERS = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
}
_NOTES = {qn("w:footnoteReference"): "footnote", qn("w:endnoteReference"): "endnote"}
_TEXT_BOX = qn("w:txbxContent")
# A drawing stands twice in the file: as it is, and once more for programs that can't show it.
_SECOND_COPY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOT_TEXT = {qn("w:pPr"), qn("w:rPr"), qn("w:del"), qn("w:moveFrom"), _SECOND_COPY}


class BodyReader:
    """Turns paragraphs, lists and tables into blocks, in reading order.

    Text boxes and notes follow the paragraph that they are anchored in. Deleted text of tracked
    changes and tables of contents are left out.

    Args:
        styles: The file's styles.
        notes: The footnotes and endnotes, by kind ("footnote", "endnote") and id.
    """

    def __init__(self, styles: StyleSheet, notes: Mapping[tuple[str, str], Any]) -> None:
        self.builder = DocumentBuilder()
        self.title = ""
        self.first_heading = ""
        self._styles = styles
        self._notes = dict(notes)  # each is read once, where it is first referred to
        self._run_kind = BlockKind.LIST
        self._run: list[str] = []

    def read(self, container: Any) -> None:
        """Add the blocks of a body, a cell, a text box or a note."""
        self._read_children(container)
        self._end_run()

    def _read_children(self, container: Any) -> None:
        for child in container:
            if child.tag == qn("w:p"):
                self._read_paragraph(child)
            elif child.tag == qn("w:tbl"):
                self._end_run()
                self._read_table(child)
            elif child.tag in _WRAPPERS:
                self._read_children(child)

    def _read_paragraph(self, paragraph: Any) -> None:
        role = self._styles.role(paragraph)
        if role.is_contents:
            return
        self._add(role, _written(paragraph))
        for anchored in self._anchored(paragraph):
            self.read(anchored)

    def _add(self, role: Role, text: str) -> None:
        if role.heading_level:
            self._add_heading(role, " ".join(text.split()))
        elif role.list_level is not None:
            indentation = "  " * role.list_level
            item = "\n".join(line.strip() for line in text.strip().splitlines())
            self._extend_run(BlockKind.LIST, f"{indentation}- " + item.replace("\n", f"\n{indentation}  "))
        elif role.is_code:
            self._extend_run(BlockKind.CODE, text)
        elif text.strip():
            self._end_run()
            self.builder.add(BlockKind.PARAGRAPH, text)

    def _add_heading(self, role: Role, text: str) -> None:
        self._end_run()
        self.builder.add(BlockKind.HEADING, text, level=role.heading_level)
        self.first_heading = self.first_heading or text
        if role.is_title:
            self.title = self.title or text

    def _extend_run(self, kind: BlockKind, text: str) -> None:
        """List items, and lines of code, that follow each other are one block."""
        if kind is not self._run_kind:
            self._end_run()
        self._run_kind = kind
        if kind is BlockKind.CODE or text.strip(" -"):
            self._run.append(text)

    def _end_run(self) -> None:
        self.builder.add(self._run_kind, "\n".join(self._run))
        self._run = []

    def _anchored(self, paragraph: Any) -> Iterator[Any]:
        walk = etree.iterwalk(paragraph, events=("start",))
        for _, element in walk:
            if element.tag == _TEXT_BOX:
                yield element
                walk.skip_subtree()
            elif element.tag in _NOT_TEXT:
                walk.skip_subtree()
            elif element.tag in _NOTES:
                note = self._notes.pop((_NOTES[element.tag], element.get(qn("w:id"))), None)
                if note is not None:
                    yield note

    def _read_table(self, table: Any) -> None:
        rows = [list(_descend(row, qn("w:tc"))) for row in _descend(table, qn("w:tr"))]
        if len(rows) == 1 and len(rows[0]) == 1:  # a frame around ordinary text
            self.read(rows[0][0])
            return
        lines = [" | ".join(map(_cell_text, row)) for row in rows]
        self.builder.add(BlockKind.TABLE, "\n".join(line for line in lines if line.strip(" |")))


def _descend(parent: Any, tag: str) -> Iterator[Any]:
    """Children with a tag, also where a content control or a tracked change stands around them."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _descend(child, tag)


def _cell_text(cell: Any) -> str:
    """A cell's text on one line; empty where a merged cell from the row above goes on."""
    merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
    if merge is not None and merge.get(qn("w:val")) != "restart":
        return ""
    return " ".join(" ".join(map(_written, cell.iter(qn("w:p")))).split())


def _written(paragraph: Any) -> str:
    """The characters of a paragraph as a reader sees them, without those of text boxes."""
    parts: list[str] = []
    walk = etree.iterwalk(paragraph, events=("start",))
    for _, element in walk:
        if element.tag in _WRITTEN:
            parts.append(element.text or "")
        elif element.tag in _CHARACTERS:
            parts.append(_CHARACTERS[element.tag])
        elif element.tag in _NOT_TEXT or element.tag == _TEXT_BOX:
            walk.skip_subtree()
    return "".join(parts)

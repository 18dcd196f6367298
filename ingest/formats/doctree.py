"""Reads a docutils tree into blocks."""

import re
from collections.abc import Callable

from docutils import nodes

from ingest.formats.html import write_html
from ingest.formats.signatures import (
    Anchor,
    Labelled,
    Signature,
    headed_signatures,
    heading_label,
    merged_signatures,
)
from ingest.formats.writer import BlockWriter, single_line

_LONGEST_SUBSTITUTION = 500
_ERROR_LEVEL = 3
_ADORNMENT = re.compile(r"([^\w\s])\1{2,}")
_FIELD_PREFIX = re.compile(r"^(?:param|parameter|arg|argument|keyword|key|var|ivar|cvar)\s+", re.IGNORECASE)
_FIELD_NAMES = {"rtype": "Return type", "return": "Returns", "returns": "Returns"}


def inline_text(node: nodes.Node, document: nodes.document | None = None) -> str:
    """The text of inline markup, code in backticks, white space as it stands in the source."""
    if isinstance(node, nodes.literal):
        return f"`{node.astext()}`"
    if isinstance(node, nodes.image):
        return str(node.get("alt", ""))
    if isinstance(node, (nodes.footnote_reference, nodes.citation_reference)):
        return f"[{node.astext()}]"
    if document and isinstance(node, nodes.substitution_reference):
        return _substitution_text(node, document)
    if not node.children or isinstance(node, nodes.system_message):
        return str(node) if isinstance(node, nodes.Text) else ""
    return "".join(inline_text(child, document) for child in node.children)


def _substitution_text(node: nodes.substitution_reference, document: nodes.document) -> str:
    """What stands for ``|name|``: one level deep and bounded, so that no definition can grow another."""
    name = str(node["refname"])
    key = name if name in document.substitution_defs else document.substitution_names.get(name.lower(), "")
    definition = document.substitution_defs.get(key)
    if definition is None:
        return node.astext()
    images = [str(image.get("alt", "")) for image in definition.findall(nodes.image)]
    return (" ".join(images) or definition.astext())[:_LONGEST_SUBSTITUTION]


class DoctreeReader:
    """Walks a docutils tree and writes what a reader would see.

    Args:
        writer: Takes the blocks.
        document: The tree's root, which knows the substitutions.
        base_level: Level of the heading under which the tree stands, 0 for a whole document.
    """

    def __init__(self, writer: BlockWriter, document: nodes.document, *, base_level: int = 0) -> None:
        self._writer = writer
        self._document = document
        self._level = base_level
        self._anchors: list[nodes.Element] = []
        self._heading = ""
        self._has_begun = base_level > 0
        self._readers: dict[type[nodes.Element], Callable[[nodes.Element], None]] = {
            nodes.section: self._section,
            nodes.title: self._title,
            nodes.literal_block: self._code,
            nodes.doctest_block: self._code,
            nodes.bullet_list: self._list,
            nodes.enumerated_list: self._list,
            nodes.list_item: self._list_item,
            nodes.definition_list_item: self._definition,
            nodes.field_list: self._field_list,
            nodes.field: self._field,
            nodes.option_list_item: self._option,
            nodes.line_block: self._line_block,
            nodes.table: self._table,
            nodes.footnote: self._footnote,
            nodes.citation: self._footnote,
            nodes.image: self._paragraph,
            nodes.raw: lambda node: write_html(writer, node.astext()),
            nodes.system_message: self._system_message,
            Labelled: self._labelled,
            Anchor: self._anchors.append,
        }

    def read(self) -> None:
        """Write the whole tree."""
        self._children(self._document, closed=True)
        self._release_anchors()

    def _read(self, node: nodes.Element) -> None:
        if not isinstance(node, (nodes.section, nodes.title, Anchor)):
            self._release_anchors()
        reader = self._readers.get(type(node))
        self._has_begun = self._has_begun or reader != self._field_list
        if reader:
            reader(node)
        elif isinstance(node, nodes.TextElement):
            self._paragraph(node)
        else:
            self._children(node, closed=False)

    def _children(self, parent: nodes.Element, *, closed: bool) -> None:
        """Read what stands in a node; where `closed`, signatures may be headings."""
        children = merged_signatures(parent.children)
        headed = headed_signatures(children, closed=closed)
        for position, child in enumerate(children):
            if isinstance(child, Signature):
                self._signature(child, headed=position in headed)
            elif isinstance(child, nodes.Element):
                self._read(child)

    def _inline(self, node: nodes.Node) -> str:
        return single_line(inline_text(node, self._document))

    def _paragraph(self, node: nodes.Element) -> None:
        text = self._inline(node)
        if not _ADORNMENT.fullmatch(text):
            self._writer.paragraph(text)

    def _section(self, node: nodes.Element) -> None:
        self._level += 1
        self._children(node, closed=True)
        self._level -= 1

    def _title(self, node: nodes.Element) -> None:
        text = self._inline(node)
        if isinstance(node.parent, nodes.section):
            self._heading = text
            self._writer.heading(self._level, text)
        else:
            self._writer.paragraph(text)
        self._release_anchors(text)

    def _release_anchors(self, title: str = "") -> None:
        """Write the waiting anchors, but for those that the section's title names anyway."""
        waiting = list(self._anchors)
        self._anchors.clear()
        for anchor in waiting:
            if anchor["label"].lower() not in title.lower():
                self._writer.paragraph(anchor["shown"])

    def _signature(self, node: Signature, *, headed: bool) -> None:
        self._release_anchors()
        label = node["label"]
        heading = heading_label(label) if headed else ""
        self._level += headed
        if headed:
            self._writer.heading(self._level, heading)
        if label not in {heading, self._heading}:
            self._writer.paragraph(label)
        self._children(node, closed=headed)
        self._level -= headed

    def _labelled(self, node: nodes.Element) -> None:
        self._writer.lead_in(node["label"])
        self._children(node, closed=False)
        self._writer.end_lead_in()

    def _code(self, node: nodes.Element) -> None:
        self._writer.code(node.astext())

    def _list(self, node: nodes.Element) -> None:
        numbered = isinstance(node, nodes.enumerated_list)
        self._writer.open_list(start=int(node.get("start", 1)) if numbered else None)
        self._children(node, closed=False)
        self._writer.close_list()

    def _list_item(self, node: nodes.Element) -> None:
        self._writer.open_item()
        self._children(node, closed=False)

    def _definition(self, node: nodes.Element) -> None:
        terms = [self._inline(child) for child in node.children if not isinstance(child, nodes.definition)]
        self._writer.lead_in(", ".join(terms))
        for child in node.findall(nodes.definition, descend=True):
            if child.parent is node:
                self._children(child, closed=False)
        self._writer.end_lead_in()

    def _field_list(self, node: nodes.Element) -> None:
        """Leave out the fields above a document's first text: ``:orphan:`` and other metadata."""
        if self._has_begun or not isinstance(node.parent, nodes.document):
            self._children(node, closed=False)

    def _field(self, node: nodes.Element) -> None:
        name, body = _first_and_last(node)
        text = _FIELD_PREFIX.sub("", self._inline(name))
        self._writer.lead_in(_FIELD_NAMES.get(text.lower(), text))
        self._children(body, closed=False)
        self._writer.end_lead_in()

    def _option(self, node: nodes.Element) -> None:
        options, description = _first_and_last(node)
        self._writer.lead_in(f"`{', '.join(option.astext() for option in options.children)}`")
        self._children(description, closed=False)
        self._writer.end_lead_in()

    def _line_block(self, node: nodes.Element) -> None:
        lines = [self._inline(line) for line in node.findall(nodes.line)]
        self._writer.paragraph("\n".join(lines))

    def _table(self, node: nodes.Element) -> None:
        for title in node.children:
            if isinstance(title, nodes.title):
                self._writer.lead_in(self._inline(title))
        rows = [[self._cell(cell) for cell in row.children] for row in node.findall(nodes.row)]
        self._writer.table(rows)
        self._writer.end_lead_in()

    def _cell(self, cell: nodes.Node) -> str:
        texts = [self._inline(part) for part in cell.findall(nodes.TextElement) if _is_outermost_text(part)]
        return " ".join(text for text in texts if text)

    def _footnote(self, node: nodes.Element) -> None:
        label = node.children[0].astext() if node.children else ""
        self._writer.paragraph(f"[{label}] {self._inline_all(node.children[1:])}")

    def _inline_all(self, parts: list[nodes.Node]) -> str:
        return " ".join(self._inline(part) for part in parts)

    def _system_message(self, node: nodes.Element) -> None:
        """Keep the source that docutils gave up on, for instance a table whose borders do not fit."""
        if node["level"] < _ERROR_LEVEL:
            return
        for source in node.findall(nodes.literal_block):
            lines = source.astext().splitlines()
            words = [line for line in lines if not _ADORNMENT.fullmatch(line.strip())]
            if len(words) == 1:
                self._writer.paragraph(words[0])
            else:
                self._writer.code(source.astext())


def _first_and_last(node: nodes.Element) -> tuple[nodes.Element, nodes.Element]:
    """The two elements that a field or an option is made of."""
    first, last = node.children[0], node.children[-1]
    assert isinstance(first, nodes.Element)
    assert isinstance(last, nodes.Element)
    return first, last


def _is_outermost_text(node: nodes.Node) -> bool:
    """Whether no text element holds this one, so that its words are not counted twice."""
    return not isinstance(node.parent, nodes.TextElement)

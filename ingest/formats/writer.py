"""Writes a document block by block, with lists that nest, so that every format lays text out alike."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.document import BlockKind, DocumentBuilder, ParsedDocument
from ingest.formats.titles import choose_title

LIST_INDENT = "  "


def single_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


@dataclass(slots=True)
class _OpenList:
    """A list being written: its next number, and the marker that its next line must carry."""

    next_number: int | None
    marker: str = ""


class BlockWriter:
    """Takes headings, paragraphs, lists, code and tables in reading order.

    A list becomes one LIST block, an item a line, nesting shown by two spaces. Code and tables
    inside of a list are blocks of their own, and the list goes on after them as a further block.
    """

    def __init__(self) -> None:
        self._builder = DocumentBuilder()
        self._lists: list[_OpenList] = []
        self._list_lines: list[str] = []
        self._lead_in = ""
        self._title = ""
        self._title_level = 0
        self.level = 0

    def heading(self, level: int, text: str) -> None:
        """Write a heading; inside of a list it reads as a line of the list."""
        title = single_line(text)
        if not title:
            return
        if self._lists:
            self.paragraph(title)
            return
        self.end_lead_in()
        self.level = level
        self._builder.add(BlockKind.HEADING, title, level=level)
        if not self._title or level < self._title_level:
            self._title, self._title_level = title, level

    def paragraph(self, text: str) -> None:
        """Write a paragraph, or a line of the open list."""
        stripped = text.strip()
        if not stripped:
            return
        lead_in, self._lead_in = self._lead_in, ""
        whole = f"{as_lead_in(lead_in)} {stripped}" if lead_in else stripped
        if self._lists:
            self._add_list_lines(whole)
        else:
            self._builder.add(BlockKind.PARAGRAPH, whole)

    def code(self, text: str) -> None:
        """Write code as it stands, without the indentation that all of its lines share."""
        if text.strip():
            self._interrupt()
            self._builder.add(BlockKind.CODE, textwrap.dedent(text.expandtabs(4)).strip("\n"))

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Write a table, a row a line; rows without any text are left out."""
        cells = [[single_line(cell) for cell in row] for row in rows]
        lines = [" | ".join(row) for row in cells if any(row)]
        if lines:
            self._interrupt()
            self._builder.add(BlockKind.TABLE, "\n".join(lines))

    def open_list(self, *, start: int | None = None) -> None:
        """Begin a list: numbered from `start`, or with dashes where there is none."""
        if self._lead_in:
            self.end_lead_in()
        self._lists.append(_OpenList(start))

    def open_item(self) -> None:
        """Begin an item of the innermost list."""
        self.end_lead_in()
        innermost = self._lists[-1]
        innermost.marker = "- " if innermost.next_number is None else f"{innermost.next_number}. "
        if innermost.next_number is not None:
            innermost.next_number += 1

    def close_list(self) -> None:
        """End the innermost list; the outermost one becomes a block."""
        self.end_lead_in()
        self._lists.pop()
        if not self._lists:
            self._flush_list()

    def lead_in(self, text: str) -> None:
        """Set words before the next paragraph: ``Note`` makes it ``Note: Mind the gap.`` and so on."""
        self.end_lead_in()
        self._lead_in = single_line(text)

    def end_lead_in(self) -> None:
        """Write a lead-in that no paragraph has followed as a paragraph of its own."""
        lead_in, self._lead_in = self._lead_in, ""
        self.paragraph(lead_in)

    def build(self, *, media_type: str, name: str, title: str = "") -> ParsedDocument:
        """The document as written, with the given title, its own first top heading, or its file's name.

        Raises:
            EmptyFile: If nothing was written.
        """
        self.end_lead_in()
        self._lists.clear()
        self._flush_list()
        chosen = choose_title(stated=title, first_heading=self._title.replace("`", ""), name=name)
        return self._builder.build(media_type=media_type, title=chosen)

    def _add_list_lines(self, text: str) -> None:
        depth = len(self._lists) - 1
        marker, self._lists[-1].marker = self._lists[-1].marker or LIST_INDENT, ""
        first, *others = text.split("\n")
        self._list_lines.append(f"{LIST_INDENT * depth}{marker}{first}")
        self._list_lines.extend(f"{LIST_INDENT * (depth + 1)}{line}" for line in others)

    def _interrupt(self) -> None:
        """Make room for a block of its own: a waiting lead-in and the list so far go before it."""
        if self._lead_in:
            self._lead_in = as_lead_in(self._lead_in)
        self.end_lead_in()
        self._flush_list()

    def _flush_list(self) -> None:
        lines, self._list_lines = self._list_lines, []
        self._builder.add(BlockKind.LIST, "\n".join(lines))


def as_lead_in(text: str) -> str:
    """The words with a colon behind them, where they do not end a sentence anyway."""
    return text if text.endswith((".", "?", "!", ":")) else f"{text}:"

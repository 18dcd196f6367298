"""What a parser returns: a document's text, and the blocks that it is made of."""

import re
from dataclasses import dataclass
from enum import StrEnum

from ingest.errors import EmptyFile

BLOCK_SEPARATOR = "\n\n"
_LINE_BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]")


def visible_text(text: str) -> str:
    """Unify line breaks to line feeds and drop control characters and invisible ones."""
    return _INVISIBLE.sub("", _LINE_BREAKS.sub("\n", text))


def clean_text(text: str) -> str:
    """Make text visible, and strip white space at line ends and around the whole."""
    return "\n".join(line.rstrip() for line in visible_text(text).split("\n")).strip()


class BlockKind(StrEnum):
    """What a stretch of a document's text is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of a document's text with one role.

    Attributes:
        kind: What the stretch is.
        start: First character, an offset into the document's text.
        end: One past the last character.
        level: Depth of a heading, 1 for the outermost; 0 for every other kind.
        page: Page number counted from 1, or None where the format has no pages.
        seconds: Start and end on the recording's clock, for transcripts; None otherwise.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int | None = None
    seconds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    r"""A document as text that a reader can read, and its structure.

    Attributes:
        media_type: What the bytes were found to be, for instance ``text/x-rst``.
        title: The document's own title, or a name made from its file name; never empty.
        text: The whole readable text. Every offset of Footnote points into this string. It has no
            NUL and no carriage return, and is not empty.
        blocks: Blocks by rising start, not overlapping. A block neither begins nor ends with
            white space (code keeps its first line's indentation out), and is not empty. Blocks are
            separated by blank lines in ``text``; text outside of blocks is white space only.
    """

    media_type: str
    title: str
    text: str
    blocks: tuple[Block, ...]


class DocumentBuilder:
    """Collects blocks in reading order and knows where each one lands in the text.

    The one place that joins text, so that the promises of `ParsedDocument` are kept for every format.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0

    def add(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        page: int | None = None,
        seconds: tuple[float, float] | None = None,
    ) -> None:
        """Append a block; text that is nothing but white space is left out."""
        cleaned = clean_text(text)
        if not cleaned:
            return
        if self._parts:
            self._parts.append(BLOCK_SEPARATOR)
            self._length += len(BLOCK_SEPARATOR)
        start = self._length
        self._parts.append(cleaned)
        self._length += len(cleaned)
        self._blocks.append(
            Block(kind=kind, start=start, end=self._length, level=level, page=page, seconds=seconds)
        )

    def build(self, *, media_type: str, title: str) -> ParsedDocument:
        """The document as collected.

        Raises:
            EmptyFile: If no block holds any text.
        """
        if not self._blocks:
            raise EmptyFile("the file holds no readable text; check that it was saved with its content")
        return ParsedDocument(
            media_type=media_type,
            title=clean_text(title) or "Untitled",
            text="".join(self._parts),
            blocks=tuple(self._blocks),
        )

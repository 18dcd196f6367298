"""Plain text: paragraphs between blank lines, underlined headings, lists and indented code."""

import re
import textwrap

from ingest.document import BlockKind, DocumentBuilder, ParsedDocument, clean_text
from ingest.formats.titles import choose_title
from ingest.formats.writer import single_line
from ingest.media_types import MediaType

_BLANK_LINES = re.compile(r"\n{2,}")
_UNDERLINE = re.compile(r"([=\-~^*#])\1{2,}")
_BULLET = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s+\S")
_LEVELS = {"=": 1, "#": 1, "*": 1}
_WRAPPED_FROM = 0.6  # every line of a wrapped paragraph but its last is at least this part of the longest
_LONGEST_HEADING = 80
_CODE_INDENT = "    "


def parse_plain(text: str, *, name: str) -> ParsedDocument:
    """Read text without markup.

    Lines that an editor wrapped become one paragraph; lines that seem to be broken on purpose, as in
    a log or an address, stay lines.

    Raises:
        EmptyFile: If the text is nothing but white space.
    """
    builder = DocumentBuilder()
    title = ""
    for part in _BLANK_LINES.split(clean_text(text.expandtabs(4))):
        lines = part.split("\n")
        level = _heading_level(lines)
        if level:
            builder.add(BlockKind.HEADING, lines[0], level=level)
            title = title or lines[0]
            lines = lines[2:]
        kind = _kind_of(lines)
        builder.add(kind, _laid_out(kind, lines))
    return builder.build(
        media_type=MediaType.PLAIN, title=choose_title(stated="", first_heading=title, name=name)
    )


def _heading_level(lines: list[str]) -> int:
    """1 or 2 where the first line is underlined by the second, else 0."""
    if len(lines) < 2 or not _UNDERLINE.fullmatch(lines[1]) or len(lines[0]) > _LONGEST_HEADING:  # noqa: PLR2004
        return 0
    has_words = any(character.isalnum() for character in lines[0])
    return _LEVELS.get(lines[1][0], 2) if has_words else 0


def _kind_of(lines: list[str]) -> BlockKind:
    if lines and _BULLET.match(lines[0]):
        return BlockKind.LIST
    if lines and all(line.startswith(_CODE_INDENT) for line in lines):
        return BlockKind.CODE
    return BlockKind.PARAGRAPH


def _laid_out(kind: BlockKind, lines: list[str]) -> str:
    if kind is BlockKind.PARAGRAPH and _is_wrapped(lines):
        return single_line(" ".join(lines))
    return textwrap.dedent("\n".join(lines))


def _is_wrapped(lines: list[str]) -> bool:
    """Whether the lines look like one paragraph that an editor broke at its right margin."""
    lengths = [len(line.strip()) for line in lines]
    return bool(lengths) and min(lengths[:-1], default=0) >= _WRAPPED_FROM * max(lengths)

"""Text cut into sentences, list items and blocks of code, with exact offsets."""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class SpanKind(StrEnum):
    """What a span of text is."""

    PROSE = "prose"
    ITEM = "item"
    HEADING = "heading"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text that is read as one statement.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character; neither end is white space.
        kind: What it is.
    """

    start: int
    end: int
    kind: SpanKind


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"\s{0,12}(?:[-*+•]|\d{1,3}[.)])\s+\S")
_FIRST_ITEM = re.compile(r"\s{0,12}(?:[-*+•]|1[.)])\s+\S")
_HEADING = re.compile(r" {0,3}#{1,6}\s+\S")
_ROW = re.compile(r"\s*\|.*\|\s*$")
_INDENTED = re.compile(r"(?: {4}|\t)\s*\S")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

# Share of such characters that tells indented code from indented prose.
_CODE_CHARACTERS = frozenset("(){}[]=<>$#_\\/;")
_CODE_SHARE = 0.04

_INLINE_CODE = re.compile(r"`[^`\n]+`")
# A full stop after one of these ends no sentence, the second group only before more of the sentence.
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|cf|vs)\.|\b(?:etc|resp|approx|incl|excl|no|fig|sec|ch)\.(?=\s+[^\sA-Z])", re.IGNORECASE
)

_one_at_a_time = threading.Lock()


def split_sentences(text: str) -> list[Span]:
    """Cut a text into the statements that are checked and quoted one by one.

    Args:
        text: Plain text or Markdown.

    Returns:
        Spans in order, which do not overlap and leave out only white space. A list item, a table
        row, a heading and a block of code (fenced, or indented) are one span each; other text is
        cut at the ends of sentences.
    """
    return [span for block in _blocks(text) for span in _cut(text, block)]


def _blocks(text: str) -> Iterator[Span]:
    """Paragraphs, list items, headings, table rows and blocks of code, in order."""
    lines = list(_LINE.finditer(text))
    contents = [line.group() for line in lines]
    first = 0
    while first < len(lines):
        if not contents[first].strip():
            first += 1
            continue
        kind, last = _block_at(contents, first)
        yield _trim(text, lines[first].start(), lines[last - 1].end(), kind)
        first = last


def _block_at(contents: Sequence[str], first: int) -> tuple[SpanKind, int]:
    """The kind of the block that starts on a line, and the line after its last one."""
    content = contents[first]
    if fence := _FENCE.match(content):
        return SpanKind.CODE, _after_fence(contents, first, fence.group(1))
    if _HEADING.match(content):
        return SpanKind.HEADING, first + 1
    if _ROW.match(content):
        return SpanKind.ITEM, first + 1
    if _ITEM.match(content):
        return SpanKind.ITEM, _after_paragraph(contents, first, _ITEM)
    if _INDENTED.match(content):
        after = _after_paragraph(contents, first, _ITEM)
        return _indented_kind("".join(contents[first:after])), after
    return SpanKind.PROSE, _after_paragraph(contents, first, _FIRST_ITEM)


def _after_fence(contents: Sequence[str], first: int, fence: str) -> int:
    """The line after a fenced block; a fence that is never closed runs to the end."""
    for index in range(first + 1, len(contents)):
        if contents[index].strip().startswith(fence) and not contents[index].strip().strip(fence[0]):
            return index + 1
    return len(contents)


def _after_paragraph(contents: Sequence[str], first: int, item: re.Pattern[str]) -> int:
    """The line after a paragraph: a blank one, or one that opens another block."""
    for index in range(first + 1, len(contents)):
        content = contents[index]
        opens = item.match(content) or _FENCE.match(content) or _HEADING.match(content) or _ROW.match(content)
        if opens or not content.strip():
            return index
    return len(contents)


def _indented_kind(block: str) -> SpanKind:
    """Whether an indented block is code; documents indent quotations and definitions, too."""
    visible = "".join(block.split())
    share = sum(character in _CODE_CHARACTERS for character in visible) / len(visible)
    return SpanKind.CODE if share >= _CODE_SHARE else SpanKind.PROSE


def _cut(text: str, block: Span) -> Iterator[Span]:
    """The statements of one block."""
    if block.kind is not SpanKind.PROSE:
        yield block
        return
    paragraph = text[block.start : block.end]
    bounds = [0, *_sentence_ends(paragraph), len(paragraph)]
    for start, end in pairwise(bounds):
        if paragraph[start:end].strip():
            yield _trim(text, block.start + start, block.start + end, SpanKind.PROSE)


def _sentence_ends(paragraph: str) -> list[int]:
    """Offsets inside a paragraph where one sentence ends and the next one starts."""
    with _one_at_a_time:
        import nupunkt  # noqa: PLC0415 (its model is read at the first sentence, not at import)

        found = [end for _, end in nupunkt.sent_spans(paragraph)]
    code = [match.span() for match in _INLINE_CODE.finditer(paragraph)]
    abbreviations = {match.end() for match in _ABBREVIATION.finditer(paragraph)}
    stops = [(end, len(paragraph[:end].rstrip())) for end in found if end < len(paragraph)]
    return [
        end
        for end, stop in stops
        if stop not in abbreviations and not any(start < stop < after for start, after in code)
    ]


def _trim(text: str, start: int, end: int, kind: SpanKind) -> Span:
    """The span without the white space at both ends; an indented block keeps its first indent."""
    stripped = text[start:end].rstrip()
    lead = len(stripped) - len(stripped.lstrip())
    return Span(start + lead, start + len(stripped), kind)

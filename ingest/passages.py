"""Documents to passages: the stretches of text that are embedded, searched and cited."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ingest.document import Block, BlockKind, ParsedDocument
from ingest.sections import HeadingPath, Section, common_path, group_sections, read_sections
from ingest.spans import Span, TokenRuler, halve, pack_spans, split_block

PATH_SEPARATOR = " > "
SPECIAL_TOKENS = 2  # encoders put one before and one after what they read
# 96 of 100 lines are shorter in Django's documentation. No encoder makes more than a token of a byte, so
# of 256 tokens a third stays for text in the worst case; usual lines take 16.
_MAX_CONTEXT_BYTES = 160
_ELLIPSIS = "…"
_WORDS = re.compile(r"\w+")
_LABEL_CHARACTERS = 80  # a paragraph that is shorter, and no sentence, is a label: a term, a signature
_SENTENCE_END = ".!?\u3002\uff01\uff1f"
_SHOWN_BELOW = (BlockKind.LIST, BlockKind.CODE, BlockKind.TABLE)


class TokenOffsets(Protocol):
    """An encoder's tokeniser, as far as cutting needs it."""

    def __call__(self, text: str) -> Sequence[int]:
        """The start of each token of `text`, rising; without special tokens, and nothing cut off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A cut of a document.

    Attributes:
        ordinal: Place among the document's passages, from 0.
        heading_path: The headings that the whole passage stands under, outermost first. The
            heading that a passage begins with is among them, unless several small sections share
            the passage.
        page: The page that it begins on, from 1; None where the format has no pages.
        seconds: Start and end on the recording's clock; None where there is none.
        start: First character, an offset into the document's text.
        end: One past the last character.
        text: The document's text from start to end.
    """

    ordinal: int
    heading_path: HeadingPath
    page: int | None
    seconds: tuple[float, float] | None
    start: int
    end: int
    text: str


def cut_passages(
    document: ParsedDocument, *, token_offsets: TokenOffsets, max_tokens: int, target_tokens: int
) -> tuple[Passage, ...]:
    """Cut a document into passages; what is not white space is in exactly one of them.

    A passage does not reach across sections, save small ones under the same parent. Blocks stay whole
    where they fit, and stay with the heading, label or line ending in a colon above them.

    Args:
        document: What to cut.
        token_offsets: The encoder's tokeniser.
        max_tokens: What the encoder can read. The contextual text of every passage, with the encoder's
            special tokens, has at most so many.
        target_tokens: The size to aim for, counted alike.

    Returns:
        The passages in reading order, ordinals from 0.

    Raises:
        ValueError: If `target_tokens` is larger than `max_tokens`, or `max_tokens` has no room for the
            title and a single character.
    """
    if not 0 < target_tokens <= max_tokens:
        raise ValueError(f"need 0 < target_tokens <= max_tokens, got {target_tokens} and {max_tokens}")
    return tuple(_Cutter(document, token_offsets, max_tokens, target_tokens).passages())


def contextual_text(title: str, heading_path: Sequence[str], text: str) -> str:
    """What is embedded and indexed for a passage: a line that says where it stands, and its text.

    The line is ``title > heading > heading``. It leaves out the title where the first heading repeats
    it, and the headings that the text itself begins with. A long line is shortened, outermost part
    first, so that most of what an encoder can read is left for the text.
    """
    same_title = bool(heading_path) and _folded(heading_path[0]) == _folded(title)
    parts = _without_opening([*([] if same_title else [title]), *heading_path], text)
    while len(parts) > 1 and len(PATH_SEPARATOR.join(parts).encode()) > _MAX_CONTEXT_BYTES:
        parts = parts[1:]
    context = _shorten(PATH_SEPARATOR.join(parts))
    return f"{context}\n{text}" if context else text


def _folded(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def _without_opening(parts: list[str], text: str) -> list[str]:
    for first in range(len(parts)):
        opening = "\n\n".join(parts[first:])
        if text.startswith(opening) and text[len(opening) : len(opening) + 1] in {"", "\n"}:
            return parts[:first]
    return parts


def _shorten(context: str) -> str:
    encoded = context.encode()
    if len(encoded) <= _MAX_CONTEXT_BYTES:
        return context
    kept = encoded[: _MAX_CONTEXT_BYTES - len(_ELLIPSIS.encode())].decode(errors="ignore")
    return kept.rstrip() + _ELLIPSIS


class _Cutter:
    """Cuts one document; holds what every step needs."""

    def __init__(
        self, document: ParsedDocument, token_offsets: TokenOffsets, max_tokens: int, target_tokens: int
    ) -> None:
        self._document = document
        self._token_offsets = token_offsets
        self._max_tokens = max_tokens
        self._target_tokens = target_tokens
        self._ruler = TokenRuler(document.text, document.blocks, token_offsets)
        self._block_starts = [block.start for block in document.blocks]
        self._overheads: dict[HeadingPath, int] = {}

    def passages(self) -> Iterator[Passage]:
        """The passages in reading order."""
        ordinal = 0
        for group in group_sections(
            read_sections(self._document), count=self._ruler.count, room=self._target_room
        ):
            for span in self._cut_group(group):
                yield self._passage(span, group, ordinal)
                ordinal += 1

    def _cut_group(self, group: Sequence[Section]) -> Iterator[Span]:
        longest = max((self._affordable(section.path) for section in group), key=self._overhead)
        limit = max(self._max_tokens - self._overhead(longest), 1)
        target = min(self._target_room(longest), limit)
        blocks = [block for section in group for block in section.blocks]
        units = [span for unit in _units(self._document.text, blocks) for span in self._spans(unit, limit)]
        for span in pack_spans(units, ruler=self._ruler, target=target, limit=limit):
            yield from self._fitting(span, group)

    def _spans(self, unit: Sequence[Block], limit: int) -> list[Span]:
        """A unit whole if it fits; if not, what leads in goes with the beginning of a block that is cut."""
        *above, last = unit
        whole = Span(unit[0].start, last.end)
        if self._ruler.count(*whole) <= limit:
            return [whole]
        head = Span(whole.start, above[-1].end if above else whole.start)
        left = limit - self._ruler.count(*head)
        if left < limit // 2:
            return [span for block in unit for span in self._pieces(block, limit)]
        if (
            above
            and above[-1].kind is not BlockKind.HEADING
            and self._ruler.count(last.start, last.end) <= limit
        ):
            return [head, Span(last.start, last.end)]
        first, *others = self._pieces(last, left)
        return [Span(head.start, first.end), *others]

    def _pieces(self, block: Block, limit: int) -> list[Span]:
        return split_block(self._document.text, block, ruler=self._ruler, limit=limit)

    def _fitting(self, span: Span, group: Sequence[Section]) -> Iterator[Span]:
        """The span, or parts of it: the count by offsets is near, this one is exact."""
        text = self._document.text[span.start : span.end]
        embedded = contextual_text(self._document.title, self._path(span, group), text)
        if self._tokens(embedded) <= self._max_tokens:
            yield span
        elif len(text.strip()) == 1:
            raise ValueError(f"max_tokens={self._max_tokens} has no room for the title and any text")
        else:
            for half in halve(self._document.text, span):
                yield from self._fitting(half, group)

    def _passage(self, span: Span, group: Sequence[Section], ordinal: int) -> Passage:
        blocks = self._document.blocks[
            bisect_right(self._block_starts, span.start) - 1 : bisect_left(self._block_starts, span.end)
        ]
        clocks = [block.seconds for block in blocks if block.seconds is not None]
        return Passage(
            ordinal=ordinal,
            heading_path=self._path(span, group),
            page=blocks[0].page,
            seconds=(clocks[0][0], clocks[-1][1]) if clocks else None,
            start=span.start,
            end=span.end,
            text=self._document.text[span.start : span.end],
        )

    def _path(self, span: Span, group: Sequence[Section]) -> HeadingPath:
        touched = []
        for section in group:
            inside = tuple(b for b in section.blocks if b.start < span.end and span.start < b.end)
            if inside:  # of a section whose heading alone is in the span, the text does not count
                touched.append(replace(section, blocks=inside))
        return self._affordable(common_path(touched))

    def _affordable(self, path: HeadingPath) -> HeadingPath:
        """The path without its outermost parts, if with them less than half of the tokens are left."""
        while path and self._overhead(path) > self._max_tokens // 2:
            path = path[1:]
        return path

    def _overhead(self, path: HeadingPath) -> int:
        """Tokens that go to the context line of a passage and to special tokens."""
        if path not in self._overheads:
            self._overheads[path] = self._tokens(contextual_text(self._document.title, path, ""))
        return self._overheads[path]

    def _target_room(self, path: HeadingPath) -> int:
        return max(self._target_tokens - self._overhead(path), 1)

    def _tokens(self, text: str) -> int:
        return len(self._token_offsets(text)) + SPECIAL_TOKENS


def _units(text: str, blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Blocks with what must stay above them: headings, labels, and what ends in a colon."""
    unit: list[Block] = []
    for block in blocks:
        if unit and not _leads_in(text, unit[-1], block):
            yield unit
            unit = []
        unit.append(block)
    yield unit


def _leads_in(text: str, above: Block, below: Block) -> bool:
    if above.kind is not BlockKind.PARAGRAPH:
        return above.kind is BlockKind.HEADING
    is_label = above.end - above.start <= _LABEL_CHARACTERS and text[above.end - 1] not in _SENTENCE_END
    return is_label or (text[above.end - 1] == ":" and below.kind in _SHOWN_BELOW)

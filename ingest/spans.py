"""Stretches of a text, measured in an encoder's tokens: where to cut them, and how to pack them."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import nupunkt

from ingest.document import Block, BlockKind

# Encoders read a run of more than a hundred letters as one unknown token. Text with more characters
# than this to a token (prose and code have 2 to 6) is counted by its characters.
_CHARACTERS_PER_TOKEN = 16
_TOKENISED_AT_ONCE = 100_000  # characters; keeps the tokeniser's own records of a large document small
_EMPTY_LINE = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"\n(?=\S)")
_LINE = re.compile(r"\n")
_WORD = re.compile(r"\s+")
_WIDE_SENTENCE = re.compile(r"(?<=[。！？])")  # noqa: RUF001


class Span(NamedTuple):
    """A stretch of a text: the offset of its first character, and one past its last."""

    start: int
    end: int


class TokenRuler:
    """Counts the tokens between two offsets, without reading the text anew.

    Args:
        text: What to measure.
        blocks: Its blocks; tokens do not reach across them.
        token_offsets: The encoder's tokens: where each one starts, in rising order.
    """

    def __init__(
        self, text: str, blocks: Sequence[Block], token_offsets: Callable[[str], Sequence[int]]
    ) -> None:
        self._starts: list[int] = []
        for start, end in _stretches(blocks):
            self._starts.extend(start + offset for offset in token_offsets(text[start:end]))

    def count(self, start: int, end: int) -> int:
        """Tokens that start between the offsets; more where the characters are too many for that."""
        tokens = bisect_left(self._starts, end) - bisect_left(self._starts, start)
        return max(tokens, -(-(end - start) // _CHARACTERS_PER_TOKEN))

    def reach(self, start: int, *, tokens: int) -> int:
        """The last offset up to which there are no more than so many tokens; at least one character on."""
        index = bisect_left(self._starts, start) + tokens
        within = start + tokens * _CHARACTERS_PER_TOKEN
        stop = min(self._starts[index], within) if index < len(self._starts) else within
        return max(stop, start + 1)


def _stretches(blocks: Sequence[Block]) -> Iterator[Span]:
    start = 0
    for block, following in pairwise(blocks):
        if block.end - start >= _TOKENISED_AT_ONCE:
            yield Span(start, block.end)
            start = following.start
    yield Span(start, blocks[-1].end)


Splitter = Callable[[str], list[int]]


def split_block(text: str, block: Block, *, ruler: TokenRuler, limit: int) -> list[Span]:
    """Cut a block where it hurts least, so that no piece has more than `limit` tokens.

    Lists are cut between items, code at empty lines, tables between rows, prose between sentences;
    then lines, words and at last characters, each only where the pieces before are still too long.
    """
    return list(_split(text, Span(block.start, block.end), _SPLITTERS[block.kind], ruler, limit))


def _split(
    text: str, span: Span, splitters: Sequence[Splitter], ruler: TokenRuler, limit: int
) -> Iterator[Span]:
    if ruler.count(*span) <= limit:
        yield span
    elif not splitters:
        yield from _split_characters(span, ruler, limit)
    else:
        for part in _parts(text, span, splitters[0]):
            yield from _split(text, part, splitters[1:], ruler, limit)


def _parts(text: str, span: Span, splitter: Splitter) -> Iterator[Span]:
    stretch = text[span.start : span.end]
    for start, end in pairwise([0, *splitter(stretch), len(stretch)]):
        piece = stretch[start:end]
        kept = piece.strip("\n").rstrip()  # an indentation stays
        if kept.strip():
            first = span.start + start + len(piece) - len(piece.lstrip("\n"))
            yield Span(first, first + len(kept))


def _split_characters(span: Span, ruler: TokenRuler, limit: int) -> Iterator[Span]:
    start = span.start
    while start < span.end:
        stop = min(ruler.reach(start, tokens=limit), span.end)
        yield Span(start, stop)
        start = stop


def _after(pattern: re.Pattern[str]) -> Splitter:
    return lambda stretch: [match.end() for match in pattern.finditer(stretch)]


def _after_sentences(stretch: str) -> list[int]:
    ends = {end for _, end in nupunkt.sent_spans(stretch)}
    return sorted(ends | set(_after(_WIDE_SENTENCE)(stretch)))


_LAST_RESORTS = (_after(_LINE), _after(_WORD))
_SPLITTERS: dict[BlockKind, tuple[Splitter, ...]] = {
    BlockKind.HEADING: _LAST_RESORTS,
    BlockKind.PARAGRAPH: (_after_sentences, *_LAST_RESORTS),
    BlockKind.LIST: (_after(_ITEM), _after(_LINE), _after_sentences, *_LAST_RESORTS),
    BlockKind.CODE: (_after(_EMPTY_LINE), *_LAST_RESORTS),
    BlockKind.TABLE: _LAST_RESORTS,
}


def pack_spans(spans: Sequence[Span], *, ruler: TokenRuler, target: int, limit: int) -> Iterator[Span]:
    """Join neighbours into stretches of about equal size, none above `limit` tokens unless a span is.

    Args:
        spans: In rising order; none is cut.
        ruler: Counts tokens.
        target: What a stretch should not exceed, unless all of the rest fits in `limit`.
        limit: What a stretch must not exceed.
    """
    first = 0
    while first < len(spans):
        start, end = spans[first].start, spans[-1].end
        rest = ruler.count(start, end)
        if rest <= limit:
            yield Span(start, end)
            return
        goal = rest / -(-rest // target)
        last = first
        while last + 1 < len(spans) and _is_nearer(
            goal, ruler.count(start, spans[last].end), ruler.count(start, spans[last + 1].end), target
        ):
            last += 1
        yield Span(start, spans[last].end)
        first = last + 1


def _is_nearer(goal: float, now: int, then: int, target: int) -> bool:
    return then <= target and abs(goal - then) <= abs(goal - now)


def halve(text: str, span: Span) -> tuple[Span, Span]:
    """Two parts of a span of two characters or more: cut at the white space next to the middle."""
    start = span.end - len(text[span.start : span.end].lstrip())
    middle = (start + span.end) // 2
    cuts = [match.end() for match in _WORD.finditer(text, start, span.end)]
    cut = min(cuts, key=lambda offset: abs(offset - middle), default=middle)
    return Span(start, start + len(text[start:cut].rstrip())), Span(cut, span.end)

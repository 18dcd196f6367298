"""Citation markers in generated text: found, taken out, and given to the sentence they belong to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from generator.sentences import Span, SpanKind, split_sentences

_NUMBERS = r"\d{1,3}(?:\s*(?:,|;|\u2013|-|and)\s*\d{1,3})*"
_LABEL = r"(?:(?:passages?|sources?|documents?|docs?|evidence|refs?)\s*[:#]?\s*)?"
_LINK = r"(?:\((?:https?:|\#|/)[^)\s]*\))?"
_ONE = rf"[\[【]\s*\^?{_LABEL}{_NUMBERS}(?:†[^\]】\n]*)?\s*[\]】]{_LINK}"
# Directly behind a name or a bracket it is an index, as in rows[0], not a citation.
_MARKERS = re.compile(
    rf"[ \t]*(?:(?<![\w)\]])|(?=【)){_ONE}(?:\s*(?:,|;|and|&)?[ \t]*{_ONE})*", re.IGNORECASE
)
_SINGLE = re.compile(_ONE, re.IGNORECASE)
_RANGE = re.compile(r"(\d+)\s*(?:[\u2013-]\s*(\d+))?")
_CODE = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_UNFINISHED = re.compile(r"[\[【][^\]】\n]{0,24}$")

# A sentence in a stream has ended when this much of the next one is there.
_LOOKAHEAD_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence of generated text with the evidence that it names.

    Attributes:
        text: The sentence without markers.
        kind: Prose, list item, heading or code.
        numbers: Numbers of evidence, from 1, as first named; none that was not given.
        opens_paragraph: Whether a blank line stood before it.
    """

    text: str
    kind: SpanKind
    numbers: tuple[int, ...]
    opens_paragraph: bool


@dataclass(frozen=True, slots=True)
class _Removed:
    """Markers that were taken out: where they stood and what they named."""

    position: int
    raw_end: int
    numbers: tuple[int, ...]


def cited_sentences(text: str, *, evidence_count: int) -> list[CitedSentence]:
    """The sentences of a finished text with their citations.

    Args:
        text: Text with markers such as `[1]`, `[1, 2]`, `[1][3]`, `[2-4]` or `【1】`.
        evidence_count: How many pieces of evidence were given; other numbers are dropped.

    Returns:
        Sentences in order. A marker belongs to the sentence that it stands in or behind, also
        behind its full stop. Indexes in code, such as `rows[0]`, are no markers.
    """
    return list(stream_cited_sentences([text], evidence_count=evidence_count))


def stream_cited_sentences(pieces: Iterable[str], *, evidence_count: int) -> Iterator[CitedSentence]:
    """The sentences of a growing text, each as soon as the next one has begun.

    Args:
        pieces: The text in pieces of any length.
        evidence_count: How many pieces of evidence were given.

    Yields:
        What `cited_sentences` returns for the whole text, up to boundaries that a statistical
        splitter would place differently once it sees more than a sentence ahead.
    """
    text, done = "", 0
    for piece in pieces:
        text += piece
        if not _UNFINISHED.search(text):
            sentences, done = _read(text, done, evidence_count, is_final=False)
            yield from sentences
    yield from _read(text, done, evidence_count, is_final=True)[0]


def strip_markers(text: str) -> str:
    """`text` without any citation marker outside code."""
    return _take_out(text, 0)[0].strip()


def _read(text: str, done: int, count: int, *, is_final: bool) -> tuple[list[CitedSentence], int]:
    """The finished sentences behind an offset, and the offset behind them."""
    clean, removed = _take_out(text[done:], count)
    spans = split_sentences(clean)
    finished = spans if is_final else spans[:-1]
    if not finished or (not is_final and spans[-1].end - spans[-1].start < _LOOKAHEAD_CHARACTERS):
        return [], done
    numbers = _assign(spans, removed)
    sentences = [
        CitedSentence(
            clean[span.start : span.end], span.kind, numbers[index], _blank_before(text[:done], clean, span)
        )
        for index, span in enumerate(finished)
    ]
    end = len(clean) if is_final else spans[-1].start
    return sentences, done + _raw_offset(end, removed)


def _take_out(text: str, count: int) -> tuple[str, list[_Removed]]:
    """The text without markers, and what was taken out where."""
    code = [match.span() for match in _CODE.finditer(text)]
    removed: list[_Removed] = []
    kept: list[str] = []
    length = done = 0
    for match in _MARKERS.finditer(text):
        if any(start <= match.end() - 1 < end for start, end in code):
            continue
        kept.append(text[done : match.start()])
        length += match.start() - done
        done = match.end()
        removed.append(_Removed(length, done, _numbers(match.group(), count)))
    return "".join((*kept, text[done:])), removed


def _numbers(markers: str, count: int) -> tuple[int, ...]:
    """The numbers that markers name, without repeats and without evidence that does not exist."""
    named: dict[int, None] = {}
    for one in _SINGLE.findall(markers):
        for first, last in _RANGE.findall(one.split("†")[0].split("](")[0]):
            numbers = range(int(first), min(int(last or first), count) + 1)
            named.update(dict.fromkeys(number for number in numbers if 1 <= number <= count))
    return tuple(named)


def _assign(spans: Sequence[Span], removed: Sequence[_Removed]) -> list[tuple[int, ...]]:
    """The numbers of every sentence: of the markers inside it and behind it."""
    named: list[dict[int, None]] = [{} for _ in spans]
    for one in removed:
        before = [index for index, span in enumerate(spans) if span.start < one.position]
        if named:
            named[before[-1] if before else 0].update(dict.fromkeys(one.numbers))
    return [tuple(numbers) for numbers in named]


def _raw_offset(position: int, removed: Sequence[_Removed]) -> int:
    """Where a place in the cleaned text is in the text with markers; behind markers at that place."""
    earlier = [one for one in removed if one.position <= position]
    return earlier[-1].raw_end + position - earlier[-1].position if earlier else position


def _blank_before(before: str, clean: str, span: Span) -> bool:
    gap = before + clean[: span.start]
    return gap[len(gap.rstrip()) :].count("\n") > 1

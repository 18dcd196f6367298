"""Pairs that a document's author wrote: questions as headings or paragraphs, and FAQ markup in web pages."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ingest.document import Block, BlockKind, ParsedDocument
from ingest.media_types import MediaType
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.faq_markup import find_faq_markup
from ingest.pairs.questions import LONGEST_ANSWER, as_question, plain_line, reads_as_question

_FEWEST_PARAGRAPH_QUESTIONS = 3
_LONGEST_PARAGRAPH_QUESTION = 200
_ANSWER_MARK = re.compile(r"(?:A\d{0,3}|Answer)\s?[.:]\s+")
_QUESTION_AND_ANSWER = re.compile(
    r"(?:Q\d{0,3}|Question)\s?[.:]\s+(?P<question>[^?]+\?)\s+(?:A\d{0,3}|Answer)\s?[.:]\s+"
)
_INNER_END = re.compile(r"[.?!]\s")


def find_authored(document: ParsedDocument, data: bytes) -> list[PairDraft]:
    """The pairs that stand in a document ready-made, each once, in the order of their evidence.

    Args:
        document: Any document.
        data: The bytes that it was read from; they are looked at for web pages only.

    Returns:
        Drafts of origin "authored". An answer is exactly the text of its one evidence span. The
        method says where it stood: "heading", "paragraph", "faq-markup" or "definition".
    """
    found = [*_from_headings(document), *_from_paragraphs(document)]
    if document.media_type == MediaType.HTML:
        found += find_faq_markup(document, data)
    return sorted(_once_each(found), key=lambda pair: pair.evidence[0].start)


def _once_each(pairs: Iterable[PairDraft]) -> Iterator[PairDraft]:
    """Leave out a pair whose question was there before with an answer at the same place."""
    seen: dict[str, list[EvidenceSpan]] = {}
    for pair in pairs:
        key = "".join(filter(str.isalnum, pair.question.casefold()))
        span = pair.evidence[0]
        earlier = seen.setdefault(key, [])
        if not any(span.start < other.end and other.start < span.end for other in earlier):
            earlier.append(span)
            yield pair


def _from_headings(document: ParsedDocument) -> Iterator[PairDraft]:
    blocks = document.blocks
    ends = section_ends(blocks)
    for position, block in enumerate(blocks):
        if block.kind is BlockKind.HEADING:
            line = plain_line(document.text[block.start : block.end])
            if reads_as_question(line):
                answer = _within(blocks, position + 1, ends[position])
                yield from _pair(document, as_question(line), answer, method="heading")


def section_ends(blocks: Sequence[Block]) -> dict[int, int]:
    """By the position of each heading, where its section ends: the position of the block behind it."""
    ends: dict[int, int] = {}
    open_headings: list[int] = []
    for position, block in enumerate(blocks):
        if block.kind is BlockKind.HEADING:
            while open_headings and blocks[open_headings[-1]].level >= block.level:
                ends[open_headings.pop()] = position
            open_headings.append(position)
    return ends | dict.fromkeys(open_headings, len(blocks))


def _within(blocks: Sequence[Block], first: int, stop: int) -> Sequence[Block]:
    """The blocks that an answer takes: whole ones up to its longest, no heading or open end behind."""
    last = first
    while last < stop and blocks[last].end - blocks[first].start <= LONGEST_ANSWER:
        last += 1
    while last > first and blocks[last - 1].kind is BlockKind.HEADING:
        last -= 1
    return blocks[first:last]


def _pair(
    document: ParsedDocument, question: str, blocks: Sequence[Block], *, method: str
) -> Iterator[PairDraft]:
    if not blocks:
        return
    start, end = blocks[0].start, blocks[-1].end
    mark = _ANSWER_MARK.match(document.text, start, end)
    start = mark.end() if mark else start
    yield PairDraft(
        question=question,
        answer=document.text[start:end],
        origin=Origin.AUTHORED,
        method=method,
        evidence=(EvidenceSpan(start=start, end=end),),
    )


def _from_paragraphs(document: ParsedDocument) -> Iterator[PairDraft]:
    """Questions that are paragraphs of their own, where a document has several."""
    yield from _within_paragraphs(document)
    questions = _paragraph_questions(document)
    if len(questions) < _FEWEST_PARAGRAPH_QUESTIONS:
        return
    stops = {position for position, block in enumerate(document.blocks) if block.kind is BlockKind.HEADING}
    stops = stops | set(questions) | {len(document.blocks)}
    for position, line in questions.items():
        stop = position + 1
        while stop not in stops:
            stop += 1
        answer = _within(document.blocks, position + 1, stop)
        yield from _pair(document, as_question(line), answer, method="paragraph")


def _paragraph_questions(document: ParsedDocument) -> dict[int, str]:
    """Paragraphs that are one question and stand before something else, by their position."""
    questions: dict[int, str] = {}
    for position, block in enumerate(document.blocks):
        length = block.end - block.start
        if block.kind is BlockKind.PARAGRAPH and not block.seconds and length <= _LONGEST_PARAGRAPH_QUESTION:
            line = plain_line(document.text[block.start : block.end])
            if line.endswith("?") and not _INNER_END.search(line) and reads_as_question(line):
                questions[position] = line
    return questions


def _within_paragraphs(document: ParsedDocument) -> Iterator[PairDraft]:
    """Paragraphs that hold both: ``Q: ... A: ...``."""
    for block in document.blocks:
        match = _QUESTION_AND_ANSWER.match(document.text, block.start, block.end)
        if block.kind is BlockKind.PARAGRAPH and match and match.end() < block.end:
            yield PairDraft(
                question=as_question(plain_line(match["question"])),
                answer=document.text[match.end() : block.end],
                origin=Origin.AUTHORED,
                method="paragraph",
                evidence=(EvidenceSpan(start=match.end(), end=block.end),),
            )

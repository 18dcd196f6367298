"""A document's sections as questions are made from them: a heading, what is above it, and its text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

from generator.sentences import SpanKind, split_sentences
from ingest.document import Block, BlockKind, ParsedDocument
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.questions import plain_line
from ingest.sections import read_sections
from ingest.spans import Span

_LONGEST_PARAGRAPH = 2000  # characters of a paragraph that are cut into sentences
_CODE_LABEL = (
    r"(?:(?:class|classmethod|staticmethod|async|exception|attribute|property|function|method) )*`[^`]+`"
)
_SIGNATURE = re.compile(rf"{_CODE_LABEL}(?:,\s*{_CODE_LABEL})*")
_ASIDE = re.compile(
    r"(?:note|warning|caution|danger|important|tip|hint|attention|see also|seealso|admonition|todo"
    r"|deprecated|new in|added in|changed in|removed in|availability|example|for example)\b|\.\. |Module `"
    r"|\w+: `[^`]*`$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Entry:
    """A section that may be asked about.

    Attributes:
        document: The document.
        heading: The heading as it stands, code in backticks.
        above: The headings above, outermost first, as they stand.
        blocks: What follows, up to the next heading of any level.
        has_parts: Whether that heading is of a part of this section.
    """

    document: ParsedDocument
    heading: str
    above: tuple[str, ...]
    blocks: tuple[Block, ...]
    has_parts: bool

    def text(self, block: Block) -> str:
        """A block's text."""
        return self.document.text[block.start : block.end]

    @cached_property
    def described(self) -> Block | None:
        """The paragraph that describes the heading: the first one that is no signature, default or aside."""
        for block in self.blocks:
            text = self.document.text[block.start : min(block.end, block.start + _LONGEST_PARAGRAPH)]
            passed_over = _SIGNATURE.fullmatch(text) or _ASIDE.match(text) or text.startswith("Default")
            if block.kind is not BlockKind.PARAGRAPH:
                return None
            if not passed_over:
                return block
        return None

    @cached_property
    def sentences(self) -> list[Span]:
        """The sentences of `described`, without a signature in front that repeats the heading."""
        block = self.described
        if block is None:
            return []
        start = block.start + _signature_length(
            self.text(block)[:_LONGEST_PARAGRAPH], plain_line(self.heading)
        )
        return sentences_of(self.document.text, Span(start, block.end))


def read_entries(document: ParsedDocument) -> Iterator[Entry]:
    """The sections that have a heading and text below it, in order."""
    sections = read_sections(document)
    for section, following in zip_longest(sections, sections[1:]):
        if section.path and section.has_body:
            first, *rest = section.blocks
            heading = document.text[first.start : first.end]
            yield Entry(
                document=document,
                heading=" ".join(heading.split()),
                above=section.path[:-1],
                blocks=tuple(rest),
                has_parts=following is not None and following.path[: len(section.path)] == section.path,
            )


def sentences_of(text: str, span: Span) -> list[Span]:
    """The sentences of a stretch of prose; of a long one, those of its beginning that are whole."""
    stop = min(span.end, span.start + _LONGEST_PARAGRAPH)
    parts = [part for part in split_sentences(text[span.start : stop]) if part.kind is SpanKind.PROSE]
    found = [Span(span.start + part.start, span.start + part.end) for part in parts]
    return found if stop == span.end else found[:-1]


def make_pair(document: ParsedDocument, question: str, span: Span, *, method: str) -> PairDraft:
    """A pair that was made from a document's structure; its answer is the text of the span."""
    return PairDraft(
        question=question,
        answer=document.text[span.start : span.end],
        origin=Origin.GENERATED,
        method=method,
        evidence=(EvidenceSpan(start=span.start, end=span.end),),
    )


def _signature_length(paragraph: str, name: str) -> int:
    """Characters before the description where a paragraph begins with the heading and its arguments."""
    if "." not in name or not paragraph.startswith(name):
        return 0
    position = len(name)
    if paragraph[position : position + 1] == "(":
        position = _after_brackets(paragraph, position)
    rest = paragraph[position:]
    return len(paragraph) - len(rest.lstrip()) if rest[:1].isspace() else 0


def _after_brackets(text: str, position: int) -> int:
    """The offset behind the bracket that closes the one at `position`; the text's end where none does."""
    depth = 0
    for offset in range(position, len(text)):
        depth += (text[offset] in "([{") - (text[offset] in ")]}")
        if not depth:
            return offset + 1
    return len(text)

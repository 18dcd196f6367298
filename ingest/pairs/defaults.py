"""Where the entry of a setting says what its default is."""

import re

from ingest.document import BlockKind
from ingest.pairs.entries import Entry, sentences_of
from ingest.spans import Span

_LONGEST = 200  # characters
_LONGEST_CODE = 600  # characters of "Default:" with the code below it
_WITHIN = 4  # blocks and sentences of an entry that are looked at
_SENTENCE = re.compile(
    r"(?:(?:this|it|the (?:value|setting|option)) )?defaults to\b|(?:the|its) default(?: value)? is\b"
    r"|default is\b",
    re.IGNORECASE,
)
_OPEN = re.compile(r"\b(?:see|below|above|following|varies|depends|earlier|later)\b", re.IGNORECASE)


def find_default(entry: Entry) -> Span | None:
    """The paragraph ``Default: ...`` or the sentence "Defaults to ..." near the top; None without one."""
    return _default_block(entry) or _default_sentence(entry)


def _default_block(entry: Entry) -> Span | None:
    """A paragraph ``Default: ...`` near the top, or its first sentence; with code that it announces."""
    for position, block in enumerate(entry.blocks[:_WITHIN]):
        text = entry.text(block)
        if block.kind is not BlockKind.PARAGRAPH or not text.startswith(("Default:", "Default value:")):
            continue
        if text.endswith(":"):
            return _announced(entry, position)
        sentences = sentences_of(entry.document.text, Span(block.start, block.end))
        span = Span(block.start, block.end) if len(text) <= _LONGEST else sentences[0]
        shown = entry.document.text[span.start : span.end]
        return None if _OPEN.search(shown) or len(shown) > _LONGEST else span
    return None


def _announced(entry: Entry, position: int) -> Span | None:
    start = entry.blocks[position].start
    following = entry.blocks[position + 1 : position + 2]
    fits = following and following[0].kind in {BlockKind.CODE, BlockKind.LIST}
    return Span(start, following[0].end) if fits and following[0].end - start <= _LONGEST_CODE else None


def _default_sentence(entry: Entry) -> Span | None:
    for span in entry.sentences[:_WITHIN]:
        text = entry.document.text[span.start : span.end]
        if _SENTENCE.match(text) and text.endswith(".") and not _OPEN.search(text):
            return span
    return None

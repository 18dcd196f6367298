"""Pairs that were read from files, as a document of their own, so that their citations open."""

import dataclasses
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ingest.document import BlockKind, DocumentBuilder, ParsedDocument, clean_text
from ingest.errors import DamagedFile, EmptyFile
from ingest.formats.writer import single_line
from ingest.media_types import MediaType
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.markup_text import text_parts

RECORDS_VERSION = 1

_FIRST_BYTES = b'{"footnote_pairs":'
_BLANK_LINES = re.compile(r"\n{2,}")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+\S")
_TITLE_LEVEL = 1
_QUESTION_LEVEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecord:
    """A pair as it stands in a table or a thread.

    Attributes:
        question: The question; not blank.
        answer: The answer as text, code between fences, a list's items behind markers; not blank.
        origin: Who it comes from.
        method: How it was found, ``table`` or ``thread``.
        weight: Its worth as a training example, in (0, 1].
        uri: Address of the page or thread that it is from, or None.
        product: The product that it is about, or None.
        context: What stands between question and answer, such as the body of a thread's question.
            A reader sees it; it belongs to neither of them.
        attribution: A line about the answer's standing, such as ``Accepted answer, 12 votes``.
        line: Where it stands in its file, counted from 1; 0 where that is not known.
    """

    question: str
    answer: str
    origin: Origin = Origin.AUTHORED
    method: str
    weight: float = 1.0
    uri: str | None = None
    product: str | None = None
    context: str = ""
    attribution: str = ""
    line: int = 0

    def __post_init__(self) -> None:
        if not clean_text(self.question) or not clean_text(self.answer) or not 0 < self.weight <= 1:
            raise ValueError(f"need a question, an answer and a weight in (0, 1], got {self}")


class _Piece(NamedTuple):
    """A block to be written: `record` counts from 0, and `is_answer` marks what evidence points to."""

    kind: BlockKind
    text: str
    level: int = 0
    record: int = -1
    is_answer: bool = False


def write_records(title: str, records: Sequence[PairRecord]) -> bytes:
    """Records as JSON lines behind a first line with the title; the same records give the same bytes."""
    header = {"footnote_pairs": RECORDS_VERSION, "title": title}
    lines = [header, *(dataclasses.asdict(record) for record in records)]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode("ascii")


def is_records(data: bytes) -> bool:
    """Whether bytes are what `write_records` wrote, by how they begin."""
    return data.startswith(_FIRST_BYTES)


def read_records(data: bytes) -> tuple[str, list[PairRecord]]:
    """The title and the records that `write_records` wrote.

    Raises:
        DamagedFile: If the bytes are anything else.
    """
    try:
        header, *lines = [json.loads(line) for line in data.decode("ascii").splitlines()]
        if header["footnote_pairs"] != RECORDS_VERSION:
            raise DamagedFile("the pair records are of another version of Footnote; import their file again")
        return str(header["title"]), [_record(line) for line in lines]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedFile("the pair records are cut short or changed; import their file again") from error


def parse_records(data: bytes) -> ParsedDocument:
    """Pair records as a document: each question a heading, under it context, attribution and answer.

    Raises:
        DamagedFile: If the bytes are not what `write_records` wrote.
        EmptyFile: If they hold no record.
    """
    title, records = read_records(data)
    if not records:
        raise EmptyFile("the pair records hold no pair; import a file with pairs")
    builder = DocumentBuilder()
    for piece in _pieces(title, records):
        builder.add(piece.kind, piece.text, level=piece.level)
    return builder.build(
        media_type=MediaType.PAIRS, title=single_line(clean_text(title)) or _question(records[0])
    )


def record_pairs(data: bytes, document: ParsedDocument) -> list[PairDraft]:
    """The pairs of a document of records, in order; each one's evidence is the span of its answer.

    Args:
        data: The records' bytes.
        document: What `parse_records` made of them.

    Raises:
        DamagedFile: If the bytes are not what `write_records` wrote.
        ValueError: If the document is not made of these records.
    """
    title, records = read_records(data)
    answers: list[list[int]] = [[] for _ in records]
    for piece, block in zip(_pieces(title, records), document.blocks, strict=True):
        if piece.is_answer:
            answers[piece.record] += [block.start, block.end]
    return [
        PairDraft(
            question=_question(record),
            answer=document.text[offsets[0] : offsets[-1]],
            origin=record.origin,
            method=record.method,
            evidence=(EvidenceSpan(start=offsets[0], end=offsets[-1]),),
            weight=record.weight,
        )
        for record, offsets in zip(records, answers, strict=True)
    ]


def _record(fields: dict[str, object]) -> PairRecord:
    kinds = {"weight": (int, float), "line": (int,), "uri": (str, type(None)), "product": (str, type(None))}
    if not all(isinstance(value, kinds.get(key, (str,))) for key, value in fields.items()):
        raise TypeError(f"a field has another type than it should, in {fields}")
    return PairRecord(**{**fields, "origin": Origin(str(fields["origin"]))})  # type: ignore[arg-type]


def _question(record: PairRecord) -> str:
    return single_line(clean_text(record.question))


def _pieces(title: str, records: Sequence[PairRecord]) -> Iterator[_Piece]:
    """Exactly the blocks of the document, none of them blank."""
    cleaned_title = single_line(clean_text(title))
    if cleaned_title and len(records) > 1:
        yield _Piece(BlockKind.HEADING, cleaned_title, _TITLE_LEVEL)
    for number, record in enumerate(records):
        yield _Piece(BlockKind.HEADING, _question(record), _QUESTION_LEVEL)
        for kind, text in _blocks(record.context):
            yield _Piece(kind, text)
        attribution = single_line(clean_text(record.attribution))
        if attribution:
            yield _Piece(BlockKind.PARAGRAPH, attribution)
        whole = [(BlockKind.PARAGRAPH, record.answer)]  # nothing but fences, for instance
        for kind, text in list(_blocks(record.answer)) or whole:
            yield _Piece(kind, text, record=number, is_answer=True)


def _blocks(text: str) -> Iterator[tuple[BlockKind, str]]:
    for part in text_parts(clean_text(text)):
        if part.is_code:
            yield BlockKind.CODE, textwrap.dedent(part.text.expandtabs(4)).strip("\n")
        else:
            for paragraph in _BLANK_LINES.split(part.text):
                yield from _paragraph_blocks(paragraph.split("\n"))


def _paragraph_blocks(lines: list[str]) -> Iterator[tuple[BlockKind, str]]:
    """A paragraph's lines before its first list item, and the list."""
    items = (position for position, line in enumerate(lines) if _LIST_ITEM.match(line))
    first_item = next(items, len(lines))
    stretches = ((BlockKind.PARAGRAPH, lines[:first_item]), (BlockKind.LIST, lines[first_item:]))
    for kind, stretch in stretches:
        text = textwrap.dedent("\n".join(stretch))
        if text.strip():
            yield kind, text

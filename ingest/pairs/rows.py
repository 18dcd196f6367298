"""Rows of text files, delimited ones and JSON lines, each with the line where it starts."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from ingest.decoding import decode_text, unicode_encoding
from ingest.errors import UndecodableText

_LINE_BREAK = re.compile(r"\r\n?")
_UNDECODED = re.compile(r"[\udc80-\udcff]")  # what `surrogateescape` makes of bytes that are not UTF-8
_LONGEST_RECORD = 200_000  # characters; ten answers of the most that one may have
_LONGEST_LINE = 10_000_000  # characters of a line of JSON, which holds a whole thread
_SAMPLE_BYTES = 4096
_BROKEN_QUOTE = (
    f"a quote opens in this line that is not closed within {_LONGEST_RECORD:,} characters, or that has text "
    "behind its end; close it, and double the quotes inside of it"
)
_NOT_UTF8 = "it holds bytes that are not UTF-8; save the file as UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Something in a file that did not become a pair; the rows after it are read all the same.

    Attributes:
        line: The line where it starts, counted from 1; the row's number in a workbook.
        reason: What is wrong, and what to do.
    """

    line: int
    reason: str


class Row(NamedTuple):
    """A row that is not blank: the line where it starts, counted from 1, and its cells."""

    line: int
    cells: Sequence[object]


class JsonObject(NamedTuple):
    """A JSON object: its line, counted from 1, and its fields."""

    line: int
    fields: dict[str, object]


class _Record(NamedTuple):
    """Cells up to the offset `end`, a line break or the text's end; `broken_at` is a bad quote's offset."""

    cells: list[str]
    end: int
    broken_at: int | None = None


def decode_rows(data: bytes) -> str:
    """Decode a file of rows; line breaks come out as line feeds, and everything else stays.

    Bytes that are not UTF-8 inside of a file that is UTF-8 become lone surrogates, for
    `read_delimited` to report their rows.

    Raises:
        UndecodableText: If the file is UTF-16 or UTF-32 and broken.
    """
    encoding, mark_length = unicode_encoding(data)
    try:
        text = data[mark_length:].decode(encoding)
    except UnicodeDecodeError:
        text = _decode_other(data, encoding, mark_length)
    return _LINE_BREAK.sub("\n", text)


def _decode_other(data: bytes, encoding: str, mark_length: int) -> str:
    try:
        return decode_text(data)
    except UndecodableText:
        if encoding != "utf-8":
            raise
        return data[mark_length:].decode(encoding, errors="surrogateescape")


def read_delimited(text: str, *, delimiter: str) -> Iterator[Row | RowProblem]:
    """Read rows of cells; fields in quotes may hold delimiters, line breaks and doubled quotes.

    A quote that is not closed, or is followed by anything but a delimiter, is reported with the line
    where it opens, and reading goes on after that line: the rows below are not lost.

    Args:
        text: As `decode_rows` gives it.
        delimiter: One character.
    """
    field = _field_pattern(delimiter)
    start, line = 0, 1
    while start < len(text):
        record = _read_record(text, start, field, delimiter)
        if record.broken_at is not None:
            yield RowProblem(line=line + text.count("\n", start, record.broken_at), reason=_BROKEN_QUOTE)
        elif _UNDECODED.search(text, start, record.end):
            yield RowProblem(line=line, reason=_NOT_UTF8)
        elif any(not cell.isspace() for cell in record.cells if cell):
            yield Row(line, record.cells)
        line += text.count("\n", start, record.end) + 1
        start = record.end + 1


def read_json_lines(stream: BinaryIO) -> Iterator[JsonObject | RowProblem]:
    """Read one JSON object a line; blank lines are passed over. Holds one line at a time."""
    for number, line in enumerate(_lines(stream), 1):
        if len(line) >= _LONGEST_LINE:
            yield RowProblem(
                line=number, reason=f"the line has {_LONGEST_LINE:,} characters or more; split it"
            )
        elif _UNDECODED.search(line):
            yield RowProblem(line=number, reason=_NOT_UTF8)
        elif line.strip():
            yield _json_object(line, number)


def _field_pattern(delimiter: str) -> re.Pattern[str]:
    mark = re.escape(delimiter)
    return re.compile(rf' *"(?P<quoted>(?:[^"]++|"")*+)" *(?={mark}|\n|\Z)|(?P<plain>[^{mark}\n]*+)')


def _read_record(text: str, start: int, field: re.Pattern[str], delimiter: str) -> _Record:
    line_end = _line_end(text, start)
    line = text[start:line_end]
    if '"' not in line:
        return _Record(line.split(delimiter), line_end)
    limit = min(len(text), max(line_end, start + _LONGEST_RECORD))
    cells: list[str] = []
    position = start
    while True:
        match = field.match(text, position, limit)
        assert match is not None, "the pattern matches the empty string"
        quoted = match["quoted"]
        if quoted is None and match["plain"].lstrip(" ").startswith('"'):
            return _Record(cells, _line_end(text, position), broken_at=position)
        cells.append(match["plain"] if quoted is None else quoted.replace('""', '"'))
        position = match.end()
        if position == len(text) or text[position] == "\n":
            return _Record(cells, position)
        if position == limit:
            return _Record(cells, line_end, broken_at=start)
        position += 1


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Lines as they end in line feeds, and in nothing else that Unicode counts as a line's end."""
    stream.seek(0)
    encoding, mark_length = unicode_encoding(stream.read(_SAMPLE_BYTES))
    stream.seek(mark_length)
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    reader = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="\n")
    try:
        while line := reader.readline(_LONGEST_LINE):
            yield line
            while len(line) >= _LONGEST_LINE and not line.endswith("\n"):
                line = reader.readline(_LONGEST_LINE)
    finally:
        reader.detach()


def _json_object(line: str, number: int) -> JsonObject | RowProblem:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RowProblem(line=number, reason=f"the line is not valid JSON: {error}")
    if not isinstance(fields, dict):
        return RowProblem(line=number, reason="the line holds no JSON object; write one object a line")
    return JsonObject(number, fields)

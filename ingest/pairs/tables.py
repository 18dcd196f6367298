"""Tables with questions and answers: CSV and its kin, Excel workbooks, and JSON lines."""

import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from ingest.document import clean_text
from ingest.errors import DamagedFile, IngestError
from ingest.formats.writer import single_line
from ingest.pairs.markup_text import UnusableText, readable_answer, readable_question
from ingest.pairs.records import PairRecord
from ingest.pairs.rows import JsonObject, Row, RowProblem, decode_rows, read_delimited, read_json_lines
from ingest.pairs.workbooks import is_workbook, read_sheets

_COLUMN_NAMES = {
    "question": ("question", "q", "prompt"),
    "answer": ("answer", "a", "response"),
    "uri": ("uri", "url", "source"),
    "product": ("product",),
    "weight": ("weight",),
}
_NEEDED = ("question", "answer")
_DELIMITERS = ",;\t|"
_JSON_ENDINGS = frozenset({".jsonl", ".ndjson"})
_OBJECTS_LOOKED_AT = 100  # of a file of JSON lines, to find the columns
_COLUMNS_SHOWN = 20


class ColumnsMissing(IngestError):
    """A table has no column of questions, or none of answers."""

    reason = "columns_missing"


def read_table(data: bytes, *, name: str) -> Iterator[PairRecord | RowProblem]:
    """Read the pairs of a table.

    Columns are told by their names, upper and lower case alike, in the first row that is not blank:

    - ``question`` (or ``q``, ``prompt``) and ``answer`` (or ``a``, ``response``) must be there;
    - ``uri`` (or ``url``, ``source``), ``product`` and ``weight`` (above 0, at most 1) may be;
    - all others, ``origin`` too, are passed over.

    CSV may be delimited by commas, semicolons, tabs or bars. Of a workbook, the first sheet with
    the columns is read. HTML in answers becomes text.

    Args:
        data: The whole file.
        name: Its name; ``.jsonl`` and ``.ndjson`` say that it is JSON lines, even if its beginning is broken.

    Returns:
        Pairs and problems in the order of the rows, read as they are asked for. Blank rows are passed over.

    Raises:
        ColumnsMissing: If it has no such columns.
        DamagedFile: If it is a workbook that is cut short or declares XML entities.
        UnpacksTooLarge: If it is a workbook that unpacks to far more than a table of pairs holds.
        UndecodableText: If it is UTF-16 or UTF-32 and broken.
    """
    if is_workbook(data):
        return _read_workbook(data)
    is_json = (
        PurePath(name).suffix.lower() in _JSON_ENDINGS or data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    )
    return _read_objects(data) if is_json else _read_text(decode_rows(data))


def _read_workbook(data: bytes) -> Iterator[PairRecord | RowProblem]:
    found: list[str] = []
    for rows in read_sheets(data):
        header = next(rows, None)
        names = _column_names(header)
        if _has_needed(names):
            return _read_rows(rows, names)
        found += names
    raise _columns_missing(found)


def _read_text(text: str) -> Iterator[PairRecord | RowProblem]:
    """Read CSV with the delimiter that makes columns of its first row; else tell what the best one finds."""
    found: list[str] = []
    for delimiter in _DELIMITERS:
        rows = read_delimited(text, delimiter=delimiter)
        names = _column_names(next(rows, None))
        if _has_needed(names):
            return _read_rows(rows, names)
        found = max(found, names, key=len)
    raise _columns_missing(found)


def _read_objects(data: bytes) -> Iterator[PairRecord | RowProblem]:
    lines = read_json_lines(io.BytesIO(data))
    objects = (line for line in lines if isinstance(line, JsonObject))
    first = [_normal_names(each.fields) for each in itertools.islice(objects, _OBJECTS_LOOKED_AT)]
    if not any(map(_has_needed, first)):
        raise _columns_missing(first[0] if first else [])
    return map(_read_object, read_json_lines(io.BytesIO(data)))


def _read_object(line: JsonObject | RowProblem) -> PairRecord | RowProblem:
    if isinstance(line, RowProblem):
        return line
    columns = _columns(_normal_names(line.fields))
    return _read_row(Row(line.line, list(line.fields.values())), columns, width=len(line.fields))


def _read_rows(rows: Iterator[Row | RowProblem], names: Sequence[str]) -> Iterator[PairRecord | RowProblem]:
    columns = _columns(names)
    width = max(position for position, name in enumerate(names) if name) + 1
    for row in rows:
        yield row if isinstance(row, RowProblem) else _read_row(row, columns, width=width)


def _column_names(header: Row | RowProblem | None) -> list[str]:
    """The names in a first row; none where that row is broken or there is none."""
    return _normal_names(map(_text, header.cells)) if isinstance(header, Row) else []


def _normal_names(names: Iterator[str] | Mapping[str, object]) -> list[str]:
    return [single_line(clean_text(name)).casefold() for name in names]


def _columns(names: Sequence[str]) -> dict[str, int]:
    """The position of each column, by the first of its names that is there."""
    return {
        column: names.index(found[0])
        for column, synonyms in _COLUMN_NAMES.items()
        if (found := [name for name in synonyms if name in names])
    }


def _has_needed(names: Sequence[str]) -> bool:
    columns = _columns(names)
    return all(column in columns for column in _NEEDED)


def _columns_missing(found: Sequence[str]) -> ColumnsMissing:
    shown = [name[:_COLUMNS_SHOWN] for name in found if name][:_COLUMNS_SHOWN]
    return ColumnsMissing(
        f"the columns found are {', '.join(shown) or 'none'}; needed are question (or q, prompt) and answer "
        "(or a, response), named in the first row or in every JSON object"
    )


def _read_row(row: Row, columns: Mapping[str, int], *, width: int) -> PairRecord | RowProblem:
    try:
        _refuse_more_cells(row, width)
        cells = {
            column: _text(row.cells[position])
            for column, position in columns.items()
            if position < len(row.cells)
        }
        return PairRecord(
            question=readable_question(cells.get("question", "")),
            answer=readable_answer(cells.get("answer", "")),
            method="table",
            weight=_weight(cells.get("weight", "")),
            uri=single_line(clean_text(cells.get("uri", ""))) or None,
            product=single_line(clean_text(cells.get("product", ""))) or None,
            line=row.line,
        )
    except (UnusableText, DamagedFile) as error:
        return RowProblem(line=row.line, reason=str(error))


def _refuse_more_cells(row: Row, width: int) -> None:
    if any(_text(cell).strip() for cell in row.cells[width:]):
        raise UnusableText(
            f"it has more cells than the {width} columns; put quotes around cells that hold delimiters"
        )


def _text(cell: object) -> str:
    """What a cell says: numbers as they are written, nothing for an empty one.

    Raises:
        UnusableText: If it is a JSON list or object.
    """
    if cell is None:
        return ""
    if isinstance(cell, (list, dict)):
        raise UnusableText("a cell holds a JSON list or object; write text or a number")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _weight(cell: str) -> float:
    if not cell.strip():
        return 1.0
    try:
        weight = float(cell)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1:
        raise UnusableText(f"the weight is {cell.strip()[:40]!r}; write a number above 0 and at most 1")
    return weight

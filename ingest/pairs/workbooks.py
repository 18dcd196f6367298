"""Excel workbooks (.xlsx) as rows of cells, sheet by sheet."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from ingest.errors import DamagedFile, UnpacksTooLarge
from ingest.pairs.rows import Row, RowProblem

_MAX_PARTS = 10_000
_MAX_UNPACKED_BYTES = 128 * 2**20  # 100,000 answers of 1,000 characters, with their markup
_MAX_RATIO = 200  # sheets of short, similar rows reach 60
_RATIO_FROM_BYTES = 16 * 2**20  # smaller ones harm nobody
_CHUNK_BYTES = 2**20
_DECLARATIONS = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_LONGEST_DECLARATION = max(map(len, _DECLARATIONS))
_MOST_ROWS = 2**20  # as Excel has it; a row that states a higher number would stand behind blank ones
_ARCHIVE = b"PK\x03\x04"
_WORKBOOK_PART = "xl/workbook.xml"
_DAMAGED = 'the file is cut short or is not a workbook; save it as "Excel workbook (.xlsx)" again'
_UNREADABLE = (
    *(InvalidFileException, zipfile.BadZipFile, zlib.error, EOFError, OSError, SyntaxError),
    *(AttributeError, LookupError, RuntimeError, TypeError, ValueError),
)


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are an Excel workbook, or the beginning of one."""
    if not data.startswith(_ARCHIVE):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _WORKBOOK_PART in archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return b"xl/" in data


def read_sheets(data: bytes) -> Iterator[Iterator[Row | RowProblem]]:
    """The rows of each sheet, blank ones left out; a formula's cell holds the value that Excel computed.

    The shared texts of a workbook are in memory at once, its rows are not.

    Raises:
        DamagedFile: If the file is cut short, is no workbook, or declares XML entities.
        UnpacksTooLarge: If it unpacks to far more than a table of pairs holds.
    """
    _refuse_unsafe(data)
    try:
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except _UNREADABLE as error:
        raise DamagedFile(_DAMAGED) from error
    return (_read_rows(sheet) for sheet in workbook.worksheets)


def _read_rows(sheet: Any) -> Iterator[Row | RowProblem]:
    line = 0
    try:
        sheet.reset_dimensions()  # what a sheet states of its own size is often wrong
        rows = sheet.iter_rows(max_row=_MOST_ROWS, values_only=True)
        for line, cells in enumerate(rows, 1):
            if cells.count(None) < len(cells):
                yield Row(line, [_plain(cell) for cell in cells])
    except _UNREADABLE as error:
        if line == 0:
            raise DamagedFile(_DAMAGED) from error
        yield RowProblem(line=line + 1, reason=f"the sheet is damaged from this row on; {_DAMAGED}")


def _plain(cell: object) -> object:
    """A cell without the mark that Excel leaves for the line breaks of old systems."""
    return cell.replace("_x000D_", "") if isinstance(cell, str) else cell


def _refuse_unsafe(data: bytes) -> None:
    """Refuse a file by what it truly unpacks to, before anything reads it as XML."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_bomb(archive.infolist(), packed_bytes=len(data))
            for entry in archive.infolist():
                _refuse_declarations(archive, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise DamagedFile(_DAMAGED) from error


def _refuse_bomb(entries: list[zipfile.ZipInfo], *, packed_bytes: int) -> None:
    """`zipfile` never unpacks more of a part than its directory states, so what is stated is the bound."""
    stated_bytes = sum(entry.file_size for entry in entries)
    most_bytes = min(_MAX_UNPACKED_BYTES, max(packed_bytes * _MAX_RATIO, _RATIO_FROM_BYTES))
    if stated_bytes > most_bytes or len(entries) > _MAX_PARTS:
        raise UnpacksTooLarge(
            f"the workbook of {packed_bytes:,} bytes unpacks to {stated_bytes:,} bytes, {len(entries):,} "
            f"parts; at most {most_bytes:,} bytes and {_MAX_PARTS:,} parts are read; split it, or save it "
            "as CSV"
        )


def _refuse_declarations(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    with archive.open(entry) as stream:
        tail = b""
        while chunk := stream.read(_CHUNK_BYTES):
            if any(declaration in tail + chunk for declaration in _DECLARATIONS):
                raise DamagedFile(
                    f"{entry.filename} declares XML entities, which Excel never writes; save it again"
                )
            tail = chunk[-_LONGEST_DECLARATION:]

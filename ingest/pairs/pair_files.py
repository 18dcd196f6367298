"""Files of pairs of any kind that is read: tables and exports of threads, told by their content."""

import io
import itertools
from collections.abc import Iterator
from typing import BinaryIO

from ingest.decoding import unicode_encoding
from ingest.errors import EmptyFile, UnsupportedType
from ingest.file_signatures import detect_signature, refuse_binary
from ingest.pairs.records import PairRecord
from ingest.pairs.rows import JsonObject, RowProblem, read_json_lines
from ingest.pairs.stack_exchange import HEAD_BYTES, is_posts
from ingest.pairs.tables import read_table
from ingest.pairs.threads import read_threads
from ingest.pairs.workbooks import is_workbook

_LINES_LOOKED_AT = 100
_MARK_AND_SPACE = b"\xef\xbb\xbf \t\r\n"
_NO_PAIRS = (
    "this is no file of pairs; give a table with question and answer columns (CSV, .xlsx, JSON lines), or "
    "threads (Stack Exchange's Posts.xml, JSON lines with answers)"
)


def read_pair_file(
    data: bytes | BinaryIO, *, name: str, address: str = ""
) -> Iterator[PairRecord | RowProblem]:
    """Read the pairs of a file, whichever kind it is.

    XML with posts, and JSON lines whose first object has a list of answers, are threads (see
    `read_threads`); all other text and workbooks are tables (see `read_table`).

    Args:
        data: The file, in memory or open. A table is read into memory as a whole, threads are not.
        name: Its name; its ending helps where the beginning is broken.
        address: What stands before a thread's id in its address.

    Returns:
        Pairs and problems, read as they are asked for.

    Raises:
        EmptyFile: If it holds nothing but white space.
        UnsupportedType: If it is something else: another XML, a picture, a document.
        EncryptedDocument: If it is a workbook with a password.
        IngestError: What `read_table` and `read_threads` raise.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if not head.strip(_MARK_AND_SPACE):
        raise EmptyFile("the file is empty or begins with nothing but white space; check that it was saved")
    first = head.lstrip(_MARK_AND_SPACE)[:1]
    if is_posts(head) or (first == b"{" and _has_answers(stream)):
        return read_threads(stream, name=name, address=address)
    if first in {b"<", b"["}:
        raise UnsupportedType(_NO_PAIRS)
    stream.seek(0)
    whole = stream.read()
    if not is_workbook(whole):
        _refuse_others(whole, name)
    return read_table(whole, name=name)


def _has_answers(stream: BinaryIO) -> bool:
    """Whether the first line that is a JSON object is a thread."""
    lines = itertools.islice(read_json_lines(stream), _LINES_LOOKED_AT)
    first = next((line for line in lines if isinstance(line, JsonObject)), None)
    return first is not None and isinstance(first.fields.get("answers"), list)


def _refuse_others(data: bytes, name: str) -> None:
    try:
        found = detect_signature(data, name=name)
        if unicode_encoding(data) == ("utf-8", 0):
            refuse_binary(data)
    except UnsupportedType as error:
        raise UnsupportedType(_NO_PAIRS) from error
    if found is not None:
        raise UnsupportedType(_NO_PAIRS)

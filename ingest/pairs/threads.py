"""Exports of question threads: Stack Exchange's XML dump, and JSON lines."""

import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO, TypeVar

from ingest.document import clean_text
from ingest.formats.writer import single_line
from ingest.pairs.markup_text import UnusableText
from ingest.pairs.records import PairRecord
from ingest.pairs.rows import JsonObject, RowProblem, read_json_lines
from ingest.pairs.stack_exchange import HEAD_BYTES, read_posts
from ingest.pairs.votes import Answer, Thread, read_thread

_MARK_AND_SPACE = b"\xef\xbb\xbf \t\r\n"
_Field = TypeVar("_Field")


def read_threads(
    data: bytes | BinaryIO, *, name: str, address: str = ""
) -> Iterator[PairRecord | RowProblem]:
    """Read one pair a thread: its title and its best answer.

    The best answer is the accepted one, unless another has at least twice its votes and 5 more;
    without one, the answer with the most votes. Votes, acceptance and views give the weight, see
    `thread_weight`. Threads without an answer that can be used are reported, and so is an accepted
    answer that the file lacks (the best remaining one is taken then).

    Two forms are read. Stack Exchange's ``Posts.xml`` (see `read_posts` for the memory it takes), and
    JSON lines with one thread a line, of which one line is in memory at a time::

        {"id": 7, "url": "https://...", "title": "How do I ...?", "body": "...", "views": 120,
         "accepted": 9, "product": "...", "answers": [{"id": 9, "body": "...", "votes": 3}]}

    ``title`` and ``answers`` must be there, in each answer ``body``. Ids are numbers or texts. In
    place of ``accepted``, an answer may say ``"accepted": true``. Bodies are HTML, Markdown or text.

    Args:
        data: The file, in memory or open; an open one must be seekable, and stay open.
        name: Its name; ``.xml`` says that it is XML, even if its beginning is broken.
        address: What stands before a thread's id in its address, for threads without ``url``.

    Returns:
        Pairs and problems as they are asked for, in the order of the threads; problems of single
        answers in XML come first.

    Raises:
        DamagedFile: If it is XML that declares a document type or entities, or no dump of posts.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    stream.seek(0)
    is_xml = name.lower().endswith(".xml") or stream.read(HEAD_BYTES).lstrip(_MARK_AND_SPACE)[:1] == b"<"
    threads = read_posts(stream, address=address) if is_xml else _read_json(stream, address)
    return _pairs(threads)


def _pairs(threads: Iterator[Thread | RowProblem]) -> Iterator[PairRecord | RowProblem]:
    for thread in threads:
        if isinstance(thread, RowProblem):
            yield thread
        else:
            yield from read_thread(thread)


def _read_json(stream: BinaryIO, address: str) -> Iterator[Thread | RowProblem]:
    for line in read_json_lines(stream):
        if isinstance(line, RowProblem):
            yield line
            continue
        try:
            yield _thread(line, address)
        except UnusableText as error:
            yield RowProblem(line=line.line, reason=str(error))


def _thread(line: JsonObject, address: str) -> Thread:
    fields = line.fields
    thread_id = _id(fields, "id")
    answers = fields.get("answers")
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise UnusableText('the thread has no "answers" that are a list of objects')
    url = single_line(clean_text(_field(fields, "url", str, "")))
    accepted = _id(fields, "accepted") or next(
        (_id(answer, "id") for answer in answers if _field(answer, "accepted", bool, default=False)), ""
    )
    return Thread(
        id=thread_id,
        title=_field(fields, "title", str, ""),
        body=_field(fields, "body", str, ""),
        views=_field(fields, "views", int, 0),
        accepted=accepted or None,
        answers=[_answer(answer) for answer in answers],
        uri=url or (f"{address}{thread_id}" if address and thread_id else None),
        product=single_line(clean_text(_field(fields, "product", str, ""))) or None,
        line=line.line,
    )


def _answer(fields: Mapping[str, object]) -> Answer:
    return Answer(
        id=_id(fields, "id"), body=_field(fields, "body", str, ""), votes=_field(fields, "votes", int, 0)
    )


def _id(fields: Mapping[str, object], name: str) -> str:
    """An id as text, empty where there is none."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return single_line(clean_text(_field(fields, name, str, "")))


def _field(fields: Mapping[str, object], name: str, kind: type[_Field], default: _Field) -> _Field:
    """A field of one kind; the default where it is missing or null.

    Raises:
        UnusableText: If it is of another kind.
    """
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UnusableText(f'"{name}" is {str(value)[:40]!r}, which is not of type {kind.__name__}')
    return value

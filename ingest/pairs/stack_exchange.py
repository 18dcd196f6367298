"""Stack Exchange's XML dump of posts (Posts.xml), streamed."""

import re
import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO, NamedTuple
from xml.parsers import expat

from ingest.errors import DamagedFile
from ingest.pairs.markup_text import UnusableText
from ingest.pairs.rows import RowProblem
from ingest.pairs.votes import Answer, Thread

HEAD_BYTES = 65_536

_BEGINNING = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:(?:<\?.*?\?>|<!--.*?-->)\s*+)*+<posts[\s/>]",
    re.DOTALL,
)
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_QUESTION = "1"
_ANSWER = "2"
_SPOOLED_IN_MEMORY_BYTES = 64 * 2**20
_CHUNK_BYTES = 65_536
_LONGEST_NUMBER = 18  # digits


class _Row(NamedTuple):
    """A post: the line where its tag starts, counted from 1, and its attributes."""

    line: int
    attributes: dict[str, str]

    def text(self, name: str) -> str:
        """An attribute, empty where it is missing."""
        return self.attributes.get(name, "")

    def number(self, name: str) -> int:
        """An attribute as a whole number, 0 where it is missing.

        Raises:
            UnusableText: If it is anything else.
        """
        value = self.text(name) or "0"
        if not value.removeprefix("-").isdecimal() or len(value) > _LONGEST_NUMBER:
            raise UnusableText(f"post {self.text('Id')}: its {name} is {value[:40]!r}, not a whole number")
        return int(value)


class _StoredAnswer(NamedTuple):
    """An answer whose body waits in the spool."""

    id: str
    votes: int
    line: int
    offset: int
    length: int


def is_posts(head: bytes) -> bool:
    """Whether a file of XML that begins so is a dump of posts, sound or not."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<posts" in head


def read_posts(stream: BinaryIO, *, address: str) -> Iterator[Thread | RowProblem]:
    """Read threads from a dump, in the order of their questions.

    The file is read twice: once for the answers, whose bodies go to a temporary file without a name
    (in memory below 64 MiB), once for the questions. In memory at any time are one thread and, of
    each answer, five numbers: about 300 bytes.

    Args:
        stream: The file, at any position; it must be seekable.
        address: What stands before a question's id in its address; empty for no addresses.

    Raises:
        DamagedFile: If the file declares a document type or entities, or is no dump of posts in UTF-8.
            One that is broken further on gives the threads before that place, and a problem.
    """
    _refuse_others(stream)
    return _read_threads(stream, address)


def _read_threads(stream: BinaryIO, address: str) -> Iterator[Thread | RowProblem]:
    answers: dict[str, list[_StoredAnswer]] = {}
    with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_IN_MEMORY_BYTES) as spool:
        for row in _rows(stream):
            if isinstance(row, _Row) and row.text("PostTypeId") == _ANSWER:
                try:
                    answers.setdefault(row.text("ParentId"), []).append(_store(row, spool))
                except UnusableText as error:
                    yield RowProblem(line=row.line, reason=str(error))
        for row in _rows(stream):
            if isinstance(row, RowProblem):
                yield row
            elif row.text("PostTypeId") == _QUESTION:
                stored = answers.pop(row.text("Id"), [])
                yield _thread(row, [_answer(each, spool) for each in stored], address)
    for parent, orphans in answers.items():
        yield RowProblem(
            line=orphans[0].line,
            reason=f"it answers question {parent or '(no ParentId)'}, which is not in the file",
        )


def _refuse_others(stream: BinaryIO) -> None:
    """Let nothing reach the parser but a beginning that declares nothing."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if _BEGINNING.match(head):
        return
    if _DECLARATION.search(head):
        raise DamagedFile(
            "the XML declares a document type or entities, which a dump of posts never does; remove the "
            "declaration, or export the posts again"
        )
    raise DamagedFile("the XML does not begin with <posts> in UTF-8; give Posts.xml of a Stack Exchange dump")


def _rows(stream: BinaryIO) -> Iterator[_Row | RowProblem]:
    """The rows of one chunk after the other; a problem as the last one where the XML breaks off."""
    rows: list[_Row] = []
    parser = expat.ParserCreate("utf-8")

    def take(tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            rows.append(_Row(parser.CurrentLineNumber, attributes))

    parser.StartElementHandler = take
    stream.seek(0)
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            parser.Parse(chunk)
            yield from rows
            rows.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield from rows
        yield RowProblem(
            line=error.lineno,
            reason=f"the XML is broken here and nothing below is read ({expat.ErrorString(error.code)}); "
            "export the posts again",
        )


def _store(row: _Row, spool: IO[bytes]) -> _StoredAnswer:
    votes = row.number("Score")
    body = row.text("Body").encode()
    offset = spool.tell()
    spool.write(body)
    return _StoredAnswer(row.text("Id"), votes, row.line, offset, len(body))


def _answer(stored: _StoredAnswer, spool: IO[bytes]) -> Answer:
    spool.seek(stored.offset)
    return Answer(id=stored.id, body=spool.read(stored.length).decode(), votes=stored.votes)


def _thread(row: _Row, answers: list[Answer], address: str) -> Thread | RowProblem:
    post_id = row.text("Id")
    try:
        views = row.number("ViewCount")
    except UnusableText as error:
        return RowProblem(line=row.line, reason=str(error))
    return Thread(
        id=post_id,
        title=row.text("Title"),
        body=row.text("Body"),
        views=views,
        accepted=row.text("AcceptedAnswerId") or None,
        answers=answers,
        uri=f"{address}{post_id}" if address and post_id else None,
        line=row.line,
    )

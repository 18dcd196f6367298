"""A file's bytes as a parsed document, whatever type it is."""

from collections.abc import Callable

from ingest.decoding import decode_text
from ingest.detection import detect_bytes, detect_text
from ingest.document import ParsedDocument
from ingest.errors import EmptyFile, UnpacksTooLarge
from ingest.formats.docx import parse_docx
from ingest.formats.html import parse_html
from ingest.formats.markdown import parse_markdown
from ingest.formats.notebook import parse_notebook
from ingest.formats.pdf import parse_pdf
from ingest.formats.plain import parse_plain
from ingest.formats.restructuredtext import parse_restructuredtext
from ingest.formats.transcripts import parse_srt, parse_vtt
from ingest.media_types import MediaType
from ingest.pairs.records import parse_records

PARSER_VERSION = (
    "1"  # raised when the same bytes give another text or other blocks: documents are then read anew
)
DEFAULT_MAX_TEXT_CHARACTERS = 10_000_000  # twice the Bible

_BINARY_PARSERS: dict[MediaType, Callable[..., ParsedDocument]] = {
    MediaType.DOCX: parse_docx,
    MediaType.PAIRS: lambda data, name: parse_records(data),  # noqa: ARG005 - titles are in the records
    MediaType.PDF: parse_pdf,
}
_TEXT_PARSERS: dict[MediaType, Callable[..., ParsedDocument]] = {
    MediaType.HTML: parse_html,
    MediaType.MARKDOWN: parse_markdown,
    MediaType.NOTEBOOK: parse_notebook,
    MediaType.PLAIN: parse_plain,
    MediaType.RESTRUCTUREDTEXT: parse_restructuredtext,
    MediaType.SUBRIP: parse_srt,
    MediaType.WEBVTT: parse_vtt,
}


def parse(
    data: bytes, *, name: str, max_text_characters: int = DEFAULT_MAX_TEXT_CHARACTERS
) -> ParsedDocument:
    """Read a file of any type that is read here.

    Args:
        data: The whole file.
        name: The file's name. It breaks ties between types and is the last resort for a title.
        max_text_characters: The most text that one document may hold.

    Raises:
        IngestError: One of its kinds, with a message that says what is wrong and what to do. The
            message does not name the file.
    """
    media_type = detect_bytes(data, name=name)
    if media_type is None:
        return _parse_text(decode_text(data), name=name, max_text_characters=max_text_characters)
    document = _BINARY_PARSERS[media_type](data, name=name)
    _check_size(document.text, max_text_characters)
    return document


def _parse_text(text: str, *, name: str, max_text_characters: int) -> ParsedDocument:
    if not text.strip():
        raise EmptyFile("the file is empty or holds nothing but white space; check that it was saved")
    _check_size(text, max_text_characters)
    return _TEXT_PARSERS[detect_text(text, name=name)](text, name=name)


def _check_size(text: str, max_text_characters: int) -> None:
    if len(text) > max_text_characters:
        raise UnpacksTooLarge(
            f"it holds {len(text):,} characters of text, more than the {max_text_characters:,} that one "
            "document may have; split it"
        )

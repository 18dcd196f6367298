"""Which type a file is, by its content; its name only breaks ties."""

import re
from dataclasses import dataclass
from pathlib import PurePath

from ingest.decoding import decode_text, unicode_encoding
from ingest.errors import UnsupportedType
from ingest.file_signatures import detect_signature, refuse_binary
from ingest.media_types import MediaType
from ingest.pairs.records import is_records

_SAMPLE_CHARACTERS = 60_000
_WEB_PAGE = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(r"\s*<(?:\?xml\s|svg\s|!DOCTYPE\s)", re.IGNORECASE)
_HTML_TAG = re.compile(
    r"</?(?:p|div|h[1-6]|ul|ol|li|table|tr|td|span|section|article|br)\b[^<>]*>", re.IGNORECASE
)
_FEWEST_HTML_TAGS = 4
_WEBVTT = re.compile(r"\s*WEBVTT(?:[ \t\n]|$)")
_SUBRIP = re.compile(r"\s*\d+[ \t]*\n[ \t]*\d+:\d{1,2}:\d{1,2}[,.]\d+[ \t]*-->[ \t]*\d+:")
_NOTEBOOK_KEY = re.compile(r'"nbformat"\s*:')

_ENDINGS = {
    ".htm": MediaType.HTML,
    ".html": MediaType.HTML,
    ".ipynb": MediaType.NOTEBOOK,
    ".markdown": MediaType.MARKDOWN,
    ".md": MediaType.MARKDOWN,
    ".mdx": MediaType.MARKDOWN,
    ".rest": MediaType.RESTRUCTUREDTEXT,
    ".rst": MediaType.RESTRUCTUREDTEXT,
    ".srt": MediaType.SUBRIP,
    ".vtt": MediaType.WEBVTT,
    ".xhtml": MediaType.HTML,
}
_ENDINGS_OF_ANY_TEXT = frozenset({"", ".txt", ".text"})
_ENDING_POINTS = 2.5
_PLAIN_POINTS = 3.0


@dataclass(frozen=True, slots=True)
class _Sign:
    """A pattern that a markup language leaves, what a find is worth, and how many finds count."""

    pattern: re.Pattern[str]
    points: float
    most: int


def _sign(pattern: str, points: float, most: int) -> _Sign:
    return _Sign(re.compile(pattern, re.MULTILINE), points, most)


_SIGNS: dict[MediaType, tuple[_Sign, ...]] = {
    MediaType.RESTRUCTUREDTEXT: (
        _sign(r"^[ \t]*\.\. [\w:+-]+::(?:\s|$)", 3, 3),
        _sign(r"^\.\. _[^:\n]+:", 3, 2),
        _sign(r"(?<![\w`]):[\w:+-]+:`[^`\n]+`", 2, 3),
        _sign(r"(?<!`)``(?!`)[^`\n]+``(?!`)", 1, 3),
        _sign(r"`[^`\n]+<[^<>\n]+>`__?", 3, 2),
        _sign(r"^\S.*[^:\s]::$", 1.5, 2),
        _sign(r"^(?=\S).{2,200}\n(?:=|-){3,}$", 1, 3),
        _sign(r"^(?=\S).{2,200}\n(?:~{3,}|\^{3,}|\"{3,}|'{3,}|\*{3,}|\+{3,})$", 2.5, 2),
        _sign(r"^(?P<line>={3,}|-{3,}|\*{3,}|#{3,})\n[^\n]{1,200}\n(?P=line)$", 3, 1),
    ),
    MediaType.MARKDOWN: (
        _sign(r"(?:\A|\n[ \t]*\n)#{1,6}[ \t]+\S.*\n[ \t]*(?:\n|\Z)", 2, 3),
        _sign(r"\A#[ \t]+\S", 1, 1),
        _sign(r"^[ \t]*```", 1, 4),
        _sign(r"^[ \t]*(?:`{3,}|:{3,})\{[\w:.-]+\}", 3, 2),
        _sign(r"\{[\w:.-]+\}`[^`\n]+`", 2, 2),
        _sign(r"(?<![`\\])\[[^\]\[\n]+\]\([^()\s]+\)", 2, 3),
        _sign(r"^(?=\S).{2,200}\n(?:=|-){3,}$", 1, 3),
        _sign(r"^[ \t]*(?:\|[ \t]*)?:?-{3,}:?[ \t]*\|[ \t:|-]*$", 2, 1),
        _sign(r"\A---[ \t]*\n[\w-]+:", 2, 1),
    ),
}


def detect_media_type(data: bytes, *, name: str) -> MediaType:
    """The type of a file.

    Args:
        data: The whole file.
        name: Its name; the ending breaks ties between types of text.

    Raises:
        UnsupportedType: If nothing here reads the type.
        EncryptedDocument: If the file is an Office file with a password.
        UndecodableText: If the file is none of the binary types and no text either.
    """
    return detect_bytes(data, name=name) or detect_text(decode_text(data), name=name)


def detect_bytes(data: bytes, *, name: str) -> MediaType | None:
    """The type of a file that is not text, or that this program wrote; None for other text.

    Raises:
        UnsupportedType: If nothing here reads the type.
        EncryptedDocument: If the file is an Office file with a password.
    """
    if is_records(data):
        return MediaType.PAIRS
    found = detect_signature(data, name=name)
    if found is None and unicode_encoding(data) == ("utf-8", 0):
        refuse_binary(data)
    return found


def detect_text(text: str, *, name: str) -> MediaType:
    """The type of a text.

    Raises:
        UnsupportedType: If it is XML of a kind that nothing here reads.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    ending = PurePath(name).suffix.lower()
    if _WEBVTT.match(sample):
        return MediaType.WEBVTT
    if _SUBRIP.match(sample):
        return MediaType.SUBRIP
    if _is_notebook(text, ending):
        return MediaType.NOTEBOOK
    if _WEB_PAGE.match(sample):
        return MediaType.HTML
    if _XML.match(sample):
        raise UnsupportedType("this looks like XML, which is not read here; save it as HTML, PDF or text")
    return _markup_type(sample, ending)


def _is_notebook(text: str, ending: str) -> bool:
    is_object = text.lstrip().startswith("{")
    return is_object and (_ENDINGS.get(ending) is MediaType.NOTEBOOK or bool(_NOTEBOOK_KEY.search(text)))


def _markup_type(sample: str, ending: str) -> MediaType:
    """The markup language that left the most signs; plain text where none left enough."""
    scores = {
        MediaType.MARKDOWN: _score(sample, _SIGNS[MediaType.MARKDOWN]),
        MediaType.RESTRUCTUREDTEXT: _score(_without_fences(sample), _SIGNS[MediaType.RESTRUCTUREDTEXT]),
    }
    if _is_html_fragment(sample, ending, markdown_score=scores[MediaType.MARKDOWN]):
        return MediaType.HTML
    scores = {MediaType.PLAIN: _PLAIN_POINTS, **scores}
    expected = _ENDINGS.get(ending, MediaType.PLAIN)
    if ending not in _ENDINGS_OF_ANY_TEXT and expected in scores:
        scores[expected] += _ENDING_POINTS if expected is MediaType.PLAIN else _PLAIN_POINTS + _ENDING_POINTS
    return max(scores, key=lambda language: (scores[language], language is expected))


def _without_fences(sample: str) -> str:
    """The text without Markdown's code fences, which may hold any other markup."""
    kept: list[str] = []
    inside = False
    for line in sample.split("\n"):
        is_fence = line.lstrip().startswith("```")
        inside ^= is_fence
        if not inside and not is_fence:
            kept.append(line)
    return "\n".join(kept)


def _score(sample: str, signs: tuple[_Sign, ...]) -> float:
    return sum(sign.points * min(sign.most, _count(sign, sample)) for sign in signs)


def _count(sign: _Sign, sample: str) -> int:
    """Finds of a pattern, counted no further than they matter."""
    finds = sign.pattern.finditer(sample)
    return sum(1 for _ in zip(finds, range(sign.most), strict=False))


def _is_html_fragment(sample: str, ending: str, *, markdown_score: float) -> bool:
    """Whether a text without ``<html>`` is HTML all the same: it begins with a tag and has many."""
    tags = sum(1 for _ in zip(_HTML_TAG.finditer(sample), range(_FEWEST_HTML_TAGS), strict=False))
    if _ENDINGS.get(ending) is MediaType.HTML:
        return tags > 0
    return sample.lstrip().startswith("<") and tags >= _FEWEST_HTML_TAGS and not markdown_score

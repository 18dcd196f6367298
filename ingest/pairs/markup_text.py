"""What a cell or a post says: HTML as readable text, plain text as it stands, within limits."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ingest.document import BlockKind, clean_text, visible_text
from ingest.errors import EmptyFile, IngestError
from ingest.formats.html import write_html
from ingest.formats.writer import BlockWriter, single_line
from ingest.media_types import MediaType

LONGEST_QUESTION = 1_000
LONGEST_ANSWER = 20_000

_BLOCK_NAMES = (
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure "
    "footer form h[1-6] head header hr html legend li main nav ol p pre script section style summary table "
    "tbody td tfoot th thead title tr ul"
)
_INLINE_NAMES = (
    "a abbr acronym audio b bdi bdo big br button caption cite code col colgroup data del dfn em embed font "
    "i iframe img input ins kbd label link mark meta noscript object option picture q s samp select small "
    "source span strike strong sub sup svg template textarea time tt u var video wbr"
)
_TAG = re.compile(
    rf"<(?P<closes>/?)(?P<name>{'|'.join(f'{_BLOCK_NAMES} {_INLINE_NAMES}'.split())})"
    r"(?P<attributes>\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_BLOCK_TAG = re.compile(rf"</?(?:{'|'.join(_BLOCK_NAMES.split())})(?:\s[^<>]*)?>", re.IGNORECASE)
_STRAY_BRACKET = re.compile(rf"<(?!!--|!doctype\b|{_TAG.pattern[1:]})", re.IGNORECASE)
_CODE_SPAN = re.compile(r"`[^`\n]+`")
_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[^`]*$")
_SHORTEST_FENCE = 3
_BACKTICKS = re.compile(r"`{3,}")


class UnusableText(IngestError):
    """A question or an answer that is empty or too long. It concerns one row, never a whole file."""

    reason = "unusable_text"


class TextPart(NamedTuple):
    """A stretch of a text: the code between two fences, or what stands around it."""

    is_code: bool
    text: str


def readable_question(raw: str) -> str:
    """A question on one line, without tags where it is HTML as a whole.

    Raises:
        UnusableText: If nothing is left, or more than `LONGEST_QUESTION` characters.
    """
    stripped = raw.strip()
    text = readable_text(raw) if stripped.startswith("<") and stripped.endswith(">") else raw
    return _within(single_line(clean_text(text)), "question", LONGEST_QUESTION)


def readable_answer(raw: str) -> str:
    """An answer as `readable_text` gives it.

    Raises:
        UnusableText: If nothing is left, or more than `LONGEST_ANSWER` characters.
        DamagedFile: If its tags nest deeper than any page's.
    """
    return _within(readable_text(raw), "answer", LONGEST_ANSWER)


def readable_text(text: str) -> str:
    """Text without HTML: paragraphs, lists with markers, code between fences; scripts are gone.

    Text is taken as HTML only where it has real tags: a tag that is closed again, one with an
    attribute, or a line break. ``a < b``, ``List<String>`` and tags inside of Markdown's code stay.

    Raises:
        DamagedFile: If the tags nest deeper than any page's.
    """
    visible = visible_text(text)
    if visible.lstrip().startswith("<"):
        return clean_text(_without_tags(visible) if _has_tags(visible) else visible)
    parts = list(text_parts(visible))
    if not any(not part.is_code and _has_tags(part.text) for part in parts):
        return clean_text(visible)
    texts = (as_fenced(part.text) if part.is_code else _readable_prose(part.text) for part in parts)
    return clean_text("\n\n".join(text for text in texts if text))


def text_parts(text: str) -> Iterator[TextPart]:
    """The code blocks between Markdown's fences, and the text around them, in reading order.

    A fence that is never closed reaches to the end. Parts of nothing but white space are left out.
    """
    fence = ""
    lines: list[str] = []
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        closes = bool(fence) and line.strip() == fence[0] * max(len(fence), len(line.strip()))
        if closes or (mark and not fence):
            yield from _part(lines, is_code=bool(fence))
            lines = []
            fence = "" if closes or mark is None else mark[1]
        else:
            lines.append(line)
    yield from _part(lines, is_code=bool(fence))


def as_fenced(code: str) -> str:
    """Code between fences that are longer than any inside of it."""
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=_SHORTEST_FENCE - 1)
    fence = "`" * (longest + 1)
    return f"{fence}\n{code}\n{fence}"


def _part(lines: list[str], *, is_code: bool) -> Iterator[TextPart]:
    text = "\n".join(lines)
    if text.strip():
        yield TextPart(is_code, text)


def _readable_prose(text: str) -> str:
    """Text between fences: a tag inside of a code span is meant to be read."""
    return _without_tags(_CODE_SPAN.sub(_escaped, text)) if _has_tags(text) else clean_text(text)


def _has_tags(text: str) -> bool:
    """Whether a text outside of code spans holds tags that are meant as tags."""
    opened: set[str] = set()
    for tag in _TAG.finditer(text if text.lstrip().startswith("<") else _CODE_SPAN.sub("", text)):
        name = tag["name"].lower()
        if name == "br" or "=" in (tag["attributes"] or "") or (tag["closes"] and name in opened):
            return True
        opened.add(name)
    return False


def _without_tags(text: str) -> str:
    """The blocks of HTML. Without a block's tag, line breaks and blank lines mean what they mean in text."""
    html = _STRAY_BRACKET.sub("&lt;", text)
    if not _BLOCK_TAG.search(html):
        html = _BLANK_LINES.sub("<p>", html).replace("\n", "<br>")
    writer = BlockWriter()
    write_html(writer, html)
    try:
        document = writer.build(media_type=MediaType.HTML, name="")
    except EmptyFile:
        return ""
    texts = [(block.kind, document.text[block.start : block.end]) for block in document.blocks]
    return "\n\n".join(as_fenced(block) if kind is BlockKind.CODE else block for kind, block in texts)


def _escaped(span: re.Match[str]) -> str:
    return span[0].replace("&", "&amp;").replace("<", "&lt;")


def _within(text: str, what: str, longest: int) -> str:
    if not text:
        raise UnusableText(f"the {what} is empty; fill it in or remove the row")
    if len(text) > longest:
        raise UnusableText(
            f"the {what} has {len(text):,} characters, more than {longest:,}; shorten it or split the row"
        )
    return text

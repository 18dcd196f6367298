"""Markdown (CommonMark with tables), with the directives and roles of MyST."""

import re
from collections.abc import Callable, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.document import ParsedDocument
from ingest.formats.html import write_html
from ingest.formats.myst import EVALUATED_RST, RAW_HTML, unfold_directives, without_front_matter
from ingest.formats.restructuredtext import write_restructuredtext
from ingest.formats.sphinx import role_text
from ingest.formats.writer import BlockWriter, single_line
from ingest.media_types import MediaType

_ROLE = re.compile(r"\{(?P<role>[\w:.+-]+)\}$")
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_DEEPEST_NESTING = 100  # deeper text is left out; the parser recurses
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def parse_markdown(text: str, *, name: str) -> ParsedDocument:
    """Read a Markdown document.

    Raises:
        EmptyFile: If nothing readable is left, for instance of a file with nothing but comments.
    """
    body, title = without_front_matter(text)
    writer = BlockWriter()
    write_markdown(writer, body)
    return writer.build(media_type=MediaType.MARKDOWN, name=name, title=title)


def write_markdown(writer: BlockWriter, text: str) -> None:
    """Write Markdown into an open document."""
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST_NESTING}).enable(["table", "strikethrough"])
    reader = _TokenReader(writer)
    for token in parser.parse(unfold_directives(text)):
        reader.take(token)


class _TokenReader:
    """Writes blocks from the parser's flat stream of tokens."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer
        self._text = ""
        self._rows: list[list[str]] = []
        self._actions: dict[str, Callable[[Token], None]] = {
            "inline": self._inline,
            "heading_close": self._heading,
            "paragraph_close": self._paragraph,
            "bullet_list_open": lambda _: writer.open_list(),
            "ordered_list_open": lambda token: writer.open_list(start=int(token.attrGet("start") or 1)),
            "bullet_list_close": lambda _: writer.close_list(),
            "ordered_list_close": lambda _: writer.close_list(),
            "list_item_open": lambda _: writer.open_item(),
            "fence": self._fence,
            "code_block": lambda token: writer.code(token.content),
            "html_block": lambda token: write_html(writer, token.content),
            "table_open": lambda _: self._rows.clear(),
            "tr_open": lambda _: self._rows.append([]),
            "th_close": self._cell,
            "td_close": self._cell,
            "table_close": lambda _: writer.table(self._rows),
        }

    def take(self, token: Token) -> None:
        """Write what the token completes."""
        action = self._actions.get(token.type)
        if action:
            action(token)

    def _inline(self, token: Token) -> None:
        self._text = inline_text(token.children or [])

    def _heading(self, token: Token) -> None:
        self._writer.heading(int(token.tag[1:]), self._text)

    def _paragraph(self, _token: Token) -> None:
        self._writer.paragraph(self._text)

    def _cell(self, _token: Token) -> None:
        self._rows[-1].append(self._text)

    def _fence(self, token: Token) -> None:
        info = token.info.strip()
        if info == EVALUATED_RST:
            self._evaluated_rst(token.content)
        elif info == RAW_HTML:
            write_html(self._writer, token.content)
        else:
            self._writer.code(token.content)

    def _evaluated_rst(self, source: str) -> None:
        try:
            write_restructuredtext(self._writer, source, base_level=self._writer.level)
        except RecursionError:  # nested deeper than docutils can follow: better its source than nothing
            self._writer.code(source)


def inline_text(tokens: Sequence[Token]) -> str:
    """What a reader sees of inline markup: code in backticks, links and images by their words.

    Line breaks of the source become spaces; hard ones stay.
    """
    parts: list[str] = []
    for position, token in enumerate(tokens):
        if token.type == "code_inline":
            _append_code(parts, token.content)
        elif token.type == "link_open" and tokens[position + 1].type == "link_close":
            parts.append(_target_words(str(token.attrGet("href") or "")))
        elif token.type == "image":
            parts.append(inline_text(token.children or []))
        elif token.type in {"text", "text_special"}:
            parts.append(token.content)
        else:
            parts.append(_white_space(token))
    lines = "".join(parts).split("\n")
    return "\n".join(line for line in map(single_line, lines) if line)


def _append_code(parts: list[str], content: str) -> None:
    """Append code in backticks, or what a MyST role before it makes of it."""
    role = _ROLE.search(parts[-1]) if parts else None
    if role:
        parts[-1] = parts[-1][: role.start()]
        parts.append(role_text(role["role"], content))
    else:
        parts.append(f"`{content}`")


def _target_words(target: str) -> str:
    """A link without words of its own reads as the page or label that it leads to."""
    return target if _SCHEME.match(target) else target.lstrip("#/")


def _white_space(token: Token) -> str:
    if token.type == "hardbreak" or (token.type == "html_inline" and _LINE_BREAK_TAG.match(token.content)):
        return "\n"
    return " " if token.type == "softbreak" else ""

"""A Sphinx directive's source lines as docutils nodes that a reader can read."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from docutils import nodes

from ingest.formats.signatures import Anchor, Labelled, Signature
from ingest.formats.sphinx import Treatment, lead_in_of, plain_name, signature_of, treatment_of
from ingest.formats.writer import single_line

_CARD_RULE = re.compile(r"\^{3,}|\+{3,}")
_OPTION = re.compile(r":([\w-]+):(?:[ \t]+(.*)|$)")


class MarkupParser(Protocol):
    """Parses what stands inside of a directive."""

    def content_nodes(self, lines: Sequence[str]) -> list[nodes.Node]:
        """The nodes of content lines, which may have section titles of their own."""

    def title_text(self, source: str) -> str:
        """A line of inline markup as a reader sees it."""


@dataclass(frozen=True, slots=True)
class DirectiveSource:
    """A directive's parts.

    Attributes:
        name: As written, in lower case.
        argument: The lines on and right below the marker, up to an option or a blank line.
        options: Option values by name.
        content: The lines below, without the indentation that they share.
    """

    name: str
    argument: tuple[str, ...]
    options: dict[str, str]
    content: tuple[str, ...]

    @classmethod
    def from_lines(
        cls, name: str, lines: Sequence[str], *, one_line_argument: bool = False
    ) -> "DirectiveSource":
        """Split the lines after ``.. name::``; the first one is what stands on the marker's line."""
        argument_end = _argument_end(lines, one_line=one_line_argument)
        options, content_start = _options(lines, argument_end)
        content = textwrap.dedent("\n".join(lines[content_start:])).strip("\n")
        return cls(
            name=name.lower(),
            argument=tuple(line.strip() for line in lines[:argument_end] if line.strip()),
            options=options,
            content=tuple(content.split("\n")) if content.strip() else (),
        )


def directive_nodes(name: str, lines: Sequence[str], parser: MarkupParser) -> list[nodes.Node]:
    """What a directive leaves in the text.

    Args:
        name: The directive's name, with or without a domain; any name will do.
        lines: The source lines after ``.. name::``, the first one on the same line.
        parser: Parses the directive's content and title.
    """
    treatment = treatment_of(name)
    if treatment is Treatment.DROP:
        return []
    source = DirectiveSource.from_lines(
        name, lines, one_line_argument=treatment in {Treatment.CODE, Treatment.VERSION_NOTE}
    )
    return _MAKERS[treatment](source, parser)


def _argument_end(lines: Sequence[str], *, one_line: bool) -> int:
    """Number of leading lines that are the argument; none where the marker's own line is empty."""
    if not lines or not lines[0].strip() or _OPTION.match(lines[0].strip()):
        return 0
    if one_line:
        return 1
    for position, line in enumerate(lines):
        if not line.strip() or _OPTION.match(line.strip()):
            return position
    return len(lines)


def _options(lines: Sequence[str], start: int) -> tuple[dict[str, str], int]:
    """Options by name from line `start`, and the line at which the content begins."""
    options: dict[str, str] = {}
    position = start + (start == 0 and bool(lines) and not lines[0].strip())
    name = ""
    while position < len(lines) and lines[position].strip():
        match = _OPTION.match(lines[position].strip())
        if match is None and not (name and lines[position][:1].isspace()):
            break
        name, value = (match[1], match[2] or "") if match else (name, lines[position].strip())
        options[name] = f"{options.get(name, '')} {value}".strip()
        position += 1
    return options, position


def _module(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    module = " ".join(source.argument)
    synopsis = parser.title_text(source.options.get("synopsis", ""))
    shown = f"Module `{module}`: {synopsis}" if synopsis else f"Module `{module}`"
    return [Anchor(label=f"{module}: {synopsis}", shown=shown), *parser.content_nodes(source.content)]


def _code(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    formula = source.argument if plain_name(source.name) == "math" else ()
    code = "\n".join((*formula, *source.content))
    found: list[nodes.Node] = [nodes.literal_block(code, code)] if code.strip() else []
    caption = parser.title_text(source.options.get("caption", ""))
    return [Labelled("", *found, label=caption)] if caption and found else found


def _content(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    alternative = source.options.get("alt", "")
    image = [nodes.paragraph("", alternative)] if alternative else []
    return [*image, *parser.content_nodes(source.content)]


def _admonition(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    lines = [*source.argument, "", *source.content]
    return [Labelled("", *parser.content_nodes(lines), label=lead_in_of(source.name))]


def _version_note(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    version, _, explanation = " ".join(source.argument).partition(" ")
    lines = [explanation, *source.content]
    return [Labelled("", *parser.content_nodes(lines), label=lead_in_of(source.name, version))]


def _signature(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    label = ", ".join(signature_of(source.name, line) for line in _joined_lines(source.argument))
    directive = plain_name(source.name)
    return (
        [Signature("", *parser.content_nodes(source.content), label=label, directive=directive)]
        if label
        else []
    )


def _joined_lines(lines: Sequence[str]) -> list[str]:
    """Signatures, one a line; one that leaves a bracket open or ends in a backslash takes in the next."""
    joined: list[str] = []
    for line in lines:
        open_brackets = joined and joined[-1].count("(") > joined[-1].count(")")
        if joined and (open_brackets or joined[-1].endswith("\\")):
            joined[-1] = f"{joined[-1].rstrip(chr(92))} {line}"
        else:
            joined.append(line)
    return joined


def _names(source: DirectiveSource, _parser: MarkupParser) -> list[nodes.Node]:
    names = [
        line.strip().removeprefix("~")
        for line in source.content
        if not _OPTION.match(line.strip()) and line.strip()
    ]
    items = [nodes.list_item("", nodes.paragraph("", "", nodes.literal("", name))) for name in names]
    return [nodes.bullet_list("", *items)] if items else []


def _image(source: DirectiveSource, _parser: MarkupParser) -> list[nodes.Node]:
    return [nodes.image(alt=source.options.get("alt", ""))]


def _raw(source: DirectiveSource, _parser: MarkupParser) -> list[nodes.Node]:
    """HTML that is passed through; what is raw for LaTeX and the like has no readers here."""
    html = "\n".join(source.content)
    return [nodes.raw("", html, format="html")] if "html" in source.argument else []


def _titled(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    """Content with a title, or a title alone."""
    title = parser.title_text(" ".join(source.argument))
    content = parser.content_nodes(source.content)
    if title and content:
        return [Labelled("", *content, label=title)]
    return content or [nodes.paragraph("", title)]


def _card(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    """A card, without the lines that part its header and its footer from its body."""
    lines = tuple("" if _CARD_RULE.fullmatch(line.strip()) else line for line in source.content)
    return _titled(replace(source, content=lines), parser)


def _tab(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    """A tab, unless all that it holds is a file that is included from elsewhere."""
    content = parser.content_nodes(source.content)
    title = parser.title_text(" ".join(source.argument))
    return [Labelled("", *content, label=title)] if content else []


def _named(source: DirectiveSource, parser: MarkupParser) -> list[nodes.Node]:
    """A directive that is not known: with content a title, without it the name of something."""
    if source.content or not source.argument:
        return _titled(source, parser)
    name = source.options.get("prog") or single_line(" ".join(source.argument))
    return [Anchor(label=name, shown=f"{source.name.rsplit(':', 1)[-1]}: `{name}`")]


_MAKERS: dict[Treatment, Callable[[DirectiveSource, MarkupParser], list[nodes.Node]]] = {
    Treatment.CODE: _code,
    Treatment.CONTENT: _content,
    Treatment.ADMONITION: _admonition,
    Treatment.VERSION_NOTE: _version_note,
    Treatment.SIGNATURE: _signature,
    Treatment.NAMES: _names,
    Treatment.IMAGE: _image,
    Treatment.MODULE: _module,
    Treatment.RAW: _raw,
    Treatment.CARD: _card,
    Treatment.TAB: _tab,
    Treatment.TITLED: _titled,
    Treatment.NAMED: _named,
}

"""reStructuredText, with the directives and roles of Sphinx, through docutils.

docutils keeps its directives and roles in tables that the whole process shares. Nothing is
registered there: this parser has its own states, which treat every directive and role themselves.
Files are never included, nothing is fetched, and raw HTML is left out.
"""

import functools
import re
import threading
from collections.abc import Sequence
from typing import Any

from docutils import frontend, nodes, statemachine, utils
from docutils.parsers import rst
from docutils.parsers.rst import states
from docutils.transforms import references

from ingest.document import ParsedDocument
from ingest.formats.directives import directive_nodes
from ingest.formats.doctree import DoctreeReader, inline_text
from ingest.formats.plain import parse_plain
from ingest.formats.sphinx import role_text
from ingest.formats.writer import BlockWriter, single_line
from ingest.media_types import MediaType

_BUILT_IN = frozenset({"replace", "unicode", "table", "csv-table", "list-table"})
_DIRECTIVE = states.Body.explicit.constructs[-1][1]
_SETTINGS_LOCK = threading.Lock()
_INCLUSION_END = 'end of inclusion from "'
_LONGEST_PARAGRAPH = 10_000  # docutils looks for the end of each unclosed quote in all that follows
_NEVER = 6  # one above docutils' gravest message


def parse_restructuredtext(text: str, *, name: str) -> ParsedDocument:
    """Read a reStructuredText document; what docutils can't follow is read as plain text.

    Raises:
        EmptyFile: If nothing readable is left, for instance of a file with nothing but comments.
    """
    writer = BlockWriter()
    try:
        write_restructuredtext(writer, text)
    except RecursionError:  # nested deeper than docutils, which recurses, can follow
        return parse_plain(text, name=name)
    return writer.build(media_type=MediaType.RESTRUCTUREDTEXT, name=name)


def write_restructuredtext(writer: BlockWriter, text: str, *, base_level: int = 0) -> None:
    """Write reStructuredText into an open document, its sections below `base_level`.

    Raises:
        RecursionError: If the markup nests too deeply.
    """
    document = utils.new_document("", _settings(len(text)))
    parser = rst.Parser(inliner=_inliner())
    parser.state_classes = list(_STATE_CLASSES)
    parser.parse(text, document)
    references.Footnotes(document).apply()
    DoctreeReader(writer, document, base_level=base_level).read()


def _settings(text_length: int) -> Any:
    with _SETTINGS_LOCK:
        settings = _default_settings().copy()
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings.report_level = settings.halt_level = _NEVER
    settings.warning_stream = False
    settings.syntax_highlight = "none"
    settings.smart_quotes = False
    settings.line_length_limit = text_length + 1
    return settings


@functools.cache
def _default_settings() -> Any:
    """Docutils' own settings, made once: making them is slow, and silences warnings for all threads."""
    return frontend.get_default_settings(rst.Parser)


def _inliner() -> states.Inliner:
    """Inline markup where every role is known, and where very long paragraphs stay as they are.

    Methods are replaced on the instance: docutils reads its patterns from the instance's own class,
    which a subclass would leave empty.
    """
    inliner = states.Inliner()
    parse_markup = inliner.parse

    def parse(text: str, lineno: int, memo: Any, parent: Any) -> Any:
        if len(text) > _LONGEST_PARAGRAPH:
            return [nodes.Text(text)], []
        return parse_markup(text, lineno, memo, parent)

    inliner.parse = parse  # type: ignore[method-assign]
    inliner.interpreted = _interpreted  # type: ignore[assignment, method-assign]
    return inliner


def _interpreted(
    rawsource: str, text: str, role: str, _line: int
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Replace ``:role:`text``` by what a reader sees of it."""
    return [nodes.inline(rawsource, role_text(role or "", nodes.unescape(text)))], []


class _SphinxDirectives:
    """Treats directives in the place of docutils' own table; goes before a docutils state."""

    nested_sm_cache: list[Any] = []  # noqa: RUF012  docutils' own cache holds machines with its own states

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.nested_sm_kwargs = {"state_classes": list(_STATE_CLASSES), "initial_state": "Body"}

    def explicit_construct(self: Any, match: re.Match[str]) -> tuple[list[nodes.Node], bool]:
        """Take directives before docutils looks them up in its table."""
        found = _DIRECTIVE.match(match.string)
        if found:
            return self.directive(found)  # type: ignore[no-any-return]
        return super().explicit_construct(match)  # type: ignore[misc, no-any-return]

    def comment(self: Any, match: re.Match[str]) -> tuple[list[nodes.Node], bool]:
        """Leave a comment out; one that poses as the end of an included file ends an empty log."""
        if match.string[match.end() :].strip().startswith(_INCLUSION_END):
            self.document.include_log.append(("", ()))
        return super().comment(match)  # type: ignore[misc, no-any-return]

    def directive(self: Any, match: re.Match[str], **presets: Any) -> tuple[list[nodes.Node], bool]:
        """Turn a directive into nodes; none of them is an error."""
        if match[1].lower() in _BUILT_IN:
            return super().directive(match, **presets)  # type: ignore[misc, no-any-return]
        machine = self.state_machine
        indented, _, _, blank_finish = machine.get_first_known_indented(match.end(), strip_top=0)
        found = directive_nodes(match[1], list(indented), self)
        return found, blank_finish or machine.is_next_line_blank()

    def content_nodes(self: Any, lines: Sequence[str]) -> list[nodes.Node]:
        """The nodes of a directive's content, which may have section titles of its own."""
        container = nodes.Element()
        outer_styles, self.memo.title_styles = self.memo.title_styles, []
        content = statemachine.StringList(list(lines), source="")
        self.nested_parse(content, 0, container, match_titles=True)
        self.memo.title_styles = outer_styles
        return list(container.children)

    def title_text(self: Any, source: str) -> str:
        """A directive's title as a reader sees it."""
        found, _ = self.inline_text(source, self.state_machine.abs_line_number())
        return single_line("".join(inline_text(node) for node in found))


_STATE_CLASSES = tuple(type(state.__name__, (_SphinxDirectives, state), {}) for state in states.state_classes)

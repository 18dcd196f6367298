"""HTML: the page's own content, without navigation and other boilerplate."""

from collections.abc import Callable
from typing import Any

from lxml import etree

from ingest.document import ParsedDocument, visible_text
from ingest.errors import DamagedFile
from ingest.formats.boilerplate import content_root, is_boilerplate, is_link_list
from ingest.formats.writer import BlockWriter, single_line
from ingest.media_types import MediaType

_DEEPEST_NESTING = 1000  # libxml2 itself stops at 2048, without a word
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    [
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "body",
            "caption",
            "center",
            "dd",
            "details",
            "dialog",
        ),
        *("div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html"),
        *("legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody"),
        *("td", "tfoot", "th", "thead", "tr", "ul", *_HEADINGS),
    ]
)
_CODE = frozenset({"code", "kbd", "samp", "tt"})
_LISTS = frozenset({"ul", "ol", "menu"})
_LAYOUT_SIGNS = ("table", "pre", "ul", "ol", *_HEADINGS)


def parse_html(text: str, *, name: str) -> ParsedDocument:
    """Read a web page: its main part where it names one, else its body without what looks like boilerplate.

    Raises:
        DamagedFile: If the tags nest deeper than any page's.
        EmptyFile: If nothing readable is left, as of a page that only a script fills.
    """
    root = _tree(text)
    writer = BlockWriter()
    title = ""
    if root is not None:
        title = single_line("".join(root.findtext(".//title") or ""))
        whole_body, content = content_root(root)
        _ElementReader(writer, whole_body=whole_body).read(content)
    return writer.build(media_type=MediaType.HTML, name=name, title=title)


def write_html(writer: BlockWriter, text: str) -> None:
    """Write a fragment of HTML into an open document.

    Raises:
        DamagedFile: If the tags nest deeper than any page's.
    """
    root = _tree(text)
    if root is not None:
        _ElementReader(writer, whole_body=False).read(root)


def _tree(text: str) -> Any:
    """The root element, or None where there is nothing but comments and white space."""
    parser = etree.HTMLParser(
        recover=True, huge_tree=True, remove_comments=True, remove_pis=True, no_network=True
    )
    parser.feed(visible_text(text))
    try:
        return parser.close()
    except etree.XMLSyntaxError:
        return None


class _ElementReader:
    """Writes blocks while it walks the tree without recursion."""

    def __init__(self, writer: BlockWriter, *, whole_body: bool) -> None:
        self._writer = writer
        self._whole_body = whole_body
        self._inline: list[str] = []
        self._lists_open = 0
        self._holder: Any = None  # the open heading or term, which takes all text until it ends
        self._starts: dict[str, Callable[[Any], None]] = {
            "ul": self._open_list,
            "menu": self._open_list,
            "ol": self._open_list,
            "li": self._open_item,
            "br": lambda _: self._inline.append("\n"),
            "img": lambda image: self._append(image.get("alt") or ""),
        }

    def read(self, root: Any) -> None:
        """Write all that stands below an element.

        Raises:
            DamagedFile: If the tags nest too deeply.
        """
        walker = etree.iterwalk(root, events=("start", "end"))
        depth = 0
        skipped = None
        for event, element in walker:
            depth += 1 if event == "start" else -1
            if depth > _DEEPEST_NESTING:
                raise DamagedFile(
                    f"its tags nest more than {_DEEPEST_NESTING} deep; save the page anew from a browser"
                )
            if event == "start":
                skipped = element if self._start(element) else None
                if skipped is not None:
                    walker.skip_subtree()
            else:
                self._end(element, is_root=element is root, was_skipped=element is skipped)
        self._holder = None
        self._flush()

    def _start(self, element: Any) -> bool:
        """Begin an element; true where its content is to be passed over, or is written already."""
        if is_boilerplate(element, whole_body=self._whole_body) or self._is_menu(element):
            return True
        if element.tag in _BLOCKS:
            self._flush()
        if element.tag in _HEADINGS or element.tag == "dt":
            self._holder = element
        if element.tag == "pre":
            self._writer.code(_flat_text(element))
            return True
        if element.tag == "table" and _is_data(element):
            self._writer.table(_rows(element))
            return True
        self._starts.get(element.tag, self._open_inline)(element)
        self._append(element.text or "")
        return False

    def _end(self, element: Any, *, is_root: bool, was_skipped: bool) -> None:
        if not was_skipped:
            self._close(element)
        if not is_root:
            self._append(element.tail or "")

    def _close(self, element: Any) -> None:
        if element is self._holder:
            self._holder = None
        if element.tag in _HEADINGS:
            self._writer.heading(_HEADINGS[element.tag], self._take_inline())
        elif element.tag == "dt" or "admonition-title" in (element.get("class") or "").split():
            self._writer.lead_in(self._take_inline())
        elif element.tag in _BLOCKS:
            self._flush()
        elif element.tag in _CODE:
            self._close_code()
        if element.tag in _LISTS:
            self._lists_open -= 1
            self._writer.close_list()
        if element.tag == "dl":
            self._writer.end_lead_in()

    def _is_menu(self, element: Any) -> bool:
        """A list of nothing but links before the first heading of a page that names no main part."""
        before_headings = self._whole_body and not self._writer.level
        return before_headings and element.tag in _LISTS and is_link_list(element)

    def _open_list(self, element: Any) -> None:
        self._lists_open += 1
        start = element.get("start") or ""
        number = int(start) if start.isdecimal() else 1
        self._writer.open_list(start=number if element.tag == "ol" else None)

    def _open_item(self, _element: Any) -> None:
        if self._lists_open:
            self._writer.open_item()

    def _open_inline(self, element: Any) -> None:
        if element.tag in _CODE:
            self._inline.append("`")

    def _close_code(self) -> None:
        if self._inline and self._inline[-1] == "`":
            self._inline.pop()
        else:
            self._inline.append("`")

    def _append(self, text: str) -> None:
        self._inline.append(text.replace("\n", " "))

    def _take_inline(self) -> str:
        lines = "".join(self._inline).split("\n")
        self._inline.clear()
        return "\n".join(line for line in map(single_line, lines) if line)

    def _flush(self) -> None:
        if self._holder is None:
            self._writer.paragraph(self._take_inline())
        else:
            self._inline.append(" ")


def _flat_text(element: Any, *, code_mark: str = "") -> str:
    """The text inside of an element as it stands, a line break where a block or a ``<br>`` is."""
    parts: list[str] = []
    walker = etree.iterwalk(element, events=("start", "end"))
    for event, part in walker:
        mark = code_mark if part.tag in _CODE else ""
        if event == "end":
            parts += [mark, "" if part is element else part.tail or ""]
        elif is_boilerplate(part, whole_body=False):
            walker.skip_subtree()
            parts.append(mark)
        else:
            breaks = part.tag == "br" or (part.tag in _BLOCKS and parts and not parts[-1].endswith("\n"))
            parts += ["\n" if breaks else "", mark, part.text or ""]
    return "".join(parts)


def _is_data(table: Any) -> bool:
    """Whether a table holds data; one that holds headings, code or tables only lays a page out."""
    has_rows = next(table.iter("tr"), None) is not None
    signs = [sign for sign in table.iter(*_LAYOUT_SIGNS) if sign is not table]
    return has_rows and not signs


def _rows(table: Any) -> list[list[str]]:
    rows = table.iter("tr")
    return [[_flat_text(cell, code_mark="`") for cell in row.iterchildren("td", "th")] for row in rows]

"""Unfolds MyST's directives and labels into Markdown that reads without them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.formats.sphinx import Treatment, lead_in_of, plain_name, signature_of, treatment_of
from ingest.formats.writer import as_lead_in

EVALUATED_RST = "{eval-rst}"
RAW_HTML = "{raw} html"
_DEEPEST_NESTING = 50
_LONGEST_OPTIONS = 30  # lines; a YAML header of a directive that is longer than this is content
_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<marks>`{3,}|~{3,}|:{3,})[ \t]*(?P<info>.*)$")
_DIRECTIVE = re.compile(r"\{(?P<name>[\w:.+-]+)\}[ \t]*(?P<argument>.*)$")
_BARE_DIRECTIVE = re.compile(r"(?P<name>[A-Za-z]\w*)[ \t]*\[?(?P<argument>[^\]]*)\]?[ \t]*$")
_OPTION = re.compile(r"\s*:(?P<name>[\w-]+):(?:\s+(?P<value>.*))?$")
_MARKUP_LINE = re.compile(
    r"\s*\([\w:./ -]+\)=\s*$"  # (label)=
    r"|%(?!\w).*$"  # % comment
    r"|\s*(?:\+{3,}|\^{3,})\s*(?:\{.*\})?$"  # +++ and ^^^ part cells and cards
)
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<fields>(?:.*\n){0,500}?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TITLE_FIELD = re.compile(r"^title:[ \t]*(?P<title>\S.*?)[ \t]*$", re.MULTILINE)


def without_front_matter(text: str) -> tuple[str, str]:
    """The text below a YAML header, and the title that the header names, or an empty string."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return text, ""
    title = _TITLE_FIELD.search(match["fields"])
    return text[match.end() :], title["title"].strip("\"'") if title else ""


def unfold_directives(text: str) -> str:
    """Markdown in which MyST's directives are ordinary text and code fences.

    Notes, tabs, cards and the like become their title and their content, code directives become code
    fences, and directives that show no text of their own disappear. ``{eval-rst}`` stays a fence.
    """
    unfolder = _Unfolder(text.split("\n"))
    return "\n".join(unfolder.unfold())


@dataclass(frozen=True, slots=True)
class _Fence:
    """An open fence: its marks, whether its lines are shown, and are code, and the line that ends it."""

    marks: str
    shows: bool
    is_code: bool
    closing: str


class _Unfolder:
    """Goes through the lines once and knows which fences are open."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._position = 0
        self._open: list[_Fence] = []
        self._unfolded: list[str] = []

    def unfold(self) -> list[str]:
        """The lines that are left."""
        while self._position < len(self._lines):
            line = self._lines[self._position]
            self._position += 1
            fence = _FENCE.match(line)
            if not (fence and _is_fence(fence) and (self._closes(fence) or self._opens(fence))):
                in_code = bool(self._open) and self._open[-1].is_code
                self._show(line if in_code or not _MARKUP_LINE.match(line) else "")
        return self._unfolded

    @property
    def _shows(self) -> bool:
        return not self._open or self._open[-1].shows

    def _show(self, *lines: str) -> None:
        if self._shows:
            self._unfolded.extend(lines)

    def _closes(self, match: re.Match[str]) -> bool:
        """End the fence that these marks close, and those that were left open inside of it."""
        if not self._open or match["info"].strip():
            return False
        marks = match["marks"]
        outermost = len(self._open) - 1 if self._open[-1].is_code else 0
        for position in range(len(self._open) - 1, outermost - 1, -1):
            if marks.startswith(self._open[position].marks):
                del self._open[position + 1 :]
                self._show(self._open[position].closing)
                self._open.pop()
                return True
        return False

    def _opens(self, match: re.Match[str]) -> bool:
        if len(self._open) >= _DEEPEST_NESTING or (self._open and self._open[-1].is_code):
            return False
        is_colon = match["marks"].startswith(":")
        pattern = _DIRECTIVE if match["info"].startswith("{") else _BARE_DIRECTIVE
        directive = pattern.match(match["info"]) if is_colon or pattern is _DIRECTIVE else None
        if directive:
            self._open_directive(match, directive)
        elif not is_colon:
            self._open_code(match, match["info"])
        return bool(directive) or not is_colon

    def _open_code(self, match: re.Match[str], info: str) -> None:
        """Begin code; a fence of colons becomes one of backticks."""
        marks = match["marks"].replace(":", "`")
        self._show(f"{match['indent']}{marks}{info}")
        self._open.append(_Fence(match["marks"], self._shows, is_code=True, closing=match["indent"] + marks))

    def _open_directive(self, match: re.Match[str], directive: re.Match[str]) -> None:
        name, argument = directive["name"], directive["argument"].strip()
        treatment = treatment_of(name)
        if match["info"].strip() in {EVALUATED_RST, RAW_HTML}:
            self._open_code(match, match["info"].strip())
            return
        options = self._take_options()
        lead_in = _lead_in(treatment, name, argument, options)
        self._show("", match["indent"] + lead_in if lead_in else "")
        if treatment is Treatment.CODE:
            self._open_code(match, _language(name, argument))
            return
        shows = self._shows and treatment not in {Treatment.DROP, Treatment.IMAGE, Treatment.RAW}
        self._open.append(_Fence(match["marks"], shows, is_code=False, closing=""))

    def _take_options(self) -> dict[str, str]:
        """Read past the options and the blank lines below a directive's first line."""
        end = self._yaml_end()
        options: dict[str, str] = {}
        while end < len(self._lines):
            option = _OPTION.match(self._lines[end])
            if option:
                options[option["name"]] = option["value"] or ""
            elif self._lines[end].strip():
                break
            end += 1
        self._position = end
        return options

    def _yaml_end(self) -> int:
        """The line after a directive's YAML header, or the current one where there is none."""
        header = [line.strip() for line in self._lines[self._position : self._position + _LONGEST_OPTIONS]]
        if header[:1] == ["---"] and "---" in header[1:]:
            return self._position + header.index("---", 1) + 1
        return self._position


def _is_fence(match: re.Match[str]) -> bool:
    """A run of backticks with another one behind it on the line is code inside of the line."""
    return not (match["marks"].startswith("`") and "`" in match["info"])


def _lead_in(treatment: Treatment, name: str, argument: str, options: dict[str, str]) -> str:
    """The line that stands for a directive's first line and its options."""
    if treatment in {Treatment.DROP, Treatment.IMAGE, Treatment.CONTENT, Treatment.RAW}:
        return options.get("alt", "")
    if treatment is Treatment.CODE:
        caption = options.get("caption", "")
        return as_lead_in(caption) if caption else ""
    if treatment is Treatment.SIGNATURE:
        return signature_of(name, argument)
    if treatment is Treatment.MODULE:
        return f"Module `{argument}`"
    words = lead_in_of(name, argument)
    own_words = argument if treatment is Treatment.ADMONITION else ""
    return f"{as_lead_in(words)} {own_words}".rstrip() if words else ""


def _language(name: str, argument: str) -> str:
    return argument.split(" ", 1)[0] if plain_name(name).startswith("code") else plain_name(name)

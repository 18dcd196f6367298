"""What the paragraph styles of a Word file mean: heading, list item, code, or plain text."""

import re
from dataclasses import dataclass
from typing import Any

from docx.oxml.ns import qn

_LEVELS = tuple("0123456789")
_BODY_OUTLINE_LEVEL = "9"
_HEADING_NAME = re.compile(r"heading (\d)")
_LIST_NAME = re.compile(r"list (?:bullet|number)(?: (\d))?")
_CONTENTS_NAME = re.compile(r"toc \d|table of figures")
_CODE_NAME = re.compile(r"\b(source )?code\b|preformatted|verbatim|\blisting\b|plain text|macro text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a paragraph is.

    Attributes:
        heading_level: From 1 for the outermost; 0 if it is no heading.
        is_title: Set in the style for the title of the whole document; its heading level is 1.
        list_level: Depth of a list item, from 0; None if it is no list item.
        is_code: Set in a style for program text.
        is_contents: A line of the table of contents, which Word makes from the headings.
    """

    heading_level: int = 0
    is_title: bool = False
    list_level: int | None = None
    is_code: bool = False
    is_contents: bool = False


class StyleSheet:
    """The styles of one Word file.

    Names in the file are English for every built-in style, whatever language Word shows; styles of
    one's own are recognised by their outline level or by the style that they build on.

    Args:
        styles: The root element of the part that defines the styles.
    """

    def __init__(self, styles: Any) -> None:
        self._styles = {style.get(qn("w:styleId")): style for style in styles.iterchildren(qn("w:style"))}
        self._roles: dict[str, Role] = {}

    def role(self, paragraph: Any) -> Role:
        """The role of a ``w:p`` element; what it states itself goes before what its style states."""
        properties = paragraph.find(qn("w:pPr"))
        if properties is None:
            return Role()
        role = self._style_role(_value(properties, "w:pStyle"))
        level = _outline_level(properties)
        numbering = properties.find(qn("w:numPr"))
        if level is not None:
            return Role(heading_level=level, is_title=role.is_title and level == 1)
        if numbering is None or role.heading_level or role.is_code:
            return role
        return Role(list_level=_list_level(numbering, default=role.list_level or 0))

    def _style_role(self, style_id: str) -> Role:
        if style_id not in self._roles:
            self._roles[style_id] = self._resolve(style_id)
        return self._roles[style_id]

    def _resolve(self, style_id: str) -> Role:
        seen: set[str] = set()
        while style_id in self._styles and style_id not in seen:
            seen.add(style_id)
            style = self._styles[style_id]
            role = _stated_role(_value(style, "w:name").lower(), style.find(qn("w:pPr")))
            if role:
                return role
            style_id = _value(style, "w:basedOn")
        return Role()


def _stated_role(name: str, properties: Any) -> Role | None:
    return _named_role(name) or (None if properties is None else _formatted_role(properties))


def _named_role(name: str) -> Role | None:
    if name == "title":
        return Role(heading_level=1, is_title=True)
    if heading := _HEADING_NAME.fullmatch(name):
        return Role(heading_level=max(int(heading[1]), 1))
    if listed := _LIST_NAME.fullmatch(name):
        return Role(list_level=max(int(listed[1] or 1) - 1, 0))
    if _CONTENTS_NAME.fullmatch(name):
        return Role(is_contents=True)
    return Role(is_code=True) if _CODE_NAME.search(name) else None


def _formatted_role(properties: Any) -> Role | None:
    level = _outline_level(properties)
    if level is not None:
        return Role(heading_level=level)
    numbering = properties.find(qn("w:numPr"))
    return None if numbering is None else Role(list_level=_list_level(numbering, default=0))


def _outline_level(properties: Any) -> int | None:
    stated = _value(properties, "w:outlineLvl")
    if stated not in _LEVELS:
        return None
    return 0 if stated == _BODY_OUTLINE_LEVEL else int(stated) + 1


def _list_level(numbering: Any, *, default: int) -> int | None:
    if _value(numbering, "w:numId") == "0":
        return None
    stated = _value(numbering, "w:ilvl")
    return int(stated) if stated in _LEVELS else default


def _value(parent: Any, tag: str) -> str:
    """The ``w:val`` of a child, or an empty string."""
    child = parent.find(qn(tag))
    return "" if child is None else child.get(qn("w:val")) or ""

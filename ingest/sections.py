"""The sections of a document, and which small ones are read together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.document import Block, BlockKind, ParsedDocument

HeadingPath = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what follows it, up to the next heading of any level.

    Attributes:
        path: The headings above, outermost first, and the section's own; empty before the first heading.
        blocks: The heading, if there is one, and the section's text; never empty.
    """

    path: HeadingPath
    blocks: tuple[Block, ...]

    @property
    def start(self) -> int:
        """First character."""
        return self.blocks[0].start

    @property
    def end(self) -> int:
        """One past the last character."""
        return self.blocks[-1].end

    @property
    def has_body(self) -> bool:
        """Whether anything stands under the heading."""
        return self.blocks[-1].kind is not BlockKind.HEADING


def read_sections(document: ParsedDocument) -> list[Section]:
    """The sections in reading order; together they hold every block once."""
    sections: list[Section] = []
    above: list[tuple[int, str]] = []
    blocks: list[Block] = []
    for block in document.blocks:
        if block.kind is BlockKind.HEADING:
            if blocks:
                sections.append(Section(path=_path(above), blocks=tuple(blocks)))
            heading = " ".join(document.text[block.start : block.end].split())
            above = [*(entry for entry in _above(above, block.level)), (block.level, heading)]
            blocks = []
        blocks.append(block)
    if blocks:
        sections.append(Section(path=_path(above), blocks=tuple(blocks)))
    return sections


def _above(headings: Sequence[tuple[int, str]], level: int) -> Iterator[tuple[int, str]]:
    for heading in headings:
        if heading[0] >= level:
            return
        yield heading


def _path(headings: Sequence[tuple[int, str]]) -> HeadingPath:
    return tuple(text for _, text in headings)


def group_sections(
    sections: Sequence[Section],
    *,
    count: Callable[[int, int], int],
    room: Callable[[HeadingPath], int],
) -> list[list[Section]]:
    """Runs of sections that share passages: most often a single one.

    Small sections under the same parent are joined while they are together smaller than a passage,
    since a passage of a few words is seldom found and seldom an answer. A heading with nothing under
    it goes with its first child.

    Args:
        sections: In reading order.
        count: Tokens between two offsets.
        room: Tokens that a passage under a heading path should hold.
    """
    groups: list[list[Section]] = []
    for section in sections:
        if groups and _joins(groups[-1], section, count, room(groups[-1][0].path)):
            groups[-1].append(section)
        else:
            groups.append([section])
    return groups


def _joins(group: Sequence[Section], section: Section, count: Callable[[int, int], int], room: int) -> bool:
    parent = group[0].path[:-1]
    if section.path[: len(parent)] != parent:
        return False
    is_child = section.path[: len(group[-1].path)] == group[-1].path
    if is_child and not any(each.has_body for each in group):
        return True
    held, added = count(group[0].start, group[-1].end), count(section.start, section.end)
    are_small = max(held, added) <= room // 3
    is_one_tiny = min(held, added) <= room // 8
    return held + added <= room and (are_small or is_one_tiny)


def common_path(sections: Sequence[Section]) -> HeadingPath:
    """The headings that all of the sections stand under; bare headings do not count beside text."""
    with_body = [section for section in sections if section.has_body]
    first, *others = [section.path for section in with_body or sections]
    for other in others:
        differing = (
            depth for depth, pair in enumerate(zip(first, other, strict=False)) if pair[0] != pair[1]
        )
        first = first[: next(differing, len(other))]
    return first

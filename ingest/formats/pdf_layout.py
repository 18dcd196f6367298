"""Lines of a PDF page to headings, paragraphs and lists: a PDF knows where its letters stand, not why."""

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingest.document import BlockKind

_HEADING_RATIO = 1.15  # a heading's letters against the body's; headings in common styles start at 1.2
_HEADING_CHARACTERS = 200
_DEEPEST_LEVEL = 6
_SAME_SIZE = 0.1
_USUAL_LEADING = 1.2
_PARAGRAPH_GAP = 1.25  # in the document's usual distances between lines
_CODE_GAP = 2.5  # a program's empty lines do not end it
_SHORT_LINE = 0.85  # a line that ends a sentence before this part of the widest line ends its paragraph
_MARGIN = 0.12  # of the page's height, above and below: where running headers and footers stand
_BULLET = re.compile(r"^[•◦▪▫‣⁃∙●○■–*·\uf0b7-]\s+(?=\S)")  # noqa: RUF001
_PAGE_NUMBER = re.compile(
    r"[-–—|\s]*(?:page|seite|p\.)?\s*(?:\d{1,4}|[ivxl]{1,7})(?:\s*(?:/|of|von)\s*\d{1,4})?[-–—|\s]*",  # noqa: RUF001
    re.IGNORECASE,
)
_PAGE_OF_PAGES = re.compile(r"\s*(?:/|of|von)\s*\d+\W*$", re.IGNORECASE)
_OUTER_NUMBER = re.compile(r"^\W*(\d{1,5})\b|\b(\d{1,5})\W*$")
_LEADER_DOTS = re.compile(r"\s*(?:[.·…]\s?){4,}")  # between an entry of a table of contents and its page
_HYPHENS = ("-", "\u2010", "\u00ad")
_SENTENCE_END = (".", "!", "?", ":", ";", "\u3002", "\uff01", "\uff1f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A printed line.

    Attributes:
        text: The characters; a hyphen at its end may stand inside of a word.
        page: Page number, from 1.
        size: Height of the font in points.
        baseline: Where the letters stand, from 0 at the page's bottom to 1 at its top.
        baseline_points: The same in points.
        right: Where the line ends, in points.
        monospaced: Set in a font whose letters are equally wide, as program code is.
    """

    text: str
    page: int
    size: float
    baseline: float
    baseline_points: float
    right: float
    monospaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutBlock:
    """Lines that belong together, joined; the fields mean what they mean in `ingest.document.Block`."""

    kind: BlockKind
    text: str
    page: int
    level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """What is usual in one document: distance between lines over font size, and the sizes of headings."""

    leading: float
    widest: float
    heading_sizes: tuple[float, ...]

    def level(self, line: Line, text: str) -> int:
        """Depth of the heading that a paragraph is which begins with this line, or 0."""
        is_heading = (
            _rounded(line.size) in self.heading_sizes
            and len(text) <= _HEADING_CHARACTERS
            and any(map(str.isalpha, text))
            and not _LEADER_DOTS.search(line.text)
        )
        return min(self.heading_sizes.index(_rounded(line.size)) + 1, _DEEPEST_LEVEL) if is_heading else 0


def arrange_lines(lines: Sequence[Line]) -> list[LayoutBlock]:
    """Blocks in reading order, each on one page; running headers, footers and page numbers are left out.

    Args:
        lines: The lines of the whole document, in reading order.
    """
    if not lines:
        return []
    kept = _without_furniture(lines, _measure(lines))
    style = _measure(kept)
    return list(_joined(_block(group, style) for group in _paragraphs(kept, style)))


def _measure(lines: Sequence[Line]) -> _Style:
    characters: Counter[float] = Counter()
    for line in lines:
        characters[_rounded(line.size)] += len(line.text)
    body = characters.most_common(1)[0][0]
    steps = [
        _step(above, below)
        for above, below in pairwise(lines)
        if above.page == below.page and _same_size(above, below) and _step(above, below) > 0
    ]
    return _Style(
        leading=statistics.median_low(steps) if steps else _USUAL_LEADING,
        widest=max(line.right for line in lines),
        heading_sizes=tuple(
            sorted((size for size in characters if size >= body * _HEADING_RATIO), reverse=True)
        ),
    )


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _step(above: Line, below: Line) -> float:
    return (above.baseline_points - below.baseline_points) / below.size


def _without_furniture(lines: Sequence[Line], style: _Style) -> list[Line]:
    """The lines that are no page number and no running header or footer; every page keeps some line.

    Furniture stands in a page's margin, and either its text is the same on half of the pages, or it
    begins or ends with a number that counts the pages.
    """
    margin = [line for line in lines if not _MARGIN < line.baseline < 1 - _MARGIN]
    half = max(2, len({line.page for line in lines}) // 2)
    seen_on = Counter(look for _, look in {(line.page, _look(line)) for line in margin})
    counting = Counter(
        distance for _, distance in {(line.page, each) for line in margin for each in _number_distances(line)}
    )
    offsets = {distance for distance, count in counting.items() if count >= half}
    furniture = {
        line
        for line in margin
        if seen_on[_look(line)] >= half
        or _PAGE_NUMBER.fullmatch(line.text)
        or (_rounded(line.size) not in style.heading_sizes and offsets & _number_distances(line))
    }
    spoken = {line.page for line in lines if line not in furniture}
    return [line for line in lines if line not in furniture or line.page not in spoken]


def _look(line: Line) -> tuple[str, float]:
    return line.text, _rounded(line.size)


def _number_distances(line: Line) -> set[int]:
    """How far the first and last number of a line are from the page's own; constant for page numbers."""
    text = _PAGE_OF_PAGES.sub("", line.text)
    return {int(first or last) - line.page for first, last in _OUTER_NUMBER.findall(text)}


def _same_size(first: Line, second: Line) -> bool:
    return abs(first.size - second.size) <= _SAME_SIZE * max(first.size, second.size)


def _paragraphs(lines: Sequence[Line], style: _Style) -> Iterator[list[Line]]:
    group = [lines[0]]
    for line in lines[1:]:
        if _continues(group[-1], line, style):
            group.append(line)
        else:
            yield group
            group = [line]
    yield group


def _continues(above: Line, below: Line, style: _Style) -> bool:
    if above.page != below.page or not _same_size(above, below) or above.monospaced != below.monospaced:
        return False
    step = _step(above, below)
    if above.monospaced and below.monospaced:
        return 0 <= step <= style.leading * _CODE_GAP
    if _BULLET.match(below.text):
        return False
    ends_sentence = above.text.endswith(_SENTENCE_END)
    if step < -1:  # upwards: the next column
        return not ends_sentence and below.text[0].islower()
    is_last_line = ends_sentence and above.right < style.widest * _SHORT_LINE
    return step <= style.leading * _PARAGRAPH_GAP and not is_last_line


def _block(lines: Sequence[Line], style: _Style) -> LayoutBlock:
    page = lines[0].page
    text = mend_lines([line.text for line in lines])
    level = style.level(lines[0], text)
    bullet = _BULLET.match(text)
    if level:
        return LayoutBlock(kind=BlockKind.HEADING, text=text, page=page, level=level)
    if lines[0].monospaced:
        return LayoutBlock(kind=BlockKind.CODE, text="\n".join(line.text for line in lines), page=page)
    if bullet:
        return LayoutBlock(kind=BlockKind.LIST, text=f"- {text[bullet.end() :]}", page=page)
    return LayoutBlock(kind=BlockKind.PARAGRAPH, text=text, page=page)


def _joined(blocks: Iterable[LayoutBlock]) -> Iterator[LayoutBlock]:
    """Items that follow each other on a page become one list."""
    waiting: LayoutBlock | None = None
    for block in blocks:
        if waiting and waiting.kind == block.kind == BlockKind.LIST and waiting.page == block.page:
            waiting = replace(waiting, text=f"{waiting.text}\n{block.text}")
            continue
        if waiting:
            yield waiting
        waiting = block
    if waiting:
        yield waiting


def mend_lines(lines: Sequence[str]) -> str:
    """One paragraph from its printed lines: soft line breaks become spaces, split words become whole.

    A hyphen before a small letter is taken for a split word; before anything else it is kept
    ("UTF-" and "8" give "UTF-8").
    """
    text = lines[0].strip()
    for line in lines[1:]:
        following = line.strip()
        if not (text.endswith(_HYPHENS) and len(text) > 1 and text[-2].isalnum()):
            text = f"{text} {following}"
        elif following[:1].islower():
            text = text[:-1] + following
        else:
            text = text[:-1] + "-" + following
    return _LEADER_DOTS.sub(" … ", text)

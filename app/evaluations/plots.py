"""Plots as inline SVG, without any script. Every label is escaped; colours are those of the page's style."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LABELS = 150  # room for labels at the left
VALUES = 150  # room for figures at the right
BAR = 11
GAP = 12
AXIS = 26
_PLOT = WIDTH - LABELS - VALUES


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One value of a plot.

    Attributes:
        value: In [0, 1], or in [-1, 1] for a difference.
        interval: Where the value lies with 95 % probability, or None.
        style: Classes of the page's style, which give the colour.
        note: Said behind the figure.
    """

    value: float
    interval: tuple[float, float] | None
    style: str
    note: str = ""


def bar_chart(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Horizontal bars from 0 to 1 with their intervals, drawn together by group.

    Args:
        title: What the plot shows, for those who can't see it.
        groups: Label and bars of each group.
    """
    parts, top = [], 4.0
    for label, bars in groups:
        height = len(bars) * BAR
        parts.append(_text(LABELS - 8, top + height / 2, label, "end"))
        for row, bar in enumerate(bars):
            parts.append(_bar(bar, top + row * BAR))
        top += height + GAP
    axis = [_gridline(LABELS + share * _PLOT, top, f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)]
    return _svg(title, top + AXIS, [*axis, *parts])


def _bar(bar: Bar, top: float) -> str:
    thickness = BAR - 2
    figure = f"{bar.value:.3f}"
    whisker = ""
    if bar.interval is not None:
        low, high = bar.interval
        figure += f" [{low:.2f}, {high:.2f}]"
        whisker = _whisker(LABELS + low * _PLOT, LABELS + high * _PLOT, top + thickness / 2)
    return (
        f'<rect class="{bar.style}" x="{LABELS}" y="{top:.1f}" width="{bar.value * _PLOT:.1f}" '
        f'height="{thickness}"/>{whisker}'
        + _text(LABELS + _PLOT + 8, top + thickness / 2, f"{figure} {bar.note}".strip(), "start", "figure")
    )


def difference_chart(title: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Points around zero with their intervals; what lies right of zero is better.

    Args:
        title: What the plot shows, for those who can't see it.
        groups: Label and values of each group.
    """
    bars = [bar for _, members in groups for bar in members]
    ends = [abs(end) for bar in bars for end in (bar.interval or (bar.value, bar.value))]
    reach = max([0.05, *ends]) * 1.05

    def place(value: float) -> float:
        return LABELS + (value + reach) / (2 * reach) * _PLOT

    parts, top = [], 4.0
    for label, members in groups:
        height = len(members) * (BAR + 3)
        parts.append(_text(LABELS - 8, top + height / 2, label, "end"))
        for row, bar in enumerate(members):
            middle = top + row * (BAR + 3) + BAR / 2
            if bar.interval is not None:
                parts.append(_whisker(place(bar.interval[0]), place(bar.interval[1]), middle))
            parts.append(
                f'<circle class="{bar.style}" cx="{place(bar.value):.1f}" cy="{middle:.1f}" r="4.5"/>'
            )
            figure = f"{bar.value:+.3f} {bar.note}".strip()
            parts.append(_text(LABELS + _PLOT + 8, middle, figure, "start", "figure"))
        top += height + GAP
    marks = (-reach / 1.05, -reach / 2.1, 0, reach / 2.1, reach / 1.05)
    axis = [_gridline(place(mark), top, f"{mark:+.2f}" if mark else "0", zero=mark == 0) for mark in marks]
    return _svg(title, top + AXIS, [*axis, *parts])


def histogram(title: str, bins: Sequence[str], series: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Counts by bin, the series side by side.

    Args:
        title: What the plot shows, for those who can't see it.
        bins: A label for each bin.
        series: Classes of style, and the counts (one for each bin), of each series.
    """
    height, left = 170.0, 20.0
    step = (WIDTH - 2 * left) / len(bins)
    width = step * 0.8 / len(series)
    most = max(1, *(count for _, counts in series for count in counts))
    parts = []
    for place, label in enumerate(bins):
        start = left + place * step + step * 0.1
        parts.append(_text(start + step * 0.4, height + 34, label, "middle"))
        for row, (style, counts) in enumerate(series):
            tall = counts[place] / most * height
            x = start + row * width
            parts.append(
                f'<rect class="{style}" x="{x + 1:.1f}" y="{20 + height - tall:.1f}" '
                f'width="{width - 2:.1f}" height="{tall:.1f}"/>'
            )
            parts.append(_text(x + width / 2, 13 + height - tall, str(counts[place]), "middle", "figure"))
    line = f'<line class="axis" x1="{left}" x2="{WIDTH - left}" y1="{20 + height}" y2="{20 + height}"/>'
    return _svg(title, height + 46, [*parts, line])


def _whisker(left: float, right: float, middle: float) -> str:
    ends = "".join(f"M{x:.1f} {middle - 3:.1f}V{middle + 3:.1f}" for x in (left, right))
    return f'<path class="whisker" d="M{left:.1f} {middle:.1f}H{right:.1f}{ends}"/>'


def _gridline(x: float, bottom: float, label: str, *, zero: bool = False) -> str:
    style = "zero" if zero else "grid"
    return f'<line class="{style}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom:.1f}"/>' + _text(
        x, bottom + 14, label, "middle", "figure"
    )


def _text(x: float, y: float, text: str, anchor: str, style: str = "label") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" dy="0.35em" text-anchor="{anchor}"'
    return f'<text class="{style}" {place}>{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )

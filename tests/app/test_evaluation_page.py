"""The page of an evaluation: what it shows, and that nothing of a document can act in it."""

import re

from lxml import html

from app.evaluations.page import render_page
from app.evaluations.plots import LABELS, VALUES, WIDTH, Bar, bar_chart, difference_chart, histogram
from tests.evaluation_runs import make_run

HOSTILE = "</title></svg><script>alert(1)</script><img src=x onerror='alert(2)'>\"&amp;"
RANKS = {f"q{n}": rank for n, rank in enumerate((1, 1, 2, 3, 4, 7, 12, 40, 0, 0, 1, 5))}


def test_nothing_of_a_document_becomes_markup() -> None:
    first = make_run("evl_1", RANKS, HOSTILE)
    second = make_run("evl_2", dict(zip(RANKS, reversed(RANKS.values()), strict=True)), HOSTILE, first)
    page = render_page([first, second])
    root = html.fromstring(page)
    tags = {element.tag for element in root.iter() if isinstance(element.tag, str)}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "a", "link", "base"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "style")]
    text = root.text_content()
    assert text.count(HOSTILE) > 20, "it is shown as it is written"
    assert "http" not in page.replace(HOSTILE, ""), "nothing is fetched from anywhere"


def test_the_page_tells_figures_comparison_and_misses() -> None:
    first = make_run("evl_1", RANKS)
    second = make_run("evl_2", RANKS | {"q2": 1, "q0": 2}, against=first)
    root = html.fromstring(render_page([first, second]))
    headings = [heading.text_content() for heading in root.iter("h2")]
    assert headings == [
        "What was asked, and of what",
        "Measures",
        "Against plain encoder",
        "Where the gold document stood",
        "By product",
        "By origin",
        "The worst questions",
    ]
    text = root.text_content()
    assert "12 questions were asked" in text
    assert "2 questions can't be answered" in text
    assert "Documents or pairs changed between the two runs" in text
    (worst,) = root.find_class("worst")
    rows = worst.xpath(".//tbody/tr")
    assert [row[1].text_content() for row in rows[:3]] == ["not found", "not found", "40"]
    assert "plain 1" in rows[0][3].text_content(), "what was found instead"
    changed = [[cell.text_content() for cell in row] for row in root.xpath("//h3/following::tbody[1]/tr")]
    assert changed[0] == ["plain q2?", "2", "1"]


def test_a_page_of_few_questions_of_one_product_has_no_intervals_and_no_groups() -> None:
    run = make_run("evl_1", {"q0": 1})
    page = render_page([run])
    assert "By product" not in page
    assert "Every gold document was found first" in page
    assert 'class="whisker"' not in page


def widths(svg: str) -> list[float]:
    return [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)" height="9"', svg)]


def test_bars_are_as_long_as_their_values() -> None:
    bars = [
        Bar(value=value, interval=(value / 2, value), style="run0 variant0") for value in (0.0, 0.25, 0.5, 1)
    ]
    room = WIDTH - LABELS - VALUES
    svg = bar_chart("t", [("a", bars[:2]), ("b", bars[2:])])
    assert widths(svg) == [0, room / 4, room / 2, room]
    assert f"M{LABELS + room / 4:.1f} " in svg, "the interval of 0.5 begins at 0.25"
    assert f"H{LABELS + room / 2:.1f}M" in svg


def test_differences_lie_on_their_side_of_zero() -> None:
    bars = [Bar(value=value, interval=None, style="run0 variant0") for value in (-0.1, 0.0, 0.2)]
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', difference_chart("t", [("a", bars)]))]
    middle = LABELS + (WIDTH - LABELS - VALUES) / 2
    assert places[1] == middle
    assert (places[2] - middle) / (middle - places[0]) == 2
    assert places[2] < WIDTH - VALUES


def test_a_histogram_draws_counts() -> None:
    svg = histogram("t", ["1", "2"], [("run0 variant0", [4, 2]), ("run1 variant0", [0, 1])])
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', svg)]
    assert heights == [170, 0, 85, 42.5]
    assert histogram("t", ["1"], [("run0 variant0", [0])]), "no question at all"

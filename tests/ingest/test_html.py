from collections.abc import Callable

import pytest

from ingest.document import ParsedDocument
from ingest.errors import DamagedFile, EmptyFile
from ingest.formats.html import parse_html

Outline = Callable[[ParsedDocument], list[str]]

PAGE = """<!DOCTYPE html>
<html><head><title>Guide &amp; more</title><style>p { color: red }</style>
<script>var hidden = "script";</script></head>
<body>
<header><a href="/">Home</a></header>
<nav><ul><li><a href="/a">Section A</a></li></ul></nav>
<main>
<h1>Install<a class="headerlink" href="#install">¶</a></h1>
<p>Run <code>pip install</code> &mdash; it&nbsp;takes
a <b>minute</b>.<br>Then restart.</p>
<h2>Steps</h2>
<ol start="3"><li>One<ul><li>nested</li><li>twice</li></ul></li><li><p>Two</p><p>more</p></li></ol>
<pre><span class="k">def</span> f():
    return "&lt;b&gt;"
</pre>
<table><thead><tr><th>Name</th><th>Use</th></tr></thead>
<tr><td><p><code>a</code></p></td><td>first<br>second</td></tr></table>
<dl><dt>Term</dt><dd>Its meaning.</dd><dt>Lone</dt></dl>
<div class="admonition note"><p class="admonition-title">Note</p><p>Mind it.</p></div>
<img src="a.png" alt="A chart"><!-- comment -->
<blockquote>Quoted <i>words</i></blockquote>
<p hidden>Invisible</p><button>Copy</button>
</main>
<footer>Copyright</footer>
</body></html>"""


def test_the_main_part_of_a_page_is_read(outline: Outline) -> None:
    document = parse_html(PAGE, name="a.html")
    assert document.title == "Guide & more"
    assert document.media_type == "text/html"
    assert outline(document) == [
        "heading1: Install",
        "paragraph: Run `pip install` — it takes a minute.\nThen restart.",
        "heading2: Steps",
        "list: 3. One\n  - nested\n  - twice\n4. Two\n  more",
        'code: def f():\n    return "<b>"',
        "table: Name | Use\n`a` | first second",
        "paragraph: Term: Its meaning.",
        "paragraph: Lone",
        "paragraph: Note: Mind it.",
        "paragraph: A chart",
        "paragraph: Quoted words",
    ]


def test_a_page_without_a_main_part_loses_its_surroundings_only(outline: Outline) -> None:
    document = parse_html(
        """<body><div class="header-links"><ul><li><a href=1>Home</a><li><a href=2>Docs</a>
        <li><a href=3>Blog</a></ul></div><header>Acme</header><div id="sidebar"><p>Side</p></div>
        <div><h2>Content</h2>Loose text <p>A paragraph
        <ul><li><a href=1>Useful</a><li><a href=2>List of</a><li><a href=3>links</a></ul></div>
        <div class="cookie-banner">Accept?</div><footer>End</footer>""",
        name="my-page.html",
    )
    assert document.title == "Content"
    assert outline(document) == [
        "heading2: Content",
        "paragraph: Loose text",
        "paragraph: A paragraph",
        "list: - Useful\n- List of\n- links",
    ]


def test_a_page_header_with_the_title_is_kept(outline: Outline) -> None:
    assert outline(parse_html("<header><h1>Title</h1></header><p>Text</p>", name="a.html")) == [
        "heading1: Title",
        "paragraph: Text",
    ]


def test_an_empty_main_part_falls_back_to_the_page(outline: Outline) -> None:
    assert outline(parse_html("<main> </main><p>Text</p>", name="a.html")) == ["paragraph: Text"]


def test_a_layout_table_is_not_a_table(outline: Outline) -> None:
    html = "<table><tr><td><h1>Title</h1><p>Text</p><table><tr><td>a<td>b</table></td></tr></table>"
    assert outline(parse_html(html, name="a.html")) == ["heading1: Title", "paragraph: Text", "table: a | b"]


def test_broken_html_keeps_its_words(outline: Outline) -> None:
    html = (
        "<p>One <b>two <i>three</b> four</i><h2><div>Five</div></h2></nonsense><p>six < seven & eight &copy;"
    )
    assert outline(parse_html(html, name="a.html")) == [
        "paragraph: One two three four",
        "heading2: Five",
        "paragraph: six < seven & eight ©",
    ]


def test_scripts_and_styles_never_appear(outline: Outline) -> None:
    html = "<p>a<script>bad()</script>b<style>bad{}</style>c</p><pre>x<script>bad()</script>y</pre>"
    html += "<table><tr><td>1<script>bad()</script></td><td><style>bad</style>2</td></tr></table>"
    assert outline(parse_html(html, name="a.html")) == ["paragraph: abc", "code: xy", "table: 1 | 2"]


@pytest.mark.parametrize("tag", ["div", "b", "table><tr><td", "ul><li", "svg", "blockquote", "x-y"])
def test_fifty_thousand_nested_tags_are_refused_quickly(tag: str) -> None:
    with pytest.raises((DamagedFile, EmptyFile)):
        parse_html("<html><body>" + f"<{tag}>" * 50_000 + "text", name="a.html")


def test_ordinary_depth_is_read(outline: Outline) -> None:
    html = "<div>" * 400 + "deep" + "</div>" * 400 + "<p>after"
    assert outline(parse_html(html, name="a.html")) == ["paragraph: deep", "paragraph: after"]


@pytest.mark.parametrize("html", ["<html></html>", "<!-- only -->", "<body><script>app()</script></body>"])
def test_a_page_without_words_is_empty(html: str) -> None:
    with pytest.raises(EmptyFile):
        parse_html(html, name="a.html")

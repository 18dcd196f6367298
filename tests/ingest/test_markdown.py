from collections.abc import Callable
from textwrap import dedent

import pytest

from ingest.document import ParsedDocument
from ingest.errors import DamagedFile, EmptyFile
from ingest.formats.markdown import parse_markdown

Outline = Callable[[ParsedDocument], list[str]]


@pytest.fixture
def read(outline: Outline) -> Callable[[str], list[str]]:
    return lambda source: outline(parse_markdown(dedent(source), name="page.md"))


def test_headings_paragraphs_and_inline_markup(outline: Outline) -> None:
    document = parse_markdown(
        "# Getting `started`\n\nA [link](https://x.org) and\n**bold** `code`,\n![a chart](c.png).\n\n"
        "Sub\n---\n\nFirst<br>second  \nthird &amp; <b>last</b>.\n",
        name="a.md",
    )
    assert document.title == "Getting started"
    assert document.media_type == "text/markdown"
    assert outline(document) == [
        "heading1: Getting `started`",
        "paragraph: A link and bold `code`, a chart.",
        "heading2: Sub",
        "paragraph: First\nsecond\nthird & last.",
    ]


def test_lists_nest_and_code_inside_stands_alone(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        2. Second
           line

           - nested
             - deeper

        3. Run

           ```sh
           ray start
           ```

           and wait.

        - another
        """
    ) == [
        "list: 2. Second line\n  - nested\n    - deeper\n3. Run",
        "code: ray start",
        "list: and wait.",
        "list: - another",
    ]


def test_tables_code_and_html(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        | Name | Use |
        |:-----|----:|
        | `a`  | [first](x) |
        | b    |     |

        ```python
        def f():

            return "<b>"
        ```

            indented

        <!-- hidden -->

        <div align="center"><p>Shown <em>too</em></p><script>alert(1)</script></div>

        <details>
        <summary>More</summary>

        Inside.

        </details>
        """
    ) == [
        "table: Name | Use\n`a` | first\nb |",
        'code: def f():\n\n    return "<b>"',
        "code: indented",
        "paragraph: Shown too",
        "paragraph: More",
        "paragraph: Inside.",
    ]


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ('---\ntitle: "The front"\ntags: [a]\n---\n\n# Heading\n', "The front"),
        ("---\ntags: [a]\n---\n# Heading\n", "Heading"),
        ("## Second\n\n# First\n\n# Other\n", "First"),
        ("Only text.\n", "my page"),
    ],
)
def test_the_title_comes_from_front_matter_a_heading_or_the_name(source: str, title: str) -> None:
    document = parse_markdown(source, name="docs/my_page.md")
    assert document.title == title
    assert "tags" not in document.text


def test_a_rule_at_the_start_is_not_front_matter(read: Callable[[str], list[str]]) -> None:
    assert read("---\n\nText.\n\nMore.\n") == ["paragraph: Text.", "paragraph: More."]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{ref}`the guide <guide>`", "the guide"),
        ("{class}`~ray.data.Dataset`!", "`Dataset`!"),
        ("{meth}`Dataset.map`", "`Dataset.map()`"),
        ("See {doc}`/serve/index`.", "See serve/index."),
        ("See [](serve-guide).", "See serve-guide."),
        ("A {literal} brace.", "A {literal} brace."),
        ("``a `tick` ``", "`a `tick` `"),
        ("\\*not emphasis\\*", "*not emphasis*"),
    ],
)
def test_myst_roles_read_as_their_text(read: Callable[[str], list[str]], source: str, expected: str) -> None:
    assert read(source) == [f"paragraph: {expected}"]


def test_myst_directives_read_as_text(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        (a-label)=
        # Title

        % a comment

        :::{note}
        :class: loud

        Mind the gap.
        :::

        ```{tip} Do this
        and that.
        ```

        ````{tab-set}
        ```{tab-item} Linux
        Use `apt`.
        ```
        ```{tab-item} Windows
        - Use `winget`.
        ```
        ````

        ```{versionadded} 2.9
        Actors.
        ```

        :::{dropdown} The `train` options
        :animate: fade-in
        Text.
        :::

        ```{code-block} python
        :caption: app.py
        :linenos:

        print(":::{note}")
        ```

        ```{code-cell} ipython3
        ---
        tags: [hide]
        ---
        1 + 1
        ```

        ```{literalinclude} a.py
        :language: python
        ```

        ```{toctree}
        intro
        ```

        :::tip
        Docusaurus.
        :::

        +++ {"a": 1}

        End.
        """
    ) == [
        "heading1: Title",
        "paragraph: Note: Mind the gap.",
        "paragraph: Tip: Do this and that.",
        "paragraph: Linux: Use `apt`.",
        "paragraph: Windows:",
        "list: - Use `winget`.",
        "paragraph: New in version 2.9: Actors.",
        "paragraph: The `train` options: Text.",
        "paragraph: app.py:",
        'code: print(":::{note}")',
        "code: 1 + 1",
        "paragraph: Tip: Docusaurus.",
        "paragraph: End.",
    ]


def test_evaluated_restructuredtext_is_read_below_the_heading_that_it_stands_under(
    read: Callable[[str], list[str]],
) -> None:
    assert read(
        """\
        ## API

        ```{eval-rst}
        Below
        =====

        .. note:: See :class:`~a.B`.
        ```

        ```{raw} html
        <p>Raw <b>words</b></p>
        ```
        """
    ) == ["heading2: API", "heading3: Below", "paragraph: Note: See `B`.", "paragraph: Raw words"]


def test_directives_inside_of_lists_keep_their_place(read: Callable[[str], list[str]]) -> None:
    assert read("1. One\n\n   ```{note}\n   Careful.\n   ```\n\n2. Two\n") == [
        "list: 1. One\n  Note: Careful.\n2. Two",
    ]


def test_an_unclosed_fence_keeps_its_content(read: Callable[[str], list[str]]) -> None:
    assert read("::::{note}\nText\n\n```python\nx = 1\n") == ["paragraph: Note: Text", "code: x = 1"]


def test_only_comments_are_an_empty_file() -> None:
    with pytest.raises(EmptyFile):
        parse_markdown("<!-- nothing -->\n\n% nothing\n", name="a.md")


@pytest.mark.parametrize("opening", [":::{note}\n", "> ", "- ", "[", "*a **b ", "```{eval-rst}\n"])
def test_deep_nesting_and_unclosed_markup_end_quickly(opening: str) -> None:
    document = parse_markdown("# Title\n\n" + opening * 3_000 + "text", name="a.md")
    assert document.title == "Title"


def test_html_nested_too_deeply_is_refused() -> None:
    with pytest.raises(DamagedFile, match="deep"):
        parse_markdown("<div>" * 5_000 + "x", name="a.md")

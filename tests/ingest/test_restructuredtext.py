import sys
import threading
from collections.abc import Callable
from textwrap import dedent

import pytest
from docutils.parsers.rst import directives, roles

from ingest.document import ParsedDocument
from ingest.errors import EmptyFile
from ingest.formats.restructuredtext import parse_restructuredtext

Outline = Callable[[ParsedDocument], list[str]]


@pytest.fixture
def read(outline: Outline) -> Callable[[str], list[str]]:
    return lambda source: outline(parse_restructuredtext(dedent(source), name="page.rst"))


def test_sections_become_headings_with_levels_and_the_first_is_the_title(outline: Outline) -> None:
    document = parse_restructuredtext(
        "Top ``level``\n=============\n\nOne\nline.\n\nBelow\n-----\n\nTwo.\n\nAgain\n-----\n\nThree.\n",
        name="a.rst",
    )
    assert document.title == "Top level"
    assert document.media_type == "text/x-rst"
    assert outline(document) == [
        "heading1: Top `level`",
        "paragraph: One line.",
        "heading2: Below",
        "paragraph: Two.",
        "heading2: Again",
        "paragraph: Three.",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (":class:`~django.db.models.Model`", "`Model`"),
        (":class:`django.db.models.Model`", "`django.db.models.Model`"),
        (":meth:`save() <django.db.models.Model.save>`", "`save()`"),
        (":py:meth:`~a.B.run`", "`run()`"),
        (":func:`!len`", "`len()`"),
        (":setting:`DEBUG`", "`DEBUG`"),
        (":ref:`the guide <topic-guide>`", "the guide"),
        (":ref:`topic-guide`", "topic guide"),
        (":doc:`the tutorial </intro/tutorial01>`", "the tutorial"),
        (":doc:`/topics/db/queries`", "topics/db/queries"),
        (":ticket:`12345`", "#12345"),
        (":pep:`8`", "PEP 8"),
        (":abbr:`LIFO (last in, first out)`", "LIFO (last in, first out)"),
        (":no-such-role:`some words`", "some words"),
        ("`Model`", "`Model`"),
        ("*emphasis*, **strong** and ``code``", "emphasis, strong and `code`"),
        ("`Django <https://djangoproject.com/>`_ and `target`_", "Django and target"),
        ("|name| is put in\n\n.. |name| replace:: Footnote", "Footnote is put in"),
        ("|logo|\n\n.. |logo| image:: a.png\n   :alt: The logo", "The logo"),
        ("Unclosed `quote and *star", "Unclosed `quote and *star"),
        ("See [1]_.\n\n.. _label: https://x.org", "See [1]."),
    ],
)
def test_inline_markup_reads_as_its_text(
    read: Callable[[str], list[str]], source: str, expected: str
) -> None:
    assert read(source) == [f"paragraph: {expected}"]


def test_notes_and_versions_keep_their_meaning(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        .. note:: Mind the gap.

        .. warning::
            :class: loud

            Do not touch.

        .. versionadded:: 5.2

            The ``strict`` argument.

        .. versionchanged:: 4.1 It is faster.

        .. deprecated:: 3.0

        .. admonition:: Why ``this``?

            Because.

            - and so on
        """
    ) == [
        "paragraph: Note: Mind the gap.",
        "paragraph: Warning: Do not touch.",
        "paragraph: New in version 5.2: The `strict` argument.",
        "paragraph: Changed in version 4.1: It is faster.",
        "paragraph: Deprecated since version 3.0",
        "paragraph: Why `this`? Because.",
        "list: - and so on",
    ]


def test_code_is_kept_verbatim_without_its_indentation(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        Like this::

            def f():
                return ":ref:`x`"

        .. code-block:: python
            :caption: polls/views.py
            :emphasize-lines: 1

            print("<b>")

        .. console::

            $ python manage.py migrate

        >>> 1 + 1
        2
        """
    ) == [
        "paragraph: Like this:",
        'code: def f():\n    return ":ref:`x`"',
        "paragraph: polls/views.py:",
        'code: print("<b>")',
        "code: $ python manage.py migrate",
        "code: >>> 1 + 1\n2",
    ]


def test_directives_without_text_disappear_and_nothing_is_included(
    read: Callable[[str], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    assert read(
        f"""\
        :orphan:

        .. _a-label:

        .. toctree::
            :maxdepth: 1

            intro/index
            topics/index

        .. include:: {__file__}
        .. literalinclude:: {__file__}
        .. csv-table:: Rows
            :file: {__file__}
        .. raw:: latex

            \\newpage
        .. highlight:: python
        .. index:: words
        .. contents::
        .. comment, not a directive

        Text.

        .. end of inclusion from "x"
        """
    ) == ["paragraph: Text."]
    assert capfd.readouterr() == ("", "")


def test_unknown_directives_keep_their_title_and_their_content(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        .. wizard:: The *first* step
            :colour: green

            Say :magic:`please`.

        .. grid:: 2

            .. grid-item-card:: Users
                :link: x

                Start
                ^^^
                here.

        .. tab-set::

            .. tab-item:: Linux

                ``apt``

            .. tab-item:: Windows

                .. literalinclude:: setup.ps1
        """
    ) == [
        "paragraph: The first step: Say please.",
        "paragraph: Users: Start",
        "paragraph: here.",
        "paragraph: Linux: `apt`",
    ]


def test_an_anchor_before_a_title_is_dropped_or_moves_below_it(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        Settings
        ========

        .. setting:: DEBUG

        ``DEBUG``
        ---------

        Default: ``False``

        .. fieldlookup:: gis-contains

        ``contains``
        ------------

        .. module:: django.contrib.gis
            :synopsis: Geographic models.

        Text.
        """
    ) == [
        "heading1: Settings",
        "heading2: `DEBUG`",
        "paragraph: Default: `False`",
        "heading2: `contains`",
        "paragraph: fieldlookup: `gis-contains`",
        "paragraph: Module `django.contrib.gis`: Geographic models.",
        "paragraph: Text.",
    ]


def test_signatures_are_headings_where_all_that_follows_belongs_to_them(
    read: Callable[[str], list[str]],
) -> None:
    assert read(
        """\
        Managers
        ========

        .. class:: Manager()

        About managers.

        .. method:: get(*args, **kwargs)
        .. method:: aget(*args, **kwargs)

            Gets one.

        .. class:: Other(name)

            Another one.

            .. attribute:: Other.name

                Its name.

        Errors
        ------

        .. exception:: Missing

            Raised.

        Text after the exception, which is not about it.
        """
    ) == [
        "heading1: Managers",
        "paragraph: class `Manager()`",
        "paragraph: About managers.",
        "heading2: `get(*args, **kwargs)`, `aget(*args, **kwargs)`",
        "paragraph: Gets one.",
        "heading2: class `Other(name)`",
        "paragraph: Another one.",
        "heading3: `Other.name`",
        "paragraph: Its name.",
        "heading2: Errors",
        "paragraph: exception `Missing`",
        "paragraph: Raised.",
        "paragraph: Text after the exception, which is not about it.",
    ]


def test_a_long_signature_is_short_as_a_heading_and_whole_below_it(read: Callable[[str], list[str]]) -> None:
    arguments = ", ".join(f"argument_{number}=None" for number in range(12))
    assert read(f"Text.\n\n.. function:: run({arguments})\n\n    Runs.\n") == [
        "paragraph: Text.",
        "heading1: `run`",
        f"paragraph: `run({arguments})`",
        "paragraph: Runs.",
    ]


def test_summaries_list_their_names(read: Callable[[str], list[str]]) -> None:
    source = ".. autosummary::\n    :toctree: doc/\n\n    ray.init\n    ~ray.get\n        :noindex:\n"
    assert read(source) == ["list: - `ray.init`\n- `ray.get`"]


def test_lists_nest_and_code_inside_stands_alone(read: Callable[[str], list[str]]) -> None:
    assert read(
        """\
        3. Third
           line.

           More.

           - nested
           - twice

        4. Run::

               ray start

           Then wait.
        """
    ) == [
        "list: 3. Third line.\n  More.\n  - nested\n  - twice\n4. Run:",
        "code: ray start",
        "list: Then wait.",
    ]


def test_tables_definitions_fields_footnotes_and_line_blocks_are_readable(
    read: Callable[[str], list[str]],
) -> None:
    assert read(
        """\
        ======= =======
        Name    ``Use``
        ======= =======
        alpha   first
        beta    second
        ======= =======

        .. list-table:: Numbers

            * - one
              - two
            * - three
              - four

        slug
            A short label.

        Text [#]_.

        :param str name: Who.
        :returns: A greeting.

        .. [#] Below.

        | Roses are red,
        | violets are blue.

        -v, --verbose  Say more.
        """
    ) == [
        "table: Name | `Use`\nalpha | first\nbeta | second",
        "paragraph: Numbers:",
        "table: one | two\nthree | four",
        "paragraph: slug: A short label.",
        "paragraph: Text [1].",
        "paragraph: str name: Who.",
        "paragraph: Returns: A greeting.",
        "paragraph: [1] Below.",
        "paragraph: Roses are red,\nviolets are blue.",
        "paragraph: `-v, --verbose`: Say more.",
    ]


def test_what_docutils_gives_up_on_is_kept(read: Callable[[str], list[str]]) -> None:
    broken_table = "+-----+\n| a | b |\n+--+--+"
    assert read(f"Before.\n\n{broken_table}\n\nAfter.\n") == [
        "paragraph: Before.",
        f"code: {broken_table}",
        "paragraph: After.",
    ]


def test_titles_inside_of_directives_are_not_lost(read: Callable[[str], list[str]]) -> None:
    assert "heading1: Inside" in " ".join(read(".. container::\n\n    Inside\n    ======\n\n    Text.\n"))


def test_markup_nested_too_deeply_is_read_as_plain_text() -> None:
    document = parse_restructuredtext("- " * 3000 + "end", name="deep.rst")
    assert document.text.endswith("end")
    assert document.media_type == "text/plain"


def test_unclosed_quotes_in_a_long_paragraph_take_no_time() -> None:
    document = parse_restructuredtext("`a " * 30_000, name="quotes.rst")
    assert len(document.blocks) == 1


def test_only_comments_are_an_empty_file() -> None:
    with pytest.raises(EmptyFile, match="no readable text"):
        parse_restructuredtext(".. nothing but\n   a comment\n", name="a.rst")


def test_the_tables_of_docutils_stay_as_they_were() -> None:
    before = (dict(vars(directives)["_directives"]), dict(vars(roles)["_roles"]))
    parse_restructuredtext(".. wizard:: x\n\n.. role:: loud\n\n:loud:`x` :other:`y`\n", name="a.rst")
    assert (vars(directives)["_directives"], vars(roles)["_roles"]) == before


def test_threads_do_not_disturb_each_other() -> None:
    source = "Title\n=====\n\n" + "\n".join(f".. wizard:: {n}\n\n    - :a:`{n}`\n" for n in range(40))
    expected = parse_restructuredtext(source, name="a.rst").text
    found: list[str] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [
        threading.Thread(target=lambda: found.append(parse_restructuredtext(source, name="a.rst").text))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert found == [expected] * 8

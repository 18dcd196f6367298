"""Questions that stand in documents as headings and paragraphs."""

import pytest

from ingest.document import ParsedDocument
from ingest.pairs.authored import find_authored
from ingest.pairs.drafts import Origin, PairDraft
from ingest.pairs.questions import LONGEST_ANSWER, as_question, plain_line, reads_as_question
from ingest.parsing import parse


def _found(text: str, *, name: str = "page.md") -> tuple[ParsedDocument, list[PairDraft]]:
    document = parse(text.encode(), name=name)
    return document, find_authored(document, text.encode())


@pytest.mark.parametrize(
    "heading",
    [
        "How do I add a widget?",
        "How do I add a widget",
        "Why is the cache cold",
        "Can I run it on Windows",
        "Does Basalt support SQLite",
        "What is GEOS?",
        "If I change a model, how do I update the database?",
        "Nobody answered my ticket! What should I do?",
        "Why no rollback hook?",
        "I'm getting an error. What am I doing wrong?",
        "Is Basalt stable",
    ],
)
def test_headings_that_ask(heading: str) -> None:
    assert reads_as_question(plain_line(heading))


@pytest.mark.parametrize(
    "heading",
    [
        "What's new in 5.2",
        "What's next?",
        "How it works",
        "How to use signals",
        "When to use signals",
        "Why Basalt uses autocommit",
        "Do database work in the database rather than in Python",
        "Can't find the library",
        "`is not` operator",
        "Questions or issues?",
        "Who's behind this?",
        "What does this tutorial cover?",
        "Really?",
        "Whatever happens",
        "Where uploaded data is stored",
        "",
    ],
)
def test_headings_that_do_not_ask(heading: str) -> None:
    assert not reads_as_question(plain_line(heading))


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("1.2 How do I  use `pip`?", "How do I use pip?"),
        ("Q: Is Basalt stable?", "Is Basalt stable?"),
        ("Q12. Is Basalt stable?", "Is Basalt stable?"),
        ("3) Why is **this cache** cold", "Why is this cache cold?"),
        ("What does __init__ do?¶", "What does __init__ do?"),
        ("how do I [install](http://example.com) it?", "How do I install it?"),
        ("pip_tool: how do I run it?", "pip_tool: how do I run it?"),
        ("3 ways are known, which is best?", "3 ways are known, which is best?"),
    ],
)
def test_how_a_question_is_written(heading: str, question: str) -> None:
    assert as_question(plain_line(heading)) == question


def test_a_headings_section_with_its_sub_sections_is_the_answer() -> None:
    document, pairs = _found(
        "# FAQ\n\nHello.\n\n## How do I install Basalt?\n\nWith pip:\n\n```\npip install basalt\n```\n\n"
        "### On Windows\n\nWith the installer.\n\n## Licence\n\nFree.\n"
    )
    assert [pair.question for pair in pairs] == ["How do I install Basalt?"]
    assert pairs[0].answer == "With pip:\n\npip install basalt\n\nOn Windows\n\nWith the installer."
    assert pairs[0].origin is Origin.AUTHORED
    assert pairs[0].method == "heading"
    span = pairs[0].evidence[0]
    assert document.text[span.start : span.end] == pairs[0].answer


def test_a_long_answer_ends_with_a_whole_block_and_not_with_a_heading() -> None:
    filler = "word " * 250
    _, pairs = _found(
        f"# How do I start it?\n\nA {filler}\n\nB {filler}\n\n## More\n\nC {filler}\n\nD {filler}\n"
    )
    assert pairs[0].answer.startswith("A word")
    assert pairs[0].answer.endswith("B " + filler.strip())
    assert len(pairs[0].answer) <= LONGEST_ANSWER


@pytest.mark.parametrize(
    "text", ["# How do I start it?\n\n# Next\n\nText.\n", "# How do I start it?\n\n" + "word " * 1000]
)
def test_no_answer_no_pair(text: str) -> None:
    assert _found(text)[1] == []


def test_every_question_under_the_same_words_is_its_own_pair() -> None:
    _, pairs = _found(
        "# Windows\n\n## How do I install it?\n\nWith the installer.\n\n"
        "# Linux\n\n## How do I install it?\n\nWith the package manager.\n"
    )
    assert [pair.answer for pair in pairs] == ["With the installer.", "With the package manager."]


_ASKED = (
    "Frequent questions\n\n**Is Basalt free?**\n\nIt is.\n\nEven for companies.\n\n"
    "**Does it run on Windows?**\n\nIt does, from version 2 on.\n\n**How do I get help?**\n\nWrite to us.\n"
)


def test_paragraphs_that_ask_count_from_three_on() -> None:
    _, pairs = _found(_ASKED)
    assert [(pair.question, pair.answer, pair.method) for pair in pairs] == [
        ("Is Basalt free?", "It is.\n\nEven for companies.", "paragraph"),
        ("Does it run on Windows?", "It does, from version 2 on.", "paragraph"),
        ("How do I get help?", "Write to us.", "paragraph"),
    ]
    assert _found(_ASKED.replace("**How do I get help?**", "Help"))[1] == []


def test_marks_of_question_and_answer_are_left_out() -> None:
    document, pairs = _found(
        "Q: Is Basalt free? A: It is.\n\nQ: Does it run on Windows?\n\nA: It does.\n\n"
        "Q: How do I get help?\n\nA: Write to us.\n\nQ: Where is the code kept?\n\nA: In the barn.\n",
        name="faq.txt",
    )
    assert [(pair.question, pair.answer) for pair in pairs] == [
        ("Is Basalt free?", "It is."),
        ("Does it run on Windows?", "It does."),
        ("How do I get help?", "Write to us."),
        ("Where is the code kept?", "In the barn."),
    ]
    for pair in pairs:
        assert document.text[pair.evidence[0].start : pair.evidence[0].end] == pair.answer


def test_a_heading_that_the_page_also_marks_comes_once() -> None:
    page = """<html><body><main><h1>Help</h1><h2>Is Basalt free?</h2><p>It is <b>free</b>.</p>
        <h2>Where is the code kept?</h2><p>In the barn.</p></main>
        <script type="application/ld+json">{"@type": "FAQPage", "mainEntity": [{"@type": "Question",
        "name": "Is Basalt free?", "acceptedAnswer": {"@type": "Answer", "text": "It is free."}}]}</script>
        </body></html>"""
    _, pairs = _found(page, name="help.html")
    assert [(pair.question, pair.method) for pair in pairs] == [
        ("Is Basalt free?", "heading"),
        ("Where is the code kept?", "heading"),
    ]


def test_a_document_of_nothing_but_questions() -> None:
    text = "".join(f"# Is part {number} free?\n\nIt is.\n\n" for number in range(5000))
    _, pairs = _found(text)
    assert len(pairs) == 5000

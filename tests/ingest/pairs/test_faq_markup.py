"""Pairs that web pages mark, found again in the document's text."""

import json
import random

import pytest

from ingest.document import ParsedDocument
from ingest.pairs.drafts import Origin, PairDraft
from ingest.pairs.faq_markup import find_faq_markup
from ingest.pairs.locating import TextFinder
from ingest.parsing import parse


def _found(body: str) -> tuple[ParsedDocument, list[PairDraft]]:
    data = (
        f"<!doctype html><html><head><title>T</title></head><body><main>{body}</main></body></html>".encode()
    )
    document = parse(data, name="page.html")
    pairs = find_faq_markup(document, data)
    for pair in pairs:
        (span,) = pair.evidence
        assert document.text[span.start : span.end] == pair.answer
        assert pair.origin is Origin.AUTHORED
    return document, pairs


def _summary(pairs: list[PairDraft]) -> list[tuple[str, str, str]]:
    return [(pair.question, pair.answer, pair.method) for pair in pairs]


def _question(name: str, text: str) -> dict[str, object]:
    return {"@type": "Question", "name": name, "acceptedAnswer": {"@type": "Answer", "text": text}}


def _script(data: object) -> str:
    source = data if isinstance(data, str) else json.dumps(data)
    return f'<script type="application/ld+json">{source}</script>'


_BODY = """<p>Intro.</p><h3>Is it free?</h3><div><p>Yes, it is <em>free</em> of
    charge.</p><ul><li>For <code>all</code></li><li>For ever</li></ul></div>"""
_ANSWER = "<p>Yes, it is free of charge.</p><ul><li>For all</li><li>For ever</li></ul>"
_EXPECTED = [("Is it free?", "Yes, it is free of\ncharge.\n\n- For `all`\n- For ever", "faq-markup")]


@pytest.mark.parametrize(
    "data",
    [
        {
            "@context": "https://schema.org",
            "@type": "FAQPage",
            "mainEntity": [_question("Is it free?", _ANSWER)],
        },
        {"@type": "FAQPage", "mainEntity": _question("Is it free?", _ANSWER)},
        {
            "@graph": [
                {"@type": "WebSite"},
                {"@type": ["WebPage", "FAQPage"], "mainEntity": [_question("Is it free?", _ANSWER)]},
            ]
        },
        [{"@type": "https://schema.org/FAQPage", "mainEntity": [_question("Is it free?", _ANSWER)]}],
    ],
)
def test_json_ld_wherever_the_page_of_questions_stands(data: object) -> None:
    _, pairs = _found(_BODY + _script(data))
    assert [(q, " ".join(a.split()), m) for q, a, m in _summary(pairs)] == [
        ("Is it free?", "Yes, it is free of charge. - For `all` - For ever", "faq-markup")
    ]


@pytest.mark.parametrize(
    "data",
    [
        "{broken",
        "[" * 100_000,
        {"@type": "FAQPage"},
        {"@type": "FAQPage", "mainEntity": [1, None, "x", {"@type": "Question", "name": "Is it free?"}]},
        {
            "@type": "FAQPage",
            "mainEntity": [_question("Is it free?", "These words are nowhere on the page.")],
        },
        {"@type": "QAPage", "mainEntity": [_question("Is it free?", _ANSWER)]},
        {"@type": "FAQPage", "mainEntity": [{"@type": "Question", "name": 3, "acceptedAnswer": {"text": 4}}]},
    ],
)
def test_json_ld_that_is_broken_or_not_on_the_page_gives_nothing(data: object) -> None:
    assert _found(_BODY + _script(data))[1] == []


def test_a_broken_script_does_not_hide_the_next_one() -> None:
    good = {"@type": "FAQPage", "mainEntity": [_question("Is it free?", _ANSWER)]}
    assert len(_found(_BODY + _script("{broken") + _script(good))[1]) == 1


def test_the_answer_closest_behind_its_question_is_the_evidence() -> None:
    body = (
        "<ul><li>Is A on?</li><li>Is B on?</li></ul><p>Is all well? Yes.</p>"
        "<h3>Is A on?</h3><p>Yes.</p><h3>Is B on?</h3><p>Yes.</p>"
    )
    questions = [_question("Is B on?", "Yes."), _question("Is A on?", "Yes.")]
    document, pairs = _found(body + _script({"@type": "FAQPage", "mainEntity": questions}))
    starts = {pair.question: pair.evidence[0].start for pair in pairs}
    first, second, third = (
        place for place in range(len(document.text)) if document.text.startswith("Yes.", place)
    )
    assert first < second
    assert starts == {"Is A on?": second, "Is B on?": third}


def test_words_are_not_found_inside_of_words() -> None:
    body = "<h3>Is it so?</h3><p>Yesterday it was not.</p>"
    assert (
        _found(body + _script({"@type": "FAQPage", "mainEntity": [_question("Is it so?", "Yes")]}))[1] == []
    )


def test_microdata() -> None:
    _, pairs = _found("""<div itemscope itemtype="https://schema.org/FAQPage">
        <div itemscope itemprop="mainEntity" itemtype="https://schema.org/Question">
          <h3 itemprop="name">Is it free?</h3>
          <div itemscope itemprop="acceptedAnswer" itemtype="https://schema.org/Answer">
            <div itemprop="text"><p>It is free for <b>all</b>.</p><p>Always.</p></div></div></div>
        <div itemscope itemprop="mainEntity" itemtype="https://schema.org/Question">
          <h3 itemprop="name">Is it not?</h3></div></div>
        <div itemscope itemtype="https://schema.org/Question"><i itemprop="name">Lost?</i></div>""")
    assert _summary(pairs) == [("Is it free?", "It is free for all.\n\nAlways.", "faq-markup")]


def test_details_whose_summary_asks() -> None:
    _, pairs = _found("""<details><summary>How do I install it?</summary>First <code>fetch</code> it.
        <ol><li>Open it.</li><li>Run it.</li></ol></details>
        <details><summary>Show the code</summary><p>print(1)</p></details>
        <details><p>No summary.</p></details>""")
    assert _summary(pairs) == [
        ("How do I install it?", "First `fetch` it.\n\n1. Open it.\n2. Run it.", "faq-markup")
    ]


def test_definition_lists_of_terms_and_of_questions() -> None:
    _, pairs = _found("""<dl><dt>Kiln</dt><dd>A hot oven that bakes the build.</dd>
        <dt><b>Slip cast</b></dt><dd><p>The way to copy a form.</p><p>It is old.</p></dd></dl>
        <dl><div><dt>Is it hot?</dt><dd>Very much so.</dd></div></dl>""")
    assert _summary(pairs) == [
        ("What is Kiln?", "A hot oven that bakes the build.", "definition"),
        ("What is Slip cast?", "The way to copy a form.\n\nIt is old.", "definition"),
        ("Is it hot?", "Very much so.", "faq-markup"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<dl><dt>Kiln</dt><dd>A hot oven that bakes the build.</dd></dl>",
        "<dl><dt>Author</dt><dd>Ada</dd><dt>Date</dt><dd>The first of May was it.</dd></dl>",
        "<dl><dt>--fast</dt><dd>A switch for haste.</dd><dt>--slow</dt><dd>A switch for rest.</dd></dl>",
        "<dl class='py'><dt>Kiln</dt><dd>A hot oven it is.</dd><dt>Pot</dt><dd>A wide clay bowl.</dd></dl>",
        "<dl><dt></dt><dd></dd></dl>",
    ],
)
def test_other_definition_lists_ask_nothing(body: str) -> None:
    assert _found(f"<p>Words.</p>{body}")[1] == []


def test_a_long_answer_is_cut_after_a_whole_block() -> None:
    paragraphs = "".join(f"<p>Part {number} {'word ' * 100}end.</p>" for number in range(10))
    _, pairs = _found(f"<details><summary>How do I read it all?</summary>{paragraphs}</details>")
    assert pairs[0].answer.startswith("Part 0")
    assert pairs[0].answer.endswith("end.")
    assert 2000 < len(pairs[0].answer) <= 3000


def test_an_answer_of_one_block_that_is_too_long_is_left_out() -> None:
    words = "word " * 1000
    script = _script({"@type": "FAQPage", "mainEntity": [_question("Is it long at all?", words)]})
    assert _found(f"<p>{words}</p>{script}")[1] == []


def test_the_finder_agrees_with_a_brute_force_search() -> None:
    draw = random.Random(7)
    words = ["a", "ab", "b", "ba", "aa", "x_y", "`c`", "(d)"]
    for _ in range(200):
        parts = [draw.choice(words) for _ in range(12)]
        text = "".join(part + draw.choice([" ", "\n", "  - ", ", "]) for part in parts)
        first = draw.randrange(12)
        sought = parts[first : first + draw.randrange(1, 4)]
        found = TextFinder(text).find(" * ".join(sought))
        target = "".join("".join(filter(str.isalnum, part)) for part in sought)
        assert found is not None
        assert "".join(filter(str.isalnum, text[found.start : found.end])) == target
        tokens = [token for part in parts for token in (["x", "y"] if part == "x_y" else [part.strip("`()")])]
        expected = next(
            i
            for i in range(len(tokens))
            for j in range(i, len(tokens))
            if "".join(tokens[i : j + 1]) == target
        )
        before = "".join(tokens[:expected])
        assert "".join(filter(str.isalnum, text[: found.start])) == before


def test_pages_that_hold_no_markup() -> None:
    assert _found("<p>Words.</p>")[1] == []

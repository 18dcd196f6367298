"""Pairs that a web page marks: schema.org FAQ data, folded details, and lists of definitions."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from lxml import etree

from ingest.decoding import decode_text
from ingest.document import ParsedDocument, visible_text
from ingest.errors import IngestError
from ingest.formats.html import write_html
from ingest.formats.writer import BlockWriter, single_line
from ingest.media_types import MediaType
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.locating import TextFinder
from ingest.pairs.questions import LONGEST_ANSWER, as_question, plain_line, reads_as_question
from ingest.spans import Span

_MOST_PAIRS = 1000  # of one page; each is looked for in the page's whole text
_LONGEST_TERM = 60  # characters
_FEWEST_TERMS = 2
_FEWEST_DEFINING_WORDS = 5
_DEFINES = re.compile(
    r"(?:an?|the|any|one|short for|abbreviation of)\s"
    r"|(?:\S+\s+){1,6}?(?:is|are|means|refers to|stands for)\s",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][)\"'\u201d]*(?:\s|$)")
_TERM = re.compile(r"[^\W\d_][\w .'/+#-]*(?: \([\w .-]+\))?")
_API_CLASSES = frozenset({"py", "cpp", "c", "js", "std", "field-list", "option-list", "footnote", "citation"})


class _MarkedPair(NamedTuple):
    """A pair as a page states it, both sides as HTML."""

    question: str
    answer: str
    method: str


def find_faq_markup(document: ParsedDocument, data: bytes) -> list[PairDraft]:
    """The pairs that a web page marks as such, where the document's text holds the answer.

    FAQPage data (JSON-LD and microdata), ``details`` whose ``summary`` is a question, and definition
    lists whose terms are questions give method "faq-markup"; a definition list of terms gives
    "What is ...?" by method "definition". Data that is broken is passed over.

    Args:
        document: The page as parsed.
        data: The page's bytes.
    """
    root = _tree(data)
    if root is None:
        return []
    finder = TextFinder(document.text)
    starts = [block.start for block in document.blocks]
    drafts: list[PairDraft] = []
    for pairs in (_from_json(root), _from_microdata(root), _from_details(root), _from_definitions(root)):
        cursor = 0
        for marked in islice(pairs, _MOST_PAIRS):
            found = finder.find_answer(_readable(marked.question), _readable(marked.answer), after=cursor)
            if found is None:
                continue
            cursor = found.end
            span = _shortened(document, starts, found)
            if span is not None:
                drafts.append(_draft(document, _readable(marked.question), span, marked.method))
    return drafts


def _draft(document: ParsedDocument, question: str, span: Span, method: str) -> PairDraft:
    return PairDraft(
        question=_what_is(question) if method == "definition" else as_question(plain_line(question)),
        answer=document.text[span.start : span.end],
        origin=Origin.AUTHORED,
        method=method,
        evidence=(EvidenceSpan(start=span.start, end=span.end),),
    )


def _what_is(term: str) -> str:
    return f"What is {plain_line(term)}?"


def _shortened(document: ParsedDocument, starts: list[int], span: Span) -> Span | None:
    """The span, or as many of its whole blocks as an answer may have; None where not even one fits."""
    if span.end - span.start <= LONGEST_ANSWER:
        return span
    last = bisect_right(starts, span.start + LONGEST_ANSWER) - 1
    ends = (document.blocks[position].end for position in range(last, -1, -1))
    end = next((end for end in ends if end <= span.start + LONGEST_ANSWER), 0)
    return Span(span.start, end) if end > span.start else None


def _readable(html: str) -> str:
    """A fragment of HTML as the text that its page's document has for it; empty where there is none."""
    writer = BlockWriter()
    try:
        write_html(writer, html)
        return writer.build(media_type=MediaType.HTML, name="fragment").text
    except IngestError:
        return ""


def _tree(data: bytes) -> Any:
    parser = etree.HTMLParser(
        recover=True, huge_tree=True, remove_comments=True, remove_pis=True, no_network=True
    )
    parser.feed(visible_text(decode_text(data)))
    try:
        return parser.close()
    except etree.XMLSyntaxError:
        return None


def _from_json(root: Any) -> Iterator[_MarkedPair]:
    for script in root.iter("script"):
        if (script.get("type") or "").split(";")[0].strip().lower() == "application/ld+json":
            for page in _objects(_parsed(script.text or ""), kind="FAQPage"):
                for question in _objects(page.get("mainEntity"), kind="Question"):
                    answers = _objects(question.get("acceptedAnswer"), kind="Answer")
                    for answer in islice(answers, 1):
                        asked = question.get("name") or question.get("text")
                        told = answer.get("text")
                        if isinstance(asked, str) and isinstance(told, str):
                            yield _MarkedPair(asked, told, "faq-markup")


def _parsed(source: str) -> Any:
    try:
        return json.loads(source, strict=False)
    except (ValueError, RecursionError):
        return None


def _objects(value: Any, *, kind: str) -> Iterator[dict[str, Any]]:
    """The outermost objects of a schema.org type in JSON-LD, in order, however deep they stand."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(reversed(each))
        elif isinstance(each, dict):
            types = each.get("@type")
            names = types if isinstance(types, list) else [types]
            if any(isinstance(name, str) and _type_name(name) == kind for name in names):
                yield each
            else:
                waiting.extend(reversed(each.values()))


def _type_name(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _from_microdata(root: Any) -> Iterator[_MarkedPair]:
    for question in root.iterfind(".//*[@itemtype]"):
        inside_page = any(_is_item(page, "FAQPage") for page in question.iterancestors())
        if _is_item(question, "Question") and inside_page:
            answer = next((each for each in question.iter() if _is_item(each, "Answer")), None)
            asked = _property(question, "name")
            told = _property(answer, "text") if answer is not None else ""
            if asked and told:
                yield _MarkedPair(asked, told, "faq-markup")


def _is_item(element: Any, kind: str) -> bool:
    return any(_type_name(name) == kind for name in (element.get("itemtype") or "").split())


def _property(item: Any, name: str) -> str:
    """A property's HTML; empty where the item has none."""
    for element in item.iter():
        if name in (element.get("itemprop") or "").split():
            return element.get("content") or _inner_html(element)
    return ""


def _from_details(root: Any) -> Iterator[_MarkedPair]:
    for details in root.iter("details"):
        summary = details.find("summary")
        if summary is not None:
            asked = _inner_html(summary)
            if reads_as_question(plain_line(_readable(asked))):
                told = (summary.tail or "") + "".join(_html(part) for part in summary.itersiblings())
                yield _MarkedPair(asked, told, "faq-markup")


def _from_definitions(root: Any) -> Iterator[_MarkedPair]:
    for definitions in root.iter("dl"):
        if _API_CLASSES.isdisjoint((definitions.get("class") or "").split()):
            yield from _of_list(list(_entries(definitions)))


def _of_list(entries: list[tuple[str, str]]) -> Iterator[_MarkedPair]:
    """Entries whose terms are questions; else all of them, if all are terms with their definitions."""
    questions = [entry for entry in entries if reads_as_question(plain_line(_readable(entry[0])))]
    if questions:
        yield from (_MarkedPair(asked, told, "faq-markup") for asked, told in questions)
    elif len(entries) >= _FEWEST_TERMS and all(_defines(*entry) for entry in entries):
        yield from (_MarkedPair(term, told, "definition") for term, told in entries)


def _defines(term: str, definition: str) -> bool:
    name, text = plain_line(_readable(term)), single_line(_readable(definition))
    is_term = len(name) <= _LONGEST_TERM and bool(_TERM.fullmatch(name))
    says_enough = len(text.split()) >= _FEWEST_DEFINING_WORDS and bool(_SENTENCE_END.search(text))
    return is_term and says_enough and bool(_DEFINES.match(text))


def _entries(definitions: Any) -> Iterator[tuple[str, str]]:
    """The terms of a definition list, each with the HTML of what stands below it."""
    rows = [
        row
        for child in definitions
        for row in (child.iterchildren() if child.tag == "div" else (child,))
        if row.tag in {"dt", "dd"}
    ]
    term, told = "", ""
    for row in rows:
        if row.tag == "dt":
            if term and told:
                yield term, told
            term, told = (_inner_html(row), "") if told or not term else ("", "")
        elif term:
            told += f"<div>{_inner_html(row)}</div>"
    if term and told:
        yield term, told


def _inner_html(element: Any) -> str:
    return (element.text or "") + "".join(_html(child) for child in element)


def _html(element: Any) -> str:
    return str(etree.tostring(element, encoding="unicode", method="html"))

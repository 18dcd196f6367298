"""Pairs made from what technical documents offer by their form, without a model."""

import re
from collections.abc import Iterator

from ingest.document import BlockKind, ParsedDocument
from ingest.pairs.drafts import PairDraft
from ingest.pairs.entries import Entry, make_pair, read_entries, sentences_of
from ingest.pairs.questions import plain_line
from ingest.pairs.reference import reference_pairs
from ingest.pairs.tasks import task_pairs
from ingest.spans import Span

_SHORT_SENTENCE = 120  # characters; a second sentence as short is part of a definition
_LONGEST_DEFINITION = 500
_LONGEST_SUBJECT = 60
_MOST_TERM_WORDS = 5

_COPULA = re.compile(
    r"(?P<subject>[^.,;:()]{2,60}?)(?: \([^()]{1,40}\))? (?P<copula>is|are)"
    r" (?!the (?:same|first|only|default|most|best|easiest|next|last|main|recommended|following|case)\b)"
    r"(?:an?|the|one of the)\s",
)
_ARTICLE = re.compile(r"(?:an?|the)\s+(?=\S)", re.IGNORECASE)
_KIND = re.compile(
    r"\b(?:class|object|function|method|command|setting|module|decorator|type)s?\b", re.IGNORECASE
)
_GLOSSARY = re.compile(r"(?:glossary|terminology|definitions|key terms|terms)", re.IGNORECASE)
_TERM = re.compile(r"(?P<term>[A-Za-z][\w .'/-]{1,50}?): (?=(?:An?|The|Any) \S)")


def structured_pairs(document: ParsedDocument) -> list[PairDraft]:
    """The pairs that a document's headings, definitions and reference entries give, in order.

    Method "task" asks how the task of a heading is done, "definition" what a thing is, "default" for
    a default value, "setting", "option" and "callable" what a setting, a command-line option, and a
    function or class does. An answer is exactly the text of its one evidence span: whole sentences
    or whole blocks. A question that the document would answer in two places is not asked.

    Returns:
        Drafts of origin "generated".
    """
    made: dict[str, list[PairDraft]] = {}
    for entry in read_entries(document):
        for pair in _pairs(entry):
            made.setdefault(pair.question, []).append(pair)
    return [pairs[0] for pairs in made.values() if len({pair.answer for pair in pairs}) == 1]


def _pairs(entry: Entry) -> Iterator[PairDraft]:
    yield from task_pairs(entry)
    yield from _definition(entry)
    yield from _glossary(entry)
    yield from reference_pairs(entry)


def _definition(entry: Entry) -> Iterator[PairDraft]:
    """What the heading's thing is, where the first sentence below says "X is a ..."."""
    sentences = entry.sentences
    text = entry.document.text[sentences[0].start : sentences[0].end] if sentences else ""
    match = _COPULA.match(text)
    if match is None or len(text) > _LONGEST_DEFINITION or not text.endswith("."):
        return
    if _bare(match["subject"]) == _bare(entry.heading) and len(entry.heading) <= _LONGEST_SUBJECT:
        question = f"What {match['copula']} {_inside(match['subject'])}?"
        yield make_pair(entry.document, question, _with_next(entry, sentences), method="definition")


def _bare(subject: str) -> str:
    """A subject without article, markup, kind and plural, to be compared."""
    plain = _KIND.sub("", _ARTICLE.sub("", plain_line(subject), count=1)).replace("()", "")
    return " ".join(word.rstrip("s") for word in plain.lower().split())


def _inside(subject: str) -> str:
    """A subject as it stands inside of a question, its article with a small letter."""
    plain = plain_line(subject)
    return plain[0].lower() + plain[1:] if _ARTICLE.match(plain) else plain


def _with_next(entry: Entry, sentences: list[Span]) -> Span:
    first, second = sentences[0], sentences[1] if len(sentences) > 1 else None
    if second is None or second.end - second.start > _SHORT_SENTENCE:
        return first
    return Span(first.start, second.end) if entry.document.text[second.end - 1] == "." else first


def _glossary(entry: Entry) -> Iterator[PairDraft]:
    """The terms of a section that says that it explains terms: paragraphs ``term: A thing that ...``."""
    if not _GLOSSARY.fullmatch(plain_line(entry.heading)):
        return
    for block in entry.blocks:
        match = _TERM.match(entry.document.text, block.start, block.end)
        if block.kind is BlockKind.PARAGRAPH and match and len(match["term"].split()) <= _MOST_TERM_WORDS:
            sentences = sentences_of(entry.document.text, Span(match.end(), block.end))
            if sentences and entry.document.text[sentences[0].end - 1] == ".":
                span = _with_next(entry, sentences)
                term = _one(plain_line(match["term"]), entry.document.text[span.start : span.end])
                yield make_pair(entry.document, f"What is {term}?", span, method="definition")


def _one(term: str, definition: str) -> str:
    """A term with its article, where its definition shows by its own that it takes one."""
    takes_article = definition.startswith(("A ", "An ")) and term[0].islower()
    return f"{'an' if term[0] in 'aeiou' else 'a'} {term}" if takes_article else term

"""Whether a question fits the sentence that it is for, mended where words can mend it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.passages import Vocabulary, read_vocabulary
from generator.words import Term, TermKind, read_terms, stem
from ingest.pairs.shapes import CONTENT_OPENER, DEFINITION_OPENERS, find_commas
from ingest.pairs.statements import Statement

_LONGEST_QUESTION = 200
_FEWEST_WORDS = 3
_LEAST_NAMED = 0.5  # share of the given part that the question must name
_MOST_REVEALED = 0.34  # share of the asked part that it may mention
_FEWEST_SUBJECT = 6  # words of "What does the sync command print?"; "What does Acme provide?" is too wide
_MOST_STRANGE = 1  # words that stand neither in the sentence nor above it
_FEWEST_PLAIN_TERMS = 3  # that make a question about one thing, where it has no name and no identifier

_LABEL = re.compile(r"^\W*(?:question|q|user)\s*\d*\s*[:.)]\s*|^\s*(?:[-*+•]|\d{1,3}[.)])\s+", re.IGNORECASE)
_QUOTES = "\"' *\u2018\u2019\u201c\u201d"
_NEGATED = re.compile(r"\b(?:not|cannot|never|no)\b|n['\u2019]t\b", re.IGNORECASE)
_RELEASE = re.compile(r"\b([A-Z]\w+) (\d+(?:\.\d+)+)\b")
_CODE_HEADING = re.compile(r"(?:class |module )?`([^\W\d][\w.]*)[^`]*`(?:, `[^`]*`)*$")  # of one name only
_CONDITIONS = (
    "What happens",
    "What should you do",
)  # hold for what the heading names, whatever else they name
_CODE_MARK = re.compile(r"`|\w[._]\w|\(\)")
# A name that stands on its own: `send()`, `Signal.send`, `FileField`, `USE_TZ`, `--fake`, Memcached.
_OWN_NAME = re.compile(
    r"`[^`]*(?:\(|\.\w|-|[a-z][A-Z]|[A-Z]{2}|_[a-z]+_)[^`]*`|\b[\w.]+\(\)|(?<=\s)[A-Z]\w*[a-z]\w*"
)
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePassage:
    """A passage that pairs are made from.

    Attributes:
        title: The document's title.
        heading_path: The headings above the passage, outermost first.
        text: The passage.
        start: Offset of its first character in the document's text.
    """

    title: str
    heading_path: tuple[str, ...]
    text: str
    start: int

    @property
    def place(self) -> tuple[str, ...]:
        """Title and headings, each once."""
        return tuple(dict.fromkeys((self.title, *self.heading_path)))


def read_question(line: str) -> str:
    """The question in what a model wrote: its first line up to a question mark; empty if it wrote nothing."""
    first = next((one for one in line.splitlines() if one.strip()), "")
    text = _SPACES.sub(" ", _LABEL.sub("", first.strip(_QUOTES))).strip(_QUOTES)
    question = text.partition("?")[0].rstrip(" .!")
    return f"{question}?" if question else ""


def choose_question(line: str, passage: SourcePassage, statement: Statement) -> str:
    """The question of what a model wrote, mended where words can mend it; empty if it does not fit.

    A small model likes to finish the sentence ("What happens if the disk is full, no copy is made?"):
    what follows a comma is cut off where that makes the question fit. One that names no thing of its
    own gets the name that stands in the heading above, or the version in the title.
    """
    for question in _readings(read_question(line), statement):
        anchored = _anchor(question, passage, statement)
        if _names_given(question, statement) and fits(anchored, passage, statement):
            return anchored
    return ""


def _readings(question: str, statement: Statement) -> Iterator[str]:
    """A question cut behind the verb if it asks what something does, cut where the given part ends, whole."""
    *_, verb = statement.shape.given.split()
    if statement.shape.opener == CONTENT_OPENER:
        ends = [word.end() for word in re.finditer(r"\w+", question) if stem(word.group()) == stem(verb)]
        yield from (question[:end] + "?" for end in ends[-1:])
    cuts = [
        question[:comma] + "?" for comma in find_commas(question)[len(find_commas(statement.shape.given)) :]
    ]
    yield from (*cuts[:1], question, *reversed(cuts)) if question else ()


def _anchor(question: str, passage: SourcePassage, statement: Statement) -> str:
    """The question with the version or the name that it is about, where it has none."""
    body = question.rstrip("?")
    name = _CODE_HEADING.match(passage.place[-1])
    own = _OWN_NAME.search(question) and not statement.shape.opener.startswith(_CONDITIONS)
    if name and not own and name[1].split(".")[-1] not in question:
        body += f" in `{name[1]}`"
    release = _RELEASE.search(passage.title)
    if release and release[0] not in question:
        product, number = release[1], release[2]
        body = body.removesuffix(f" in {product}") + f" in {product} {number}"
    return body + "?"


def fits(question: str, passage: SourcePassage, statement: Statement) -> bool:
    """Whether a question is well made and about what the statement says, as far as words can tell."""
    if not question or len(question) > _LONGEST_QUESTION or len(question.split()) < _FEWEST_WORDS:
        return False
    opener = statement.shape.opener
    if question.count("`") % 2 or question.count("(") != question.count(")"):
        return False
    if _NEGATED.search(question) and not statement.shape.asked:
        return False
    if question.split(maxsplit=1)[0].lower() != opener.split()[0].lower():
        return False
    if (
        opener == CONTENT_OPENER
        and not _CODE_MARK.search(question)
        and len(question.split()) < _FEWEST_SUBJECT
    ):
        return False
    terms = question_terms(question)
    near = read_vocabulary(" \n".join((*passage.place, statement.text)))
    return (
        _is_specific(terms, near, opener)
        and not _invents(terms, passage, near)
        and not _reveals_asked(terms, passage, statement)
    )


def question_terms(question: str) -> list[Term]:
    """The distinct content of a question."""
    return list({term.key: term for term in read_terms(question)}.values())


def _is_specific(terms: Sequence[Term], near: Vocabulary, opener: str) -> bool:
    """Whether a question is about one thing: "What does Acme provide?" is not, "What is Acme?" is."""
    known = [term for term in terms if near.has(term)]
    telling = {TermKind.IDENTIFIER, TermKind.NAME} if opener in DEFINITION_OPENERS else {TermKind.IDENTIFIER}
    return len(known) >= _FEWEST_PLAIN_TERMS or any(term.kind in telling for term in known)


def _invents(terms: Sequence[Term], passage: SourcePassage, near: Vocabulary) -> bool:
    """Whether a question mentions names that the passage does not have, or too many other words."""
    whole = read_vocabulary(" \n".join((*passage.place, passage.text)))
    strange = sum(term.kind is TermKind.WORD and not near.has(term) for term in terms)
    return strange > _MOST_STRANGE or any(
        term.kind is not TermKind.WORD and not whole.has(term) for term in terms
    )


def _names_given(question: str, statement: Statement) -> bool:
    """Whether a question names enough of the given part, and something before its verb where it has one."""
    asked = {term.key for term in read_terms(question)}
    given = {term.key for term in read_terms(statement.shape.given)}
    subject, _, _ = statement.shape.given.rpartition(" ")
    subject_terms = {term.key for term in read_terms(subject)}
    if statement.shape.opener == CONTENT_OPENER and subject_terms and not subject_terms & asked:
        return False
    return len(asked & given) >= _LEAST_NAMED * len(given)


def _reveals_asked(terms: Sequence[Term], passage: SourcePassage, statement: Statement) -> bool:
    shape = statement.shape
    known = {term.key for part in (*passage.place, shape.given) for term in read_terms(part)}
    answer = {term.key for term in read_terms(shape.asked)} - known
    return len(answer & {term.key for term in terms}) > _MOST_REVEALED * len(answer)

"""The sentences of a passage that are worth a question, and what of each one the question may give away."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.phrasing import leans_back
from generator.sentences import SpanKind, split_sentences
from generator.words import TermKind, read_terms
from ingest.pairs.shapes import Shape, find_shapes

_SHORTEST = 45  # characters; "Defaults to `None`." says too little without what stands above it
_LONGEST = 330
_FEWEST_TERMS = 4
_MOST_TERMS = 28
_FEWEST_ASKED = 2  # terms of the part that is asked for
_LEAST_WORTH = 0.5

_MARK = re.compile(r"(?:[-*+•]|\d{1,3}[.)])\s+")
_NOTICE = re.compile(r"(?:Note|Warning|Tip|Hint|Important|Caution|Attention): ")
_OPENS = re.compile(r"[\"'(*_]*[A-Z\d]|`")
_CLOSES = re.compile(r"[.!]['\")*_`]*$")

# What leans on text before or after it: its opening, and words that point elsewhere.
_LEANS = re.compile(
    r"\W*(?:however|also|but|and|or|so|thus|then|therefore|otherwise|instead|additionally|furthermore"
    r"|moreover|similarly|likewise|again|finally|next|first|second|here|there|both|another|alternatively"
    r"|as (?:a result|above|before|with|you|mentioned|noted|well)|that|see|he|she|we|our|let|now|yes|no|ok"
    r"|consequently|hence|either|neither|all (?:of|\w+ \w+ )|by (?:doing|using) (?:this|that|so)"
    r"|historically|previously|in (?:this|that|these|such|both|either|some|other|addition|fact|general|short)"
    r"|for (?:example|instance|this|that|these|more)"
    r"|the (?:same|former|latter|above|following|example|code|rest|first|second|other|result|output"
    r"|problem))\b",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\b(?:this|these|those|above|below|following|previous|previously|earlier|latter|former|here|we|we'\w+"
    r"|our|us|let's|tutorial|aforementioned|see|refer to|such an?|in that case|unsure"
    r"|note that|any other|the (?:output|result) (?:will|would) be)\b|https?:|\s\|\s",
    re.IGNORECASE,
)
_PRONOUN_FIRST = re.compile(
    r"\W*(?:(?:if|when|while|because|since|by default,|after|before|unless|although|for|with|to)\s+"
    r"(?:[\w']+\s+){0,2})?(?:it|its|they|their|them|one)\b",
    re.IGNORECASE,
)
# A line of a list of changes has no subject: "Fixed a crash in ...", "Added support for ...".
_CHANGE = re.compile(
    r"\W*(?:\w+ed (?:a|an|the|some|several|support|regression)\b|(?:fix|add|prevent|correct|allow|remov"
    r"|restor|adjust|improv|reallow)\w*ed\b|made\b|bug)",
    re.IGNORECASE,
)


# A sentence is worth more where it says what must be, what fails, what follows from what.
_SIGNALS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:must|should|needs? to|requires?|required|recommend\w*|have to)\b",
        r"\b(?:only|cannot|never|not|unless|without|\w+n['\u2019]t)\b",
        r"\b(?:default\w*|maximum|minimum|limit\w*|at (?:least|most)|deprecated|warning|security)\b",
        r"\b(?:because|so that|avoid|prevent|ensure|raises?|error|exception|fails?)\b",
    )
)
_SIGNAL_WORTH = 0.5
_SUBJECT_WORTH = 0.5  # mentions what the headings mention
_NAME_WORTH = 0.5  # mentions a name, an identifier or a number
_RANK_COST = 0.15  # of a shape after a safer one


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A sentence that is worth a question.

    Attributes:
        start: Offset of its first character in the passage's text.
        end: One past its last character.
        text: The sentence on one line, without a list's mark.
        shape: How it is asked for.
        worth: How much it is worth asking; comparable within one passage.
    """

    start: int
    end: int
    text: str
    shape: Shape
    worth: float


def choose_statements(text: str, place: Sequence[str], *, most: int) -> list[Statement]:
    """The sentences of a passage that are most worth a question, in their order.

    A sentence is taken if it stands on its own and has a shape that says which part of it is asked
    for. Code, headings, lines of change logs, and sentences that point elsewhere are passed over.

    Args:
        text: The passage.
        place: Title and headings above it; a sentence that mentions their words is worth more.
        most: How many to choose at most, at least 1.
    """
    subject = {term.key for part in place for term in read_terms(part)}
    found = [one for one in _statements(text, subject) if one.worth >= _LEAST_WORTH]
    best = sorted(found, key=lambda one: (-one.worth, one.start))[:most]
    return sorted(best, key=lambda one: one.start)


def _statements(text: str, subject: set[str]) -> Iterator[Statement]:
    for span in split_sentences(text):
        if span.kind in {SpanKind.CODE, SpanKind.HEADING}:
            continue
        plain = plain_sentence(text[span.start : span.end])
        shapes = find_shapes(plain) if _stands_alone(plain) else iter(())
        for rank, shape in enumerate(shapes):
            if _is_whole(shape):
                worth = _worth(plain, subject) - _RANK_COST * rank
                yield Statement(start=span.start, end=span.end, text=plain, shape=shape, worth=worth)
                break


def plain_sentence(sentence: str) -> str:
    """A sentence on one line, without a list's mark and a notice's label."""
    line = " ".join(sentence.split())
    return _NOTICE.sub("", _MARK.sub("", line, count=1), count=1)


def _stands_alone(sentence: str) -> bool:
    """Whether a sentence is one, and can be read without those around it."""
    if not _SHORTEST <= len(sentence) <= _LONGEST:
        return False
    if not _OPENS.match(sentence) or not _CLOSES.search(sentence):
        return False
    if leans_back(sentence) or any(one.match(sentence) for one in (_LEANS, _PRONOUN_FIRST, _CHANGE)):
        return False
    return not _POINTS.search(sentence) and _FEWEST_TERMS <= len(_keys(sentence)) <= _MOST_TERMS


def _is_whole(shape: Shape) -> bool:
    """Whether both parts say something, and neither was cut out of code or brackets."""
    for part in (shape.given, shape.asked):
        if part.count("`") % 2 or part.count("(") != part.count(")"):
            return False
    return bool(_keys(shape.given)) and (not shape.asked or len(_keys(shape.asked)) >= _FEWEST_ASKED)


def _worth(sentence: str, subject: set[str]) -> float:
    terms = read_terms(sentence)
    return (
        _SIGNAL_WORTH * sum(bool(signal.search(sentence)) for signal in _SIGNALS)
        + _SUBJECT_WORTH * any(term.key in subject for term in terms)
        + _NAME_WORTH * any(term.kind is not TermKind.WORD for term in terms)
    )


def _keys(text: str) -> set[str]:
    return {term.key for term in read_terms(text)}

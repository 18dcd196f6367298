"""Pairs that ask the same: those whose answers agree, and those whose answers conflict.

Vectors of questions that differ in a name, a number or a "not" lie close together: at a cosine of 0.95
two questions of a reference manual mostly ask about different functions. So vectors only propose, and
words decide.
"""

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MINIMUM_COSINE = 0.9
"""Where to look for the same question, for all-MiniLM-L6-v2; see docs/benchmarks.md."""

LEAST_AGREEMENT = 0.6
"""From here on, two answers say the same."""

_ROWS = 512  # new questions compared at once: 512 x 8192 cosines are 16 MB
_COLUMNS = 8192
_NEAREST = 50  # questions examined for each new one

_WORD = re.compile(r"[^\s,;!?\"'`‘’“”()\[\]{}<>]+(?:['’]t\b)?")  # noqa: RUF001
_QUOTED = re.compile(r"[`\"“]([^`\"“”]{1,60})[`\"”]|(?<!\w)'([^'\s]{1,60})'(?!\w)")
_MARK = re.compile(r"[\d_/=@#$+\\:*]|\w\.\w|^-|[^\W\d_].*[^\W\d_a-z]")  # a number or an identifier
_CAPITALISED = re.compile(r"[^\W\d_a-z]\w")
_NEGATION = frozenset("not no never without cannot nor neither none nothing nobody unless except".split())  # noqa: SIM905
_FUNCTION_WORDS = frozenset(
    "a an the of in on at to for with by from into is are was were be been being am do does did doing done "  # noqa: SIM905
    "can could may might will would shall should must have has had having i you we they he she it its my "
    "your our their me us them this that these those there and or but if so as then than what which who whom "
    "whose how why when where also just please exactly actually use used using get getting way ways best "
    "right correct proper recommended easiest possible want need like purpose given provided steps s".split()
)
_SYNONYM_GROUPS = (
    "remove delete erase", "configure setup", "run execute", "directory folder", "show display",
    "begin start launch", "email mail e-mail", "database db", "picture image", "change modify alter edit",
    "repair fix solve resolve", "create make", "documentation docs", "stop halt",
    "login signin", "logout signout",
    "parameter argument", "flag option",
)  # fmt: skip
_LEAST_STEM = 3
_TWO_WORDS = re.compile(r"\b(set|log|sign|back|shut|start) (up|in|out|down)\b", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:ations?|ating|ated|ates?|ions?|ings?|ied|ies|ed|es|(?<!s)s|e|y)$")
_DIRECTION = frozenset("to from into before after than over by".split())  # noqa: SIM905
_FORMS = (
    ("quantity", r"how (?:many|much|long|often|far|large|big|old|fast|small|deep)\b"),
    (
        "way",
        r"how (?:best )?to\b|how (?:do|can|should|could|would|might|must|does) (?:i|you|we|one|someone)\b",
    ),
    (
        "way",
        r"(?:what(?:'s| is| are)|is there|are there) (?:the |an? |any )?(?:\w+ )?(?:ways?|steps) (?:to|of)\b",
    ),
    ("way", r"how (?:can|could|should) (?:\w+ ){1,3}be\b"),
    ("ability", r"(?:can|could|may) (?!you )|(?:is|are|would) it (?:be )?possible\b|am i able\b"),
    ("need", r"(?:should|must|shall)\b|(?:do|does) \w+ (?:need|have) to\b"),
    ("thing", r"(?:in |for |on |at )?(?:what|which)\b"),
    ("manner", r"how\b"),
    ("reason", r"why\b"),
    ("time", r"when\b"),
    ("place", r"where\b"),
    ("person", r"who(?:se|m)?\b"),
    ("fact", r"(?:is|are|was|were|do|does|did|will|would|has|have|had|am)\b"),
)
_FORM = [(name, re.compile(pattern)) for name, pattern in _FORMS]
_LEAD = re.compile(
    r"^[^?]{1,60}?, (?=how |what |which |why |when |where |who |can |is |are |do |does |should )"
)


class Relation(StrEnum):
    """How two pairs with the same question stand to each other."""

    SAME = "same"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Two pairs that ask the same.

    Attributes:
        first: Row of the one that stands earlier.
        second: Row of the other.
        cosine: Of their questions' vectors, in [-1, 1].
        relation: Whether their answers agree.
    """

    first: int
    second: int
    cosine: float
    relation: Relation


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a question asks, in its words."""

    form: str | None
    negated: bool
    content: tuple[str, ...]  # stems, in order, each once
    marks: frozenset[str]  # stems of numbers, identifiers and names
    stems: frozenset[str]  # of every word
    has_direction: bool


def same_question(first: str, second: str) -> bool:
    """Whether two questions that are close in meaning ask the same, judged strictly by their words.

    They must agree in their form (a way, a reason, a yes or no), in negation, in every number,
    identifier and capitalised name, and in all other words but function words and a few synonyms; where
    a direction counts (``from JSON to CSV``), in their order too. Opposites (enable, disable) are
    different words. The price is that many a paraphrase is taken for another question.
    """
    one, other = _read(first), _read(second)
    if (one.form, one.negated) != (other.form, other.negated) or not one.stems or not other.stems:
        return False
    if not (one.marks <= other.stems and other.marks <= one.stems):
        return False
    if one.has_direction or other.has_direction:
        return one.content == other.content
    return set(one.content) == set(other.content)


@lru_cache(maxsize=4096)
def _read(question: str) -> _Asked:
    text = _TWO_WORDS.sub(r"\1\2", " ".join(question.split()))
    words = _words(text)
    quoted = {word for match in _QUOTED.finditer(text) for word in _words(match[1] or match[2])}
    names = {word for word in words[1:] if _CAPITALISED.match(word)}
    marked = {word for word in words if _MARK.search(word)} | names | quoted
    lower = [word.lower() for word in words]
    content = [word for word in lower if word not in _FUNCTION_WORDS and not _is_negation(word)]
    return _Asked(
        form=_form(text.lower()),
        negated=any(map(_is_negation, lower)),
        content=tuple(dict.fromkeys(map(_stem, content))),
        marks=frozenset(_stem(word.lower()) for word in marked if word != "I"),
        stems=frozenset(map(_stem, lower)),
        has_direction=not _DIRECTION.isdisjoint(lower),
    )


def _words(text: str) -> list[str]:
    return [word for match in _WORD.findall(text) if (word := match.strip(".:"))]


def _is_negation(word: str) -> bool:
    return word in _NEGATION or word.endswith("n't")


def _stem(word: str) -> str:
    """The word without its ending, and one for all of its synonyms."""
    bare = _without_ending(word)
    return _SYNONYMS.get(bare, bare)


def _without_ending(word: str) -> str:
    """Three letters or more are left; identifiers and numbers stay whole."""
    stem = _SUFFIX.sub("", word)
    if len(stem) < _LEAST_STEM or not word.isalpha():
        return word
    doubled = stem != word and stem[-1] == stem[-2] and stem[-1] not in "aeiouls"
    return stem[:-1] if doubled else stem  # stopping


_SYNONYMS = {
    _without_ending(word): _without_ending(group.split()[0])
    for group in _SYNONYM_GROUPS
    for word in group.split()
}


def _form(text: str) -> str | None:
    """What kind of answer is asked for; None if the text is not worded as a question."""
    text = _LEAD.sub("", text)
    return next((name for name, pattern in _FORM if pattern.match(text)), None)


def compare_answers(first: str, second: str) -> float:
    """How much two answers share: F1 of their words without function words, in [0, 1].

    1 if they have the same words; answers of nothing but function words are compared by all their words.
    """
    one, other = (_content(text) for text in (first, second))
    if not one or not other:
        one, other = (Counter(word.lower() for word in _words(text)) for text in (first, second))
    both = (one & other).total()
    return 2 * both / (one.total() + other.total()) if both else 0.0


def _content(text: str) -> Counter[str]:
    words = (word.lower() for word in _words(text))
    return Counter(_stem(word) for word in words if word not in _FUNCTION_WORDS)


def _answers_agree(first: str, second: str) -> bool:
    """Their words agree enough or one holds the other; and both or neither say "not"."""
    one, other = ([word.lower() for word in _words(text)] for text in (first, second))
    if any(map(_is_negation, one)) != any(map(_is_negation, other)):
        return False
    if not one or not other:
        return one == other
    shorter, longer = sorted((f" {' '.join(words)} " for words in (one, other)), key=len)
    if shorter in longer:
        return True
    numbers = ({word for word in words if any(map(str.isdigit, word))} for words in (one, other))
    return next(numbers) == next(numbers) and compare_answers(first, second) >= LEAST_AGREEMENT


def find_related(
    vectors: NDArray[np.float32],
    questions: Sequence[str],
    answers: Sequence[str],
    *,
    new: Sequence[int],
    minimum_cosine: float = MINIMUM_COSINE,
) -> list[Related]:
    """Pairs of rows that ask the same, with at least one new row in each, every pair once.

    A new row is compared with all rows that are not new and with the new ones before it. Of those at or
    above the minimum, the 50 nearest are examined, so that memory and time stay in bounds when a
    thousand rows ask one thing.

    Args:
        vectors: (n, d), one unit row for each question.
        questions: n questions.
        answers: n answers.
        new: Rows to compare, each in [0, n).
        minimum_cosine: Least cosine of two questions, in [-1, 1].

    Returns:
        By the second row, then by the first; the second is the later row.

    Raises:
        ValueError: If the lengths differ.
    """
    if not len(vectors) == len(questions) == len(answers):
        raise ValueError(
            f"need one vector, question and answer for each row, got {len(vectors)}, {len(questions)} and "
            f"{len(answers)}"
        )
    related = []
    for row, earlier, cosine in _near(vectors, np.unique(np.asarray(new, dtype=np.int64)), minimum_cosine):
        if same_question(questions[row], questions[earlier]):
            agree = _answers_agree(answers[row], answers[earlier])
            first, second = sorted((row, earlier))
            relation = Relation.SAME if agree else Relation.CONFLICT
            related.append(Related(first=first, second=second, cosine=cosine, relation=relation))
    return sorted(related, key=lambda pair: (pair.second, pair.first))


def _near(
    vectors: NDArray[np.float32], new: NDArray[np.int64], minimum: float
) -> Iterator[tuple[int, int, float]]:
    """(new row, other row, cosine) for the nearest at or above the minimum."""
    is_new = np.zeros(len(vectors), dtype=bool)
    is_new[new] = True
    for start in range(0, len(new), _ROWS):
        rows = new[start : start + _ROWS]
        found: list[list[tuple[float, int]]] = [[] for _ in rows]
        for left in range(0, len(vectors), _COLUMNS):
            cosines = vectors[rows] @ vectors[left : left + _COLUMNS].T  # (rows, columns)
            columns = np.arange(left, left + cosines.shape[1])
            cosines[is_new[columns] & (columns >= rows[:, None])] = -np.inf  # itself, and later new ones
            for place, column in np.argwhere(cosines >= minimum):
                found[place].append((-float(cosines[place, column]), left + int(column)))
            found = [heapq.nsmallest(_NEAREST, nearest) for nearest in found]
        for row, nearest in zip(rows, found, strict=True):
            yield from ((int(row), other, -cosine) for cosine, other in nearest)

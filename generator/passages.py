"""Passages prepared for comparison: every sentence's words, numbers, names and denials."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from generator.evidence import Evidence
from generator.polarity import Denials
from generator.sentences import Span, split_sentences
from generator.stop_words import NUMBER_WORDS
from generator.words import Term, TermKind, find_tokens, fold, number_key, parts, stem

_SEPARATOR = re.compile(r"[./='\"-]+")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that a text mentions, in comparable forms.

    Attributes:
        stems: Stems of all words, and of the parts of dotted names and paths.
        keys: All words and identifiers folded, whole and in parts.
        numbers: All numbers.
    """

    stems: frozenset[str]
    keys: frozenset[str]
    numbers: frozenset[str]

    def has(self, term: Term) -> bool:
        """Whether the text mentions a term; a dotted name also counts when all its parts are there."""
        if term.kind is TermKind.WORD:
            return term.key in self.stems
        if term.kind is TermKind.NUMBER:
            return term.key in self.numbers
        pieces = term.key.split(".")
        return term.key in self.keys or (
            len(pieces) > 1 and all(fold(piece) in self.keys for piece in pieces)
        )


def read_vocabulary(text: str) -> Vocabulary:
    """Everything that a text mentions."""
    stems: set[str] = set()
    keys: set[str] = set()
    numbers: set[str] = set()
    for token, is_number in find_tokens(text):
        if is_number:
            numbers.add(number_key(token))
            continue
        lowered = token.lower()
        keys |= {lowered, lowered.strip("@/.~"), fold(token)}
        if lowered in NUMBER_WORDS:
            numbers.add(NUMBER_WORDS[lowered])
        pieces = [piece for piece in _SEPARATOR.split(token) if piece]
        stems |= {stem(piece) for piece in pieces}
        keys |= {fold(piece) for piece in (token, *pieces, *parts(token))}
        numbers |= {part for part in parts(token) if part.isdigit()}
    return Vocabulary(frozenset(stems), frozenset(keys), frozenset(numbers))


@dataclass(frozen=True, slots=True)
class Unit:
    """One sentence, list item or block of code of a passage.

    Attributes:
        span: Where it stands in the passage's text.
        vocabulary: What it mentions.
    """

    span: Span
    vocabulary: Vocabulary


@dataclass(frozen=True)
class Passage:
    """Evidence, read once so that many sentences can be checked against it.

    Attributes:
        evidence: The evidence.
        units: Its sentences in order.
        place: What its title, headings and subjects mention.
        whole: What its text, title and headings mention together.
    """

    evidence: Evidence
    units: tuple[Unit, ...]
    place: Vocabulary
    whole: Vocabulary
    _denials: dict[tuple[int, int], Denials] = field(default_factory=dict, repr=False, compare=False)

    def denials(self, start: int, end: int) -> Denials:
        """What a slice of the text denies and affirms."""
        if (start, end) not in self._denials:
            self._denials[start, end] = Denials(self.evidence.text[start:end])
        return self._denials[start, end]


def read_passage(evidence: Evidence, *, subjects: Sequence[str] = ()) -> Passage:
    """Prepare evidence for checking.

    Args:
        evidence: The evidence.
        subjects: Names that the passage is about without saying so, such as its product.
    """
    spans = split_sentences(evidence.text)
    units = tuple(Unit(span, read_vocabulary(evidence.text[span.start : span.end])) for span in spans)
    place = read_vocabulary(" \n".join((evidence.title, *evidence.heading_path, *subjects)))
    return Passage(evidence, units, place, merge([place, *(unit.vocabulary for unit in units)]))


def merge(vocabularies: Sequence[Vocabulary]) -> Vocabulary:
    """Everything that several texts mention."""
    return Vocabulary(
        frozenset().union(*(one.stems for one in vocabularies)),
        frozenset().union(*(one.keys for one in vocabularies)),
        frozenset().union(*(one.numbers for one in vocabularies)),
    )

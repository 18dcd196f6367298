"""Answers in the documents' own words, for when a model wrote nothing that holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generator.evidence import Evidence
from generator.passages import Passage, Unit
from generator.phrasing import leans_back
from generator.sentences import SpanKind
from generator.strength import covered
from generator.words import Term

_SHORTEST = 30
_LONGEST = 500
_OWN_SHARE = 0.5  # more than this must stand in the sentence itself, not in the title


@dataclass(frozen=True, slots=True)
class Quotation:
    """A sentence of a passage that has the question's words.

    Attributes:
        evidence: The passage.
        start: Offset of the sentence in its text.
        end: Offset after it.
        coverage: Share of the question's content that the sentence, with title and headings, has.
    """

    evidence: Evidence
    start: int
    end: int
    coverage: float


def best_quotation(
    terms: Sequence[Term], passages: Sequence[Passage], *, minimum: float, fewest_terms: int
) -> Quotation | None:
    """The sentence that meets the question best.

    Args:
        terms: The question's content.
        passages: The evidence, best first.
        minimum: Share of the question's content that the sentence must have, in (0, 1].
        fewest_terms: How many terms that must be, so that one common word is no match.

    Returns:
        The sentence with the largest share; of equals, that of the earlier passage and place.
    """
    found = [quotation for passage in passages for quotation in _candidates(terms, passage)]
    best = max(found, key=lambda quotation: quotation.coverage, default=None)
    needed = max(minimum, fewest_terms / max(len(terms), 1))
    return best if best and best.coverage >= needed else None


def _candidates(terms: Sequence[Term], passage: Passage) -> Iterator[Quotation]:
    for unit in passage.units:
        if _is_readable(passage.evidence.text, unit) and covered(terms, [unit.vocabulary]) > _OWN_SHARE:
            coverage = covered(terms, [unit.vocabulary, passage.place])
            yield Quotation(passage.evidence, unit.span.start, unit.span.end, coverage)


def _is_readable(text: str, unit: Unit) -> bool:
    """Whether a reader understands the sentence by itself."""
    is_text = unit.span.kind in {SpanKind.PROSE, SpanKind.ITEM}
    sentence = text[unit.span.start : unit.span.end]
    return is_text and _SHORTEST <= len(sentence) <= _LONGEST and not leans_back(sentence)

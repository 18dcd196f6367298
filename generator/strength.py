"""How well the evidence meets the question, before anything is written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from generator.passages import Passage, Vocabulary
from generator.words import Term, TermKind, read_terms

_PAIR = re.compile(r"(?<=\w)=(?=['\"\w])")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthConfig:
    """When evidence is too weak to write from.

    Attributes:
        minimum_cosine: Evidence below this cosine is weak unless it has the question's words.
        minimum_coverage: Share of the question's content that one passage must have, in [0, 1], to
            make up for a low cosine.
        unknown_name_cosine: Evidence that never mentions a name of the question is weak below this.
        minimum: Evidence whose `Strength.value` is below this is weak, unless it is as near as
            ``unknown_name_cosine``: a paraphrase has few of the question's words. From 0.5 on it implies the
            first two; 0, as in releases from before there was one, adds nothing to them.
    """

    minimum_cosine: float = 0.35
    minimum_coverage: float = 0.5
    unknown_name_cosine: float = 0.75
    minimum: float = 0.0

    def __post_init__(self) -> None:
        for value in (
            self.minimum_cosine,
            self.minimum_coverage,
            self.unknown_name_cosine,
            self.minimum,
        ):
            if not 0 <= value <= 1:
                raise ValueError(f"thresholds must be in [0, 1], got {value}")


@dataclass(frozen=True, slots=True)
class Strength:
    """How well the evidence meets the question.

    Attributes:
        cosine: The best cosine of question and passage, cut to [0, 1].
        coverage: The largest share of the question's content that one passage mentions, in [0, 1].
        unknown: Names and identifiers of the question that no passage mentions, as written.
        sufficient: Whether it is worth writing an answer.
    """

    cosine: float
    coverage: float
    unknown: tuple[str, ...]
    sufficient: bool

    @property
    def value(self) -> float:
        """The mean of cosine and coverage, in [0, 1]."""
        return (self.cosine + self.coverage) / 2


def measure_strength(question: str, passages: Sequence[Passage], config: StrengthConfig) -> Strength:
    """Measure how well passages meet a question.

    Args:
        question: The question as asked.
        passages: The evidence; may be empty.
        config: Thresholds.
    """
    terms = question_terms(question)
    cosine = max((min(max(passage.evidence.score, 0.0), 1.0) for passage in passages), default=0.0)
    coverage = max((covered(terms, [passage.whole]) for passage in passages), default=0.0)
    unknown = tuple(
        term.text
        for term in terms
        if term.kind in {TermKind.NAME, TermKind.IDENTIFIER}
        and not any(passage.whole.has(term) for passage in passages)
    )
    is_near = cosine >= config.minimum_cosine or coverage >= config.minimum_coverage
    is_known = not unknown or cosine >= config.unknown_name_cosine
    found = Strength(cosine, coverage, unknown, sufficient=bool(passages) and is_near and is_known)
    is_strong = found.value >= config.minimum or cosine >= config.unknown_name_cosine
    return found if is_strong else replace(found, sufficient=False)


def question_terms(question: str) -> list[Term]:
    """The distinct content of a question; in Title Case or capitals, nothing counts as a name.

    `name=VALUE` counts as two terms: documents seldom write a pair the way that a question does.
    """
    question = _PAIR.sub(" ", question)
    read = read_terms(question)
    names = sum(term.kind is TermKind.NAME for term in read)
    terms = read if 2 * names <= len(read) + 1 else read_terms(question.lower())
    return list({(term.kind, term.key): term for term in terms}.values())


def covered(terms: Sequence[Term], vocabularies: Sequence[Vocabulary]) -> float:
    """The share of terms that texts mention together; 0 when there are no terms."""
    if not terms:
        return 0.0
    return sum(any(one.has(term) for one in vocabularies) for term in terms) / len(terms)

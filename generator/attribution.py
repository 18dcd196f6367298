"""Which evidence a sentence may cite, and which it does not need."""

from collections.abc import Sequence
from dataclasses import dataclass

from generator.evidence import Evidence
from generator.passages import Passage, Vocabulary
from generator.sentences import SpanKind
from generator.support import Support, SupportConfig, check_support


@dataclass(frozen=True, slots=True)
class Attribution:
    """The check of a sentence against the evidence that it ends up citing.

    Attributes:
        support: The check's result.
        quotes: Evidence and the offsets of the quote in its text, best first; empty unless supported.
    """

    support: Support
    quotes: tuple[tuple[Evidence, int, int], ...]


class Attributor:
    """Finds citations for sentences among the passages of one question.

    Args:
        passages: The evidence in the order of its numbers.
        question: What the question mentions.
        config: When a sentence counts as supported.
        max_citations: How many citations a sentence gets at most.
    """

    def __init__(
        self, passages: Sequence[Passage], *, question: Vocabulary, config: SupportConfig, max_citations: int
    ) -> None:
        self._passages = passages
        self._question = question
        self._config = config
        self._max_citations = max_citations

    def attribute(self, sentence: str, kind: SpanKind, numbers: Sequence[int]) -> Attribution:
        """Check a sentence against what it cites, else against the passage that carries it best.

        Args:
            sentence: The sentence without markers.
            kind: Prose, item or code.
            numbers: The evidence that it names, from 1.

        Returns:
            The passages that carry the sentence each alone; the named ones if they do, else the best
            one of all; else the named ones or the best two together; else the failed check.
        """
        named = [self._passages[number - 1] for number in numbers]
        alone = [(passage, self._check(sentence, kind, [passage])) for passage in self._passages]
        carrying = [(passage, check) for passage, check in alone if check.supported]
        carrying.sort(key=lambda pair: -pair[1].score)
        if chosen := [pair for pair in carrying if pair[0] in named] or carrying[:1]:
            return self._separately(chosen[: self._max_citations])
        ranked = sorted(alone, key=lambda pair: -pair[1].score)
        for together in (named, [passage for passage, _ in ranked[:2]]):
            if len(together) > 1 and (check := self._check(sentence, kind, together)).supported:
                return self._together(together, check)
        return Attribution(ranked[0][1], ()) if ranked else Attribution(check_nothing(), ())

    def _check(self, sentence: str, kind: SpanKind, passages: Sequence[Passage]) -> Support:
        return check_support(sentence, passages, kind=kind, question=self._question, config=self._config)

    def _separately(self, chosen: Sequence[tuple[Passage, Support]]) -> Attribution:
        quotes = [
            (passage.evidence, quote.start, quote.end) for passage, check in chosen for quote in check.quotes
        ]
        return Attribution(chosen[0][1], tuple(quotes))

    def _together(self, passages: Sequence[Passage], check: Support) -> Attribution:
        quotes = sorted(check.quotes, key=lambda quote: -quote.score)[: self._max_citations]
        return Attribution(
            check, tuple((passages[quote.passage].evidence, quote.start, quote.end) for quote in quotes)
        )


def check_nothing() -> Support:
    """The check of a sentence where there is no evidence at all."""
    return Support(supported=False, score=0.0, missing=(), quotes=())

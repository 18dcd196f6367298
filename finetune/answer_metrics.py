"""How good one answer is: its words, its citations, and, over many, when it was refused. No model is asked.

Source: token recall and K-precision by Adlakha and others (2307.16877), citation recall and precision by Gao
and others (ALCE, 2305.14627), here with a caller's check in the place of their entailment model.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.evaluation import FEWEST_FOR_INTERVAL, SEED, Measure

_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})
_SAMPLES = 10_000
_LEVEL = 0.95

Carries = Callable[[Sequence[int]], bool]
"""Whether passages, by their numbers from 1, together carry a sentence; never called without a passage."""


def words_of(text: str) -> list[str]:
    """The words by which texts are compared, in order.

    Runs of letters, digits and underscores, case folded, compatibility forms such as ligatures made plain
    (NFKC), without *a*, *an* and *the*. What stands between is dropped: ``ray.init`` is two words.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word for word in _WORD.findall(folded) if word not in _ARTICLES]


def token_recall(answer: str, references: Sequence[str]) -> float:
    """Share of a reference's words that an answer has, each as often as it stands there; of the best one.

    Args:
        answer: Any text, without citation markers.
        references: Answers as they should be, at least one; one without words counts as fully said.

    Returns:
        In [0, 1].

    Raises:
        ValueError: If there is no reference.
    """
    if not references:
        raise ValueError("need at least one reference; leave other questions out")
    said = Counter(words_of(answer))
    return max(_recall(said, Counter(words_of(reference))) for reference in references)


def _recall(said: Counter[str], wanted: Counter[str]) -> float:
    return (said & wanted).total() / wanted.total() if wanted else 1.0


def k_precision(answer: str, evidence: Sequence[str]) -> float:
    """Share of an answer's words that stand in the evidence joined, each as often; 0 for an empty answer."""
    said = Counter(words_of(answer))
    shown = Counter(word for text in evidence for word in words_of(text))
    return (said & shown).total() / said.total() if said else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationCheck:
    """What the citations of one sentence are worth.

    Attributes:
        carried: Whether the cited passages together carry the sentence.
        useful: How many of its citations are right and needed.
        citations: How many it has.
    """

    carried: bool
    useful: int
    citations: int


def check_citations(numbers: Sequence[int], carries: Carries, *, shown: int) -> CitationCheck:
    """Check one sentence's citations.

    Args:
        numbers: What it cites, from 1, each once.
        carries: The check of this sentence.
        shown: How many passages there are; a sentence that cites another is not carried.

    Returns:
        No citation of a sentence that is not carried is useful. One of a sentence that is carried is not
        useful if alone it does not carry the sentence and the others still do.
    """
    carried = bool(numbers) and all(1 <= number <= shown for number in numbers) and carries(numbers)
    useful = sum(not _is_idle(number, numbers, carries) for number in numbers) if carried else 0
    return CitationCheck(carried=carried, useful=useful, citations=len(numbers))


def _is_idle(number: int, numbers: Sequence[int], carries: Carries) -> bool:
    others = [other for other in numbers if other != number]
    return bool(others) and not carries([number]) and carries(others)


def citation_recall(checks: Sequence[CitationCheck]) -> float:
    """Share of an answer's sentences whose cited passages carry them; 0 for an answer without sentences."""
    return sum(check.carried for check in checks) / len(checks) if checks else 0.0


def citation_precision(checks: Sequence[CitationCheck]) -> float:
    """Share of an answer's citations that are useful; 0 for an answer that cites nothing."""
    citations = sum(check.citations for check in checks)
    return sum(check.useful for check in checks) / citations if citations else 0.0


def refusal_measures(refused: Sequence[bool], answerable: Sequence[bool]) -> dict[str, Measure]:
    """How well refusals fall on the questions that can't be answered.

    Args:
        refused: For each question whether it was refused.
        answerable: For each whether it can be answered.

    Returns:
        ``refusal precision``, the share of refused questions that can't be answered; ``refusal recall``, the
        share of those that can't be answered that were refused; ``refusal f1``, their harmonic mean; each 0
        where it would divide by 0. Nothing at all where every question can be answered.
    """
    pairs = list(zip(refused, answerable, strict=True))
    right = sum(said and not can for said, can in pairs)
    wrong = sum(said and can for said, can in pairs)
    missed = sum(not said and not can for said, can in pairs)
    if not right + missed:
        return {}
    counts = np.array([right, wrong, missed, len(pairs) - right - wrong - missed])  # (4,)
    values = _refusal_values(counts)
    # Resampling questions with replacement is drawing these four counts from a multinomial distribution.
    draws = np.random.default_rng(SEED).multinomial(len(pairs), counts / len(pairs), size=_SAMPLES)
    tail = (1 - _LEVEL) / 2
    ends = np.quantile(_refusal_values(draws), [tail, 1 - tail], axis=0)  # (2, 3)
    enough = len(pairs) >= FEWEST_FOR_INTERVAL
    return {
        name: Measure(
            mean=float(values[column]),
            interval=(float(ends[0, column]), float(ends[1, column])) if enough else None,
        )
        for column, name in enumerate(("refusal precision", "refusal recall", "refusal f1"))
    }


def _refusal_values(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(..., 4) counts of right, wrong and missed refusals, and others, to (..., 3) values."""
    right, wrong, missed = counts[..., 0], counts[..., 1], counts[..., 2]
    divisors = np.stack([right + wrong, right + missed, 2 * right + wrong + missed], axis=-1)
    values = np.stack([right, right, 2 * right], axis=-1)
    shares: NDArray[np.float64] = values / np.maximum(divisors, 1)
    return shares

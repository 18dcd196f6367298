"""How well a written answer rests on the evidence that it cites."""

import re
from collections import Counter

from finetune.answer_examples import AnswerExample
from generator.citations import cited_sentences, strip_markers
from generator.passages import read_passage, read_vocabulary
from generator.phrasing import is_refusal
from generator.support import SupportConfig, check_support

_WORD = re.compile(r"\w+")


def grounded_score(draft: str, example: AnswerExample, *, support: SupportConfig) -> float:
    """A number in [0, 1] that is high only for an answer that says the right things and cites them rightly.

    For a question whose passages do not answer, 1 for the refusal and 0 for anything else. For others the
    share of sentences that the passages which they cite carry, times the share of the target's words
    that the draft has; 0 for a refusal.

    Args:
        draft: What the generator wrote.
        example: What it was shown, and what it should have written.
        support: When passages carry a sentence.
    """
    sentences = cited_sentences(draft, evidence_count=len(example.evidence))
    refuses = any(is_refusal(one.text) for one in sentences)
    if example.refuses or refuses or not sentences:
        return float(refuses and example.refuses)
    passages = [read_passage(one, subjects=example.subjects) for one in example.evidence]
    asked = read_vocabulary(example.question)
    carried = [
        bool(one.numbers)
        and check_support(
            one.text,
            [passages[number - 1] for number in one.numbers],
            kind=one.kind,
            question=asked,
            config=support,
        ).supported
        for one in sentences
    ]
    return sum(carried) / len(carried) * word_recall(strip_markers(draft), strip_markers(example.target))


def word_recall(text: str, reference: str) -> float:
    """Share of a reference's words that a text has, each as often as it stands there, in [0, 1]."""
    wanted, found = (Counter(_WORD.findall(one.casefold())) for one in (reference, text))
    return (wanted & found).total() / wanted.total() if wanted else 1.0

"""How well a written answer rests on the evidence that it cites."""

from finetune.answer_examples import AnswerExample
from finetune.answer_metrics import token_recall
from generator.citations import cited_sentences, strip_markers
from generator.passages import read_passage, read_vocabulary
from generator.phrasing import is_refusal
from generator.support import SupportConfig, check_support


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
    return sum(carried) / len(carried) * token_recall(strip_markers(draft), [strip_markers(example.target)])

"""Which questions a model has learnt: what it has seen can't show how it does on what it has not."""

import hashlib
from collections.abc import Collection, Iterable

DIGEST_LETTERS = 16  # 64 bits: two of a million questions share them once in 40 million homes


def normal_question(question: str) -> str:
    """A question without what makes no difference: case and white space."""
    return " ".join(question.casefold().split())


def digest_questions(questions: Iterable[str]) -> list[str]:
    """What a training run keeps of the questions that it learnt, sorted, each once.

    They are enough to recognise a question, and do not tell what was asked.
    """
    return sorted({_digest(question) for question in questions})


def overlap(questions: Iterable[str], learnt: Collection[str]) -> tuple[str, ...]:
    """The questions that were learnt, as they are asked, in the order given.

    Args:
        questions: Of a suite.
        learnt: What `digest_questions` kept of those that a model was trained on.
    """
    return tuple(question for question in questions if _digest(question) in learnt)


def _digest(question: str) -> str:
    return hashlib.sha256(normal_question(question).encode()).hexdigest()[:DIGEST_LETTERS]

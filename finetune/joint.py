"""Letting a generator teach a retriever: a passage is worth as much as it makes the answer likely."""

from collections.abc import Callable, Sequence

from finetune.answer_examples import AnsweredQuestion
from finetune.generator_tuning import answer_likelihoods, read_alone
from finetune.retriever_tuning import Teacher
from finetune.trainable_generator import TrainableGenerator
from generator.evidence import Evidence

LIKELIHOOD_TEMPERATURE = 0.5
"""Divides mean log-likelihoods before they become a target. A passage that answers makes an answer's tokens
two to three nats likelier; at a tenth every target would be one passage, and no generator would matter."""


def teach(
    generator: TrainableGenerator,
    asked: Sequence[AnsweredQuestion],
    candidates: Sequence[Sequence[tuple[int, Evidence]]],
    *,
    most_tokens: int,
    report: Callable[[int, int], None],
) -> list[Teacher]:
    """What the present generator makes of each question's candidates, without gradients.

    Args:
        generator: The present one; its weights stay.
        asked: Questions with their answers.
        candidates: For each, rows of the corpus and their passages; each is scored alone.
        most_tokens: Padded tokens that go through at once.
        report: Told the tokens done so far and their number in all.

    Returns:
        For each question, from a row to the mean log-likelihood of the answer's tokens given that passage.

    Source: likelihood as a retriever's target, Shi et al., REPLUG, 2301.12652, and Izacard et al., Atlas,
    2208.03299.
    """
    chats = [
        read_alone(generator, one.question, one.answer, evidence)
        for one, passages in zip(asked, candidates, strict=True)
        for _row, evidence in passages
    ]
    found = iter(answer_likelihoods(generator, chats, most_tokens=most_tokens, report=report))
    return [{row: next(found) for row, _evidence in passages} for passages in candidates]

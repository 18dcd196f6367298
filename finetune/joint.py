"""Letting a generator teach a retriever: a passage is worth as much as it makes the answer likely."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from finetune.answer_examples import AnsweredQuestion, compose_examples
from finetune.configuration import AnswerExampleConfig, GeneratorConfig
from finetune.generator_tuning import GeneratorTask, answer_likelihoods, read_alone
from finetune.retriever_tuning import Teacher
from finetune.trainable_generator import TrainableGenerator
from generator.evidence import Evidence

LIKELIHOOD_TEMPERATURE = 0.5
"""Divides mean log-likelihoods before they become a target. A passage that answers makes an answer's tokens
two to three nats likelier; at a tenth every target would be one passage, and no generator would matter."""


_TRIED = 8  # pairs that an estimate is made from


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEstimate:
    """About how many seconds the generator's part of a round takes.

    Attributes:
        scoring: Scoring all candidates.
        learning: Its steps, and the held-out answers that weights are chosen on.
    """

    scoring: float
    learning: float


def estimate_round(
    generator: TrainableGenerator,
    asked: Sequence[AnsweredQuestion],
    *,
    candidates: int,
    held_out: int,
    answer_tokens: int,
    making: AnswerExampleConfig,
    config: GeneratorConfig,
) -> RoundEstimate:
    """Try the work of a round on a few pairs; what was learnt of them is forgotten.

    The passages of the others stand for what a search returns. Short drafts end before ``answer_tokens``, and
    the estimate with them; another process makes it longer.

    Args:
        generator: The present one; its weights stay.
        asked: At least one.
        candidates: Passages per question that will be scored.
        held_out: Questions that will be answered each time that weights are scored.
        answer_tokens: How much is written for each at most.
        making: How examples are made.
        config: How the generator learns.
    """
    tried = asked[:: max(1, len(asked) // _TRIED)][:_TRIED]
    began = time.perf_counter()
    chats = [read_alone(generator, one.question, one.answer, one.gold[0]) for one in tried]
    answer_likelihoods(generator, chats, most_tokens=config.memory_tokens, report=lambda _done, _total: None)
    scored = time.perf_counter() - began
    passages = [passage for one in tried for passage in one.gold]
    examples, _lost = compose_examples(tried, [passages] * len(tried), generator.count_tokens, making, seed=0)
    steps = GeneratorTask(generator, examples, config, seed=0).measure_seconds()
    began = time.perf_counter()
    generator.writer("tried").complete([one.messages for one in examples], max_new_tokens=answer_tokens)
    answered = time.perf_counter() - began
    scorings = config.epochs + 2  # as it was, after each epoch, and with half of the adapter's strength
    return RoundEstimate(
        scoring=scored / len(tried) * len(asked) * candidates,
        learning=(steps * len(asked) + answered * held_out * scorings) / len(examples),
    )


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

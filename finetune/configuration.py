"""How tuning is done. Light: nothing here loads torch."""

from dataclasses import dataclass
from typing import Literal

DeviceName = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """How weights move.

    Attributes:
        learning_rate: At the end of the warm-up; it falls linearly to 0 at the last step.
        warmup: Share of the steps in which it rises, in [0, 1).
        weight_decay: Of AdamW.
        most_gradient: Gradients longer than this are shortened to it.
        seed: Decides the order of examples and negatives.
        steps_per_checkpoint: A killed run loses at most so many steps.
    """

    learning_rate: float = 5e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    most_gradient: float = 1.0
    seed: int = 20260901
    steps_per_checkpoint: int = 25

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or not 0 <= self.warmup < 1 or self.steps_per_checkpoint < 1:
            raise ValueError(
                f"need learning_rate > 0, 0 <= warmup < 1, steps_per_checkpoint >= 1, got {self}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieverConfig:
    """How an encoder is tuned.

    Attributes:
        epochs: How often each example is seen.
        batch_size: Questions of a step; each one's passage is a negative of the others.
        temperature: Of the contrastive loss.
        negatives: Mined negatives per question and step, drawn anew every epoch.
        memory_tokens: Padded tokens whose activations are kept at once; about 0.3 MB each for
            all-MiniLM-L6-v2. Larger batches take a third more time instead of more memory.
        distillation: Weight of the divergence from a teacher, where there is one; 0 for none.
        teacher_temperature: Of the teacher's scores.
    """

    epochs: int = 2
    batch_size: int = 64
    temperature: float = 0.05
    negatives: int = 0
    memory_tokens: int = 12288
    distillation: float = 1.0
    teacher_temperature: float = 1.0

    def __post_init__(self) -> None:
        if min(self.epochs, self.memory_tokens) < 1 or self.batch_size < 2:  # noqa: PLR2004 - one has no negative
            raise ValueError(f"need epochs and memory_tokens >= 1 and batch_size >= 2, got {self}")
        if min(self.temperature, self.teacher_temperature) <= 0 or min(self.negatives, self.distillation) < 0:
            raise ValueError(f"need temperatures > 0, negatives and distillation >= 0, got {self}")


RERANKER_LEARNING_RATE = 5e-5
"""Largest learning rate of a reranker's tuning, whose head begins from nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerConfig:
    """How a reranker is tuned.

    Attributes:
        epochs: How often each example is seen.
        batch_size: Questions of a step.
        negatives: Passages beside the right one in each question's list, drawn anew every epoch.
    """

    epochs: int = 1
    batch_size: int = 16
    negatives: int = 3

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.negatives) < 1:
            raise ValueError(f"need epochs, batch_size and negatives >= 1, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningConfig:
    """How negatives are chosen.

    Attributes:
        depth: Places of the search that are looked at.
        most: Negatives kept per question, the first of those that pass.
        margin: A passage whose cosine to the question is above ``margin`` times that of the best passage
            that answers it is left out: it may answer the question as well.
    """

    depth: int = 50
    most: int = 8
    margin: float = 0.95

    def __post_init__(self) -> None:
        if self.depth < 1 or self.most < 0 or not 0 < self.margin <= 1:
            raise ValueError(f"need depth >= 1, most >= 0 and margin in (0, 1], got {self}")

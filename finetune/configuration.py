"""How tuning is done. Light: nothing here loads torch."""

from dataclasses import dataclass, field
from typing import Literal

from generator.support import SupportConfig

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerExampleConfig:
    """How examples for a generator are made.

    Attributes:
        evidence_tokens: Budget of the passages that are shown. Serving shows more; short prompts are
            learnt faster.
        distractors: Most passages beside those that answer; how many is drawn for each example.
        most_gold: Most passages that answer which are shown.
        most_sentences: Of an answer; what the prompt asks for.
        refusals: Share of examples without the passages that answer, whose target is the refusal.
        support: When a passage carries a sentence.
    """

    evidence_tokens: int = 500
    distractors: int = 3
    most_gold: int = 2
    most_sentences: int = 3
    refusals: float = 0.08
    support: SupportConfig = field(default_factory=SupportConfig)

    def __post_init__(self) -> None:
        if min(self.evidence_tokens, self.most_gold, self.most_sentences) < 1 or self.distractors < 0:
            raise ValueError(f"counts must be at least 1, distractors at least 0, got {self}")
        if not 0 <= self.refusals < 1:
            raise ValueError(f"need refusals from 0 to 1, got {self}")


GENERATOR_LEARNING_RATE = 4e-4
"""Largest learning rate of a generator's adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """How a generator's adapter is tuned.

    Attributes:
        epochs: Most times that each example is seen; the best epoch on held-out questions is kept.
        batch_size: Examples of a step. Few, since there are few examples: twice the steps at twice the rate
            nearly doubled what a hundred examples teach (docs/benchmarks.md), at the same cost.
        rank: Of the adapter's matrices (LoRA, Hu et al., ICLR 2022).
        scale: Factor of what the adapter adds.
        layers: How many layers, counted from the output, get an adapter; those below stay as they are,
            and are computed once for each example, however many epochs there are.
        memory_tokens: Padded tokens that go through at once; one example at a time if it has more.
    """

    epochs: int = 3
    batch_size: int = 4
    rank: int = 16
    scale: float = 2.0
    layers: int = 8
    memory_tokens: int = 1024

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.rank, self.layers, self.memory_tokens) < 1:
            raise ValueError(f"counts must be at least 1, got {self}")
        if self.scale <= 0:
            raise ValueError(f"need scale > 0, got {self}")

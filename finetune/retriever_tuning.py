"""Tuning an encoder on questions and the passages that answer them."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finetune.configuration import OptimizerConfig, RerankerConfig, RetrieverConfig
from finetune.contrastive import contrastive_loss, distillation_loss
from finetune.examples import Corpus, Example, describe_examples
from finetune.negatives import random_negatives
from finetune.trainable_encoder import TrainableEncoder

Teacher = Mapping[int, float]
"""A teacher's score of some rows for one question; larger is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """One step: places of examples, the rows that take part, and who may be whose negative.

    ``columns`` leads from a row to its place among ``rows``.
    """

    places: list[int]
    rows: list[int]
    columns: dict[int, int]
    positives: Tensor  # (B,)
    allowed: Tensor  # (B, P)


class RetrieverTask:
    """The steps of a tuning; see `finetune.training.Task`.

    Args:
        encoder: What is tuned.
        corpus: The passages.
        examples: What is learnt; at least two.
        negatives: Mined rows of each example, maybe none.
        config: How.
        seed: Decides the order of examples and which negatives take part.
        teachers: Per example a teacher's scores of rows, or None; None for no teacher at all.
    """

    def __init__(
        self,
        encoder: TrainableEncoder,
        corpus: Corpus,
        examples: Sequence[Example],
        negatives: Sequence[tuple[int, ...]],
        config: RetrieverConfig,
        *,
        seed: int,
        teachers: Sequence[Teacher | None] | None = None,
    ) -> None:
        self._encoder, self._config, self._seed = encoder, config, seed
        self._corpus, self._examples, self._negatives = corpus, examples, negatives
        self._teachers = teachers or [None] * len(examples)
        self._questions = encoder.tokenize([one.question for one in examples], "query")
        self._relevance = torch.tensor([one.relevance for one in examples])  # (examples,)
        first: dict[str, int] = {}
        self._same_text = [first.setdefault(text, row) for row, text in enumerate(corpus.texts)]
        self._right = [frozenset(self._same_text[row] for row in one.rows) for one in examples]
        self._passage_tokens = lru_cache(maxsize=50_000)(self._tokens_of)
        self._per_epoch = max(1, len(examples) // config.batch_size)
        self._order = lru_cache(maxsize=1)(self._order_of)
        self._drawn = lru_cache(maxsize=1)(self._drawn_in)

    @property
    def module(self) -> torch.nn.Module:
        """The encoder's weights."""
        return self._encoder.module

    @property
    def steps(self) -> int:
        """Steps of all epochs; what does not fill a batch waits for the next epoch's order."""
        return self._per_epoch * self._config.epochs

    def backward(self, step: int) -> float:
        """Add the gradient of a step's loss to the weights; the loss."""
        batch = self._batch(step)
        relevance = self._relevance[torch.tensor(batch.places)].to(self._encoder.device)

        def loss_of(questions: Tensor, passages: Tensor) -> Tensor:
            scores = questions @ passages.T  # (B, P)
            loss = contrastive_loss(
                scores,
                batch.positives.to(scores.device),
                allowed=batch.allowed.to(scores.device),
                relevance=relevance,
                temperature=self._config.temperature,
            )
            return loss + self._config.distillation * self._distillation(batch, scores)

        return self._encoder.backward(
            [self._questions[place] for place in batch.places],
            [self._passage_tokens(row) for row in batch.rows],
            loss_of,
            most_tokens=self._config.memory_tokens,
        )

    def _distillation(self, batch: _Batch, scores: Tensor) -> Tensor:
        taught = [(line, self._taught(place)) for line, place in enumerate(batch.places)]
        taught = [(line, teacher) for line, teacher in taught if teacher]
        if not taught or not self._config.distillation:
            return scores.new_zeros(())
        widest = max(len(teacher) for _line, teacher in taught)
        columns = torch.zeros(len(taught), widest, dtype=torch.long)  # (T, C)
        values = torch.zeros(len(taught), widest)  # (T, C)
        present = torch.zeros(len(taught), widest, dtype=torch.bool)  # (T, C)
        for line, (_place, teacher) in enumerate(taught):
            columns[line, : len(teacher)] = torch.tensor([batch.columns[row] for row in teacher])
            values[line, : len(teacher)] = torch.tensor(list(teacher.values()))
            present[line, : len(teacher)] = True
        lines = torch.tensor([line for line, _teacher in taught], device=scores.device)
        own = scores[lines].gather(1, columns.to(scores.device))  # (T, C)
        return distillation_loss(
            own,
            values.to(scores.device),
            present=present.to(scores.device),
            temperature=self._config.temperature,
            teacher_temperature=self._config.teacher_temperature,
        )

    def _taught(self, place: int) -> dict[int, float]:
        """The teacher's scores by row, the same text once."""
        teacher = self._teachers[place] or {}
        return {self._same_text[row]: score for row, score in teacher.items()}

    def _batch(self, step: int) -> _Batch:
        epoch, part = divmod(step, self._per_epoch)
        size = min(self._config.batch_size, len(self._examples))
        places = self._order(epoch)[part * size : (part + 1) * size]
        drawn = self._drawn(epoch)
        own = [self._same_text[self._examples[place].rows[0]] for place in places]
        hard = [[self._same_text[row] for row in drawn[place]] for place in places]
        taught = [row for place in places for row in self._taught(place)]
        rows = list(dict.fromkeys([*own, *(row for line in hard for row in line), *taught]))
        columns = {row: column for column, row in enumerate(rows)}
        documents = np.array([self._corpus.documents[row] for row in rows])  # (P,)
        allowed = np.stack(
            [documents != self._corpus.documents[self._examples[place].rows[0]] for place in places]
        )  # (B, P)
        for line, place in enumerate(places):
            allowed[line, [columns[row] for row in hard[line]]] = True
            allowed[line, [columns[row] for row in self._right[place] if row in columns]] = False
        return _Batch(
            places=places,
            rows=rows,
            columns=columns,
            positives=torch.tensor([columns[row] for row in own]),
            allowed=torch.from_numpy(allowed),
        )

    def _tokens_of(self, row: int) -> list[int]:
        return self._encoder.tokenize([self._corpus.texts[row]], "passage")[0]

    def _order_of(self, epoch: int) -> list[int]:
        order: list[int] = (
            np.random.default_rng((self._seed, epoch)).permutation(len(self._examples)).tolist()
        )
        return order

    def _drawn_in(self, epoch: int) -> list[tuple[int, ...]]:
        return random_negatives(self._negatives, count=self._config.negatives, seed=self._seed, epoch=epoch)


def describe_run(
    corpus: Corpus,
    examples: Sequence[Example],
    negatives: Sequence[tuple[int, ...]],
    config: RetrieverConfig | RerankerConfig,
    optimizer: OptimizerConfig,
    *,
    base: str,
    device: torch.device,
    teachers: Sequence[Teacher | None] | None = None,
) -> dict[str, Any]:
    """All that decides a run's weights, for its manifest.

    Args:
        corpus: The passages.
        examples: What is learnt.
        negatives: Mined rows of each example.
        config: How it is tuned.
        optimizer: How weights move.
        base: Fingerprint of the model that it begins from.
        device: Where it is tuned.
        teachers: Per example a teacher's scores, or None.
    """
    mined = json.dumps([list(rows) for rows in negatives]).encode()
    taught = [list((teacher or {}).items()) for teacher in teachers or ()]
    return {
        "base": base,
        "examples": describe_examples(examples, corpus),
        "passages": len(corpus),
        "negatives": {
            "mean": math.fsum(len(rows) for rows in negatives) / max(1, len(negatives)),
            "sha256": hashlib.sha256(mined).hexdigest(),
        },
        "teachers": None if teachers is None else hashlib.sha256(json.dumps(taught).encode()).hexdigest(),
        "config": asdict(config),
        "optimizer": asdict(optimizer),
        "torch": torch.__version__,
        "device": str(device),
    }


def run_key(described: Mapping[str, Any]) -> str:
    """Names a run by all that decides its weights: equal keys, equal weights on one machine."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

"""Tuning a reranker on questions, the passages that answer them, and passages that look as if they did."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from finetune.configuration import RerankerConfig
from finetune.examples import Corpus, Example
from finetune.negatives import random_negatives
from finetune.trainable_encoder import PART_TOKENS
from finetune.trainable_reranker import TokenizedPair, TrainableReranker
from retriever.token_batches import group_by_length

_DRAWS = 20  # rows looked at to fill a list where mining found too little


def listwise_loss(scores: Tensor, lists: Sequence[int], relevance: Tensor) -> Tensor:
    """Cross-entropy of each list's first passage among the list, weighted by relevance, summed.

    Args:
        scores: (n,) one list after the other.
        lists: Length of each; they sum to n.
        relevance: (lists,) in (0, 1].

    Returns:
        A scalar, at least 0.

    Source: Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007, with one
    relevant item a list.
    """
    losses = [part[0].neg() + part.logsumexp(dim=0) for part in torch.split(scores, list(lists))]
    return (relevance * torch.stack(losses)).sum()


class RerankerTask:
    """The steps of a tuning; see `finetune.training.Task`.

    Each question has a list: its best passage, and mined ones that do not answer it. Where there are too
    few of these, random passages of other documents take their place.

    Args:
        reranker: What is tuned.
        corpus: The passages.
        examples: What is learnt; at least one.
        negatives: Mined rows of each example, maybe none.
        config: How.
        seed: Decides the order of examples and which negatives take part.
    """

    def __init__(
        self,
        reranker: TrainableReranker,
        corpus: Corpus,
        examples: Sequence[Example],
        negatives: Sequence[tuple[int, ...]],
        config: RerankerConfig,
        *,
        seed: int,
    ) -> None:
        self._reranker, self._config, self._seed = reranker, config, seed
        self._corpus, self._examples, self._negatives = corpus, examples, negatives
        self._per_epoch = -(-len(examples) // config.batch_size)
        self._lists = lru_cache(maxsize=1)(self._lists_in)

    @property
    def module(self) -> torch.nn.Module:
        """The reranker's weights."""
        return self._reranker.module

    @property
    def steps(self) -> int:
        """Steps of all epochs; the last one of an epoch may be smaller."""
        return self._per_epoch * self._config.epochs

    def backward(self, step: int) -> float:
        """Add the gradient of a step's mean loss to the weights; the loss.

        Lists of like length go through together, at most `finetune.trainable_encoder.PART_TOKENS` at once;
        their gradients add up to that of the whole batch.
        """
        epoch, part = divmod(step, self._per_epoch)
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._examples)).tolist()
        places = order[part * self._config.batch_size : (part + 1) * self._config.batch_size]
        pairs = [self._pairs(place, self._lists(epoch)[place]) for place in places]
        sizes = [len(one) * max(len(pair.ids) for pair in one) for one in pairs]  # padded tokens of a list
        total = 0.0
        for group in group_by_length(sizes, most_tokens=PART_TOKENS):
            scores = self._reranker.score([pair for line in group for pair in pairs[line]])  # (pairs,)
            relevance = torch.tensor([self._examples[places[line]].relevance for line in group])  # (group,)
            loss = listwise_loss(scores, [len(pairs[line]) for line in group], relevance.to(scores.device))
            loss = loss / len(places)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def _pairs(self, place: int, rows: Sequence[int]) -> list[TokenizedPair]:
        example = self._examples[place]
        texts = [self._corpus.texts[row] for row in (example.rows[0], *rows)]
        return [self._reranker.tokenize(example.question, text) for text in texts]

    def _lists_in(self, epoch: int) -> list[tuple[int, ...]]:
        """Each example's negatives of an epoch."""
        count = self._config.negatives
        drawn = random_negatives(self._negatives, count=count, seed=self._seed, epoch=epoch)
        generator = np.random.default_rng((self._seed, epoch, 1))
        return [
            (*rows, *self._others(place, rows, generator)[: count - len(rows)]) if len(rows) < count else rows
            for place, rows in enumerate(drawn)
        ]

    def _others(self, place: int, taken: Sequence[int], generator: np.random.Generator) -> list[int]:
        """Random rows of other documents, maybe none in a very small corpus."""
        right = self._examples[place].rows
        own = {self._corpus.documents[row] for row in right}
        texts = {self._corpus.texts[row] for row in (*right, *taken)}
        rows = dict.fromkeys(generator.integers(len(self._corpus), size=_DRAWS).tolist())
        return [
            row
            for row in rows
            if self._corpus.documents[row] not in own and self._corpus.texts[row] not in texts
        ]

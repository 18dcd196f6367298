"""A second look at the first hits: a model that reads question and passage together."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from retriever.arrays import Scores
from retriever.search import Hit

FEWEST = 2  # one passage alone has no order
MEMORY = 0.8  # share of the running estimate that a new measurement leaves
FORGETTING = 0.98  # a question that is not reranked lowers the estimate, so that a busy hour is forgotten


class Reranker(Protocol):
    """Question and passages to scores. Any number of threads may call it."""

    @property
    def fingerprint(self) -> str:
        """Names everything that decides a score's value."""
        ...

    def score(self, question: str, texts: Sequence[str]) -> Scores:
        """(n,) one score per text; larger is better. It compares texts for one question only."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankConfig:
    """How the first hits are ordered anew.

    Attributes:
        passages: Most hits that are read.
        weight: Worth of the reranker beside the search's own score; see `reorder`.
        budget_milliseconds: Time that it should take at most; fewer hits are read where it would take more.
    """

    passages: int = 20
    weight: float = 0.3
    budget_milliseconds: float = 300.0

    def __post_init__(self) -> None:
        if self.passages < FEWEST or self.weight <= 0 or self.budget_milliseconds <= 0:
            raise ValueError(f"need passages >= {FEWEST}, weight > 0 and budget_milliseconds > 0, got {self}")


def reorder(hits: Sequence[Hit], scores: Scores, *, weight: float) -> list[Hit]:
    """Order the first hits anew; all that follow keep their places.

    The new score of a hit is ``score + weight / (1 + exp(mean - s))``, ``s`` being what the reranker says of
    it and ``mean`` that of all hits that were read: a reranker learns how passages compare, and nothing
    about where zero is. As every hit that is read gains, none falls below those that are not.

    Args:
        hits: By falling score.
        scores: (n,) the reranker's scores of the first n hits; n may be smaller than the number of hits.
        weight: At least 0.

    Returns:
        The same hits by falling new score, ties by passage id, ranks from 1.
    """
    read = len(scores)
    gains = weight / (1 + np.exp(np.clip(scores.mean() - scores, -50, 50))) if read else scores  # (n,)
    first = [replace(hit, score=hit.score + float(gain)) for hit, gain in zip(hits, gains, strict=False)]
    first.sort(key=lambda hit: (-hit.score, hit.passage_id))
    return [replace(hit, rank=rank) for rank, hit in enumerate([*first, *hits[read:]], start=1)]


class TimedReranker:
    """Orders hits anew within a budget of time, whatever the machine is busy with.

    How long a character takes is measured while serving, as a running mean; it decides how many hits are
    read. Where fewer than two would fit, the hits stay as they are. Safe to share between threads.

    Args:
        reranker: The model.
        config: How much of its time to take, and what it is worth.
        clock: Seconds, never going back.
    """

    def __init__(
        self, reranker: Reranker, config: RerankConfig, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._reranker = reranker
        self._clock = clock
        self._pace: float | None = None  # seconds a character
        self._changing = threading.Lock()
        self.config = config

    @property
    def fingerprint(self) -> str:
        """The model's; see `Reranker`."""
        return self._reranker.fingerprint

    def without_budget(self) -> "TimedReranker":
        """The same model, reading as many hits as it may however long that takes; for measuring."""
        return TimedReranker(self._reranker, replace(self.config, budget_milliseconds=math.inf))

    def rerank(self, question: str, hits: Sequence[Hit], texts: Mapping[str, str]) -> list[Hit]:
        """Hits in their new order; see `reorder`.

        Args:
            question: What was asked.
            hits: By falling score.
            texts: Text by passage id of at least the first ``config.passages`` hits, as the encoder reads
                them. Hits from the first one on that has no text are not read.
        """
        first: list[str] = []
        for hit in hits[: self.config.passages]:
            if hit.passage_id not in texts:
                break
            first.append(texts[hit.passage_id])
        if self._pace is None and len(first) >= FEWEST:
            self._reranker.score(
                question, first[:FEWEST]
            )  # the first run of a model is slower than all others
            self._score(question, first[:FEWEST])
        read = self._fitting(question, first)
        if read < FEWEST:
            return list(hits)
        return reorder(hits, self._score(question, first[:read]), weight=self.config.weight)

    def _fitting(self, question: str, texts: Sequence[str]) -> int:
        """How many of the texts can be read in time."""
        with self._changing:
            if self._pace is None:
                return 0
            lengths = np.cumsum([len(question) + len(text) for text in texts])  # (texts,)
            read = int(np.count_nonzero(lengths * self._pace * 1000 <= self.config.budget_milliseconds))
            if read < FEWEST:
                self._pace *= FORGETTING
            return read

    def _score(self, question: str, texts: Sequence[str]) -> Scores:
        began = self._clock()
        scores = self._reranker.score(question, texts)
        pace = (self._clock() - began) / sum(len(question) + len(text) for text in texts)
        with self._changing:
            self._pace = pace if self._pace is None else MEMORY * self._pace + (1 - MEMORY) * pace
        return scores

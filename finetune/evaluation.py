"""How well a search finds the documents that answer a suite's questions."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.suites import Question
from retriever.metrics import bootstrap_interval, hit_at, reciprocal_rank_at

DEPTH = 10
SEED = 20260901  # of the bootstrap; any fixed number


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A mean over questions in [0, 1], with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A question whose gold document was not among the first ten, and what was found instead."""

    id: str
    question: str
    gold_documents: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalReport:
    """What a search was worth on a suite.

    Attributes:
        questions: How many were asked.
        measures: ``hit@1``, ``hit@5``, ``hit@10`` and ``mrr@10`` over documents.
        milliseconds: ``p50`` and ``p95`` of one search.
        misses: The questions that were missed at ten, in the suite's order.
    """

    questions: int
    measures: Mapping[str, Measure]
    milliseconds: Mapping[str, float]
    misses: tuple[Miss, ...]


def evaluate_retrieval(
    questions: Sequence[Question], find_documents: Callable[[str], Sequence[str]]
) -> RetrievalReport:
    """Ask every question and compare the documents found with the gold ones.

    Args:
        questions: At least one.
        find_documents: From a question to the uris of documents, best first, each once.
    """
    rankings: list[Sequence[str]] = []
    seconds: list[float] = []
    for question in questions:
        began = time.perf_counter()
        rankings.append(list(find_documents(question.question)))
        seconds.append(time.perf_counter() - began)
    gold = [dict.fromkeys(question.gold_documents, 1.0) for question in questions]
    measures = {f"hit@{k}": _measure(hit_at(rankings, gold, k)) for k in (1, 5, DEPTH)}
    measures[f"mrr@{DEPTH}"] = _measure(reciprocal_rank_at(rankings, gold, DEPTH))
    found_at_ten = hit_at(rankings, gold, DEPTH)
    return RetrievalReport(
        questions=len(questions),
        measures=measures,
        milliseconds={f"p{p}": float(np.percentile(seconds, p) * 1000) for p in (50, 95)},
        misses=tuple(
            Miss(
                id=question.id,
                question=question.question,
                gold_documents=question.gold_documents,
                found=tuple(ranking[:DEPTH]),
            )
            for question, ranking, hit in zip(questions, rankings, found_at_ten, strict=True)
            if not hit
        ),
    )


def _measure(values: NDArray[np.float64]) -> Measure:
    low, high = bootstrap_interval(values, seed=SEED)
    return Measure(mean=float(values.mean()), low=low, high=high)

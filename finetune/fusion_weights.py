"""Learning how much each signal of a passage is worth, from questions whose documents are known."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retriever.candidates import Signals
from retriever.search import SearchConfig

DEPTH = 10
LEAST_QUESTIONS = 50
"""Fewer questions than this can't tell weights apart."""

GRID: Mapping[str, tuple[float, ...]] = {
    "bm25_weight": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
    "document_weight": (0.0, 0.15, 0.3, 0.45),
    "document_bm25_weight": (0.0, 0.05, 0.1, 0.2),
    "qa_weight": (0.0, 0.1, 0.2),
}
"""What is tried, beside a weight of 1 for the passage's vector; every combination."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A question's candidates, and which documents answer it.

    Attributes:
        signals: (candidates, signals); see `retriever.candidates.SIGNALS`.
        documents: Document of each candidate.
        gold: Documents that answer the question.
    """

    signals: Signals
    documents: Sequence[str]
    gold: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was learnt.

    Attributes:
        config: The best configuration on all questions.
        before: Hit@10 and MRR@10 over documents of the configuration that was given.
        after: The same of the best one, on the very questions that chose it: too good.
        cross_fitted: The same of what was chosen on one half of the questions, on the other half, over
            several ways to halve them: what is to be expected of new questions.
    """

    config: SearchConfig
    before: tuple[float, float]
    after: tuple[float, float]
    cross_fitted: tuple[float, float]


def learn_weights(judged: Sequence[Judged], given: SearchConfig, *, seed: int, halvings: int = 10) -> Learned:
    """The weights with the best sum of hit@10 and MRR@10 over documents, of all in `GRID`.

    Args:
        judged: At least `LEAST_QUESTIONS`, asked by people; questions made from passages favour words.
        given: Every other setting is kept; of equally good weights those that were given are kept.
        seed: Of the halvings.
        halvings: How often the questions are halved.

    Raises:
        ValueError: If there are too few questions.

    Source: a convex combination of scores instead of ranks, Bruch, Gai & Ingber, TOIS 2023, 2210.11934.
    """
    if len(judged) < LEAST_QUESTIONS:
        raise ValueError(f"{len(judged)} questions are too few to learn from; {LEAST_QUESTIONS} is the least")
    configs = [given, *_grid(given)]
    hits, ranks = np.empty((2, len(configs), len(judged)))  # each (configs, questions)
    for place, config in enumerate(configs):
        hits[place], ranks[place] = score_weights(judged, config)
    total = hits + ranks
    best = int(total.mean(axis=1).argmax())  # the first of equal ones: the given
    generator = np.random.default_rng(seed)
    crossed = []
    for _ in range(halvings):
        order = generator.permutation(len(judged))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for chosen_on, measured_on in (halves, halves[::-1]):
            chosen = int(total[:, chosen_on].mean(axis=1).argmax())
            crossed.append((hits[chosen, measured_on].mean(), ranks[chosen, measured_on].mean()))
    hit, rank = np.array(crossed).mean(axis=0).tolist()
    return Learned(
        config=configs[best],
        before=(float(hits[0].mean()), float(ranks[0].mean())),
        after=(float(hits[best].mean()), float(ranks[best].mean())),
        cross_fitted=(hit, rank),
    )


def _grid(given: SearchConfig) -> Iterator[SearchConfig]:
    for weights in itertools.product(*GRID.values()):
        named: dict[str, Any] = dict(zip(GRID, weights, strict=True))
        yield replace(given, dense_weight=1.0, **named)


def score_weights(judged: Sequence[Judged], config: SearchConfig) -> tuple[Values, Values]:
    """Hit@10 and reciprocal rank@10 over documents of each question, (questions,) both."""
    hits, ranks = np.zeros(len(judged)), np.zeros(len(judged))
    for place, one in enumerate(judged):
        order = np.argsort(-(one.signals @ config.weights), kind="stable").tolist()
        documents = list(itertools.islice(dict.fromkeys(one.documents[row] for row in order), DEPTH))
        found = [rank for rank, document in enumerate(documents, start=1) if document in one.gold]
        if found:
            hits[place], ranks[place] = 1.0, 1 / found[0]
    return hits, ranks


def describe_weights(config: SearchConfig) -> dict[str, float]:
    """The weights of a configuration by name, as a model's manifest keeps them."""
    names = [one.name for one in fields(config) if one.name.endswith("_weight")]
    return {name: float(getattr(config, name)) for name in names}

"""How well a search finds what answers a suite's questions."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.suites import Question
from retriever.metrics import bootstrap_interval, hit_at, ndcg_at, recall_at, reciprocal_rank_at

DEPTH = 10
FIRST_PASSAGES = 9  # what published runs on kindred questions looked at
WORST = 20
SHOWN_INSTEAD = 3
FEWEST_FOR_INTERVAL = 10
SEED = 20260901  # of the bootstrap; any fixed number


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassage:
    """A passage that a search found, and what a reader sees of it."""

    passage_id: str
    uri: str
    title: str
    heading_path: tuple[str, ...]


Find = Callable[[str], Sequence[FoundPassage]]
"""From a question to passages, best first, each once; a hundred are enough for every measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A mean over questions in [0, 1].

    Attributes:
        mean: The mean.
        interval: Lower and upper end of its 95 % bootstrap interval; None for fewer than 10 questions.
    """

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a search was worth on some of the questions.

    Attributes:
        questions: How many.
        measures: By name, as in `RetrievalReport`.
    """

    questions: int
    measures: Mapping[str, Measure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one question.

    Attributes:
        id: The question.
        rank: Place from 1 of the first gold document among the documents found; None if it is not there.
        passage_rank: Place from 1 of the first gold passage; None if not found, or none is known.
        values: Each measure's value in [0, 1]; without those of passages where no gold passage is known.
    """

    id: str
    rank: int | None
    passage_rank: int | None
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A question that went badly.

    Attributes:
        id: The question.
        rank: As in `Outcome`.
        found: The first passage of each of the first documents.
    """

    id: str
    rank: int | None
    found: tuple[FoundPassage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalReport:
    """What a search was worth on a suite.

    Attributes:
        questions: How many were asked.
        measures: Over documents, each at the place of its best passage: ``hit@1``, ``hit@5``, ``hit@10``,
            ``recall@10``, ``mrr@10``, ``ndcg@10``; ``page@9``, whether a gold document is among those of the
            first nine passages; and, over the questions with known gold passages if there are any,
            ``passage hit@10`` and ``passage mrr@10``.
        by_product: The same for the questions of each product; only where a question names one.
        by_origin: The same for those of each origin.
        milliseconds: ``p50`` and ``p95`` of one search.
        outcomes: Every question, in the order asked.
        worst: The questions with the lowest reciprocal rank, lowest first, ties in the order asked.
    """

    questions: int
    measures: Mapping[str, Measure]
    by_product: Mapping[str, Group]
    by_origin: Mapping[str, Group]
    milliseconds: Mapping[str, float]
    outcomes: tuple[Outcome, ...]
    worst: tuple[Miss, ...]


def evaluate_retrieval(
    questions: Sequence[Question], find: Find, gold_passages: Mapping[str, Collection[str]] | None = None
) -> RetrievalReport:
    """Ask every question and compare what is found with what is gold.

    Args:
        questions: At least one; each can be answered.
        find: The search.
        gold_passages: Id of a question to the ids of all passages that answer it, at least one each;
            questions that are not named count for documents only.

    Raises:
        ValueError: If there is no question, or one that can't be answered.
    """
    if not questions or not all(question.answerable for question in questions):
        raise ValueError("need at least one question, and only such that can be answered")
    found: list[Sequence[FoundPassage]] = []
    seconds: list[float] = []
    for question in questions:
        began = time.perf_counter()
        found.append(find(question.question))
        seconds.append(time.perf_counter() - began)
    outcomes = _outcomes(questions, found, gold_passages or {})
    values = [outcome.values for outcome in outcomes]
    return RetrievalReport(
        questions=len(questions),
        measures=measures_of(values),
        by_product=groups_of([question.product for question in questions], values),
        by_origin=groups_of([question.origin for question in questions], values),
        milliseconds={f"p{p}": float(np.percentile(seconds, p) * 1000) for p in (50, 95)},
        outcomes=tuple(outcomes),
        worst=_worst(outcomes, found),
    )


def _outcomes(
    questions: Sequence[Question],
    found: Sequence[Sequence[FoundPassage]],
    gold_passages: Mapping[str, Collection[str]],
) -> list[Outcome]:
    documents = [_documents(passages) for passages in found]
    gold = [dict.fromkeys(question.gold_uris, 1.0) for question in questions]
    first = [_documents(passages[:FIRST_PASSAGES]) for passages in found]
    columns = {f"hit@{k}": hit_at(documents, gold, k) for k in (1, 5, DEPTH)}
    columns[f"recall@{DEPTH}"] = recall_at(documents, gold, DEPTH)
    columns[f"mrr@{DEPTH}"] = reciprocal_rank_at(documents, gold, DEPTH)
    columns[f"ndcg@{DEPTH}"] = ndcg_at(documents, gold, DEPTH)
    columns[f"page@{FIRST_PASSAGES}"] = hit_at(first, gold, FIRST_PASSAGES)
    outcomes = []
    for row, question in enumerate(questions):
        values = {name: float(column[row]) for name, column in columns.items()}
        passages = [passage.passage_id for passage in found[row]]
        wanted = dict.fromkeys(gold_passages.get(question.id, ()), 1.0)
        if wanted:
            values[f"passage hit@{DEPTH}"] = float(hit_at([passages], [wanted], DEPTH)[0])
            values[f"passage mrr@{DEPTH}"] = float(reciprocal_rank_at([passages], [wanted], DEPTH)[0])
        outcomes.append(
            Outcome(
                id=question.id,
                rank=_rank(documents[row], gold[row]),
                passage_rank=_rank(passages, wanted),
                values=values,
            )
        )
    return outcomes


def _documents(passages: Sequence[FoundPassage]) -> list[str]:
    """Documents by their best passage, each once."""
    return list(dict.fromkeys(passage.uri for passage in passages))


def _rank(ranking: Sequence[str], wanted: Collection[str]) -> int | None:
    return next((place for place, item in enumerate(ranking, start=1) if item in wanted), None)


def measures_of(values: Sequence[Mapping[str, float]]) -> dict[str, Measure]:
    """The mean of each measure over the questions that have it.

    Args:
        values: For each question its values by measure.
    """
    names = dict.fromkeys(name for one in values for name in one)
    return {name: _measure(np.array([one[name] for one in values if name in one])) for name in names}


def _measure(values: NDArray[np.float64]) -> Measure:
    enough = len(values) >= FEWEST_FOR_INTERVAL
    return Measure(
        mean=float(values.mean()), interval=bootstrap_interval(values, seed=SEED) if enough else None
    )


def groups_of(names: Sequence[str | None], values: Sequence[Mapping[str, float]]) -> dict[str, Group]:
    """Measures of the questions of each name, by name; None is no group.

    Args:
        names: For each question the name of its group.
        values: For each question its values by measure.
    """
    members: dict[str, list[Mapping[str, float]]] = {}
    for name, one in zip(names, values, strict=True):
        if name is not None:
            members.setdefault(name, []).append(one)
    return {
        name: Group(questions=len(members[name]), measures=measures_of(members[name]))
        for name in sorted(members)
    }


def _worst(outcomes: Sequence[Outcome], found: Sequence[Sequence[FoundPassage]]) -> tuple[Miss, ...]:
    imperfect = [row for row, outcome in enumerate(outcomes) if outcome.rank != 1]
    imperfect.sort(key=lambda row: 1 / (outcomes[row].rank or np.inf))
    return tuple(
        Miss(id=outcomes[row].id, rank=outcomes[row].rank, found=_instead(found[row]))
        for row in imperfect[:WORST]
    )


def _instead(passages: Sequence[FoundPassage]) -> tuple[FoundPassage, ...]:
    """The first passage of each of the first documents."""
    firsts: dict[str, FoundPassage] = {}
    for passage in passages:
        firsts.setdefault(passage.uri, passage)
    return tuple(firsts.values())[:SHOWN_INSTEAD]

"""Which questions of QA pairs are nearest to a question, and the passages that they lead to."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from retriever.arrays import Ranking, RowMask, Vectors
from retriever.index import Index

_OVERFETCH = 16  # questions first asked for per passage wanted: neighbours often rest on the same passage


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionMatch:
    """A QA pair whose question is near to what was asked.

    Attributes:
        pair_id: The pair.
        cosine: Cosine of the two questions in [-1, 1].
        passage_ids: The passages that its answer rests on, without those that must not be shown; at
            least one.
    """

    pair_id: str
    cosine: float
    passage_ids: tuple[str, ...]


def find_questions(
    index: Index,
    queries: Vectors,
    *,
    k: int,
    hidden_pairs: Collection[str] = (),
    hidden_documents: Collection[str] = (),
    products: Collection[str | None] | None = None,
) -> list[list[QuestionMatch]]:
    """The ``k`` QA pairs whose questions are nearest to each query, best first.

    Args:
        index: An open index version.
        queries: (m, dimension) unit rows, from `Encoder.encode_queries`.
        k: Most pairs wanted per query, at least 1; fewer only where fewer are left.
        hidden_pairs: Pairs that must not be used, for instance rejected since the build.
        hidden_documents: Documents that must not be shown. A pair goes with the last of its passages.
        products: The only products to show (None among them: documents of no product); None for all.

    Returns:
        One list per query.

    Raises:
        DimensionMismatch: If the queries are not the index's encoder's.
        ValueError: If k < 1.
    """
    if k < 1:
        raise ValueError(f"need k >= 1, got {k}")
    passages = index.allowed_rows(hidden_documents=hidden_documents, products=products)
    allowed = index.questions.allowed_rows(passages=passages, hidden_pairs=hidden_pairs)
    rankings = index.questions.vectors.search(queries, k=k, allowed=allowed)
    return [describe_matches(index, ranking, passages=passages) for ranking in rankings]


def describe_matches(index: Index, ranking: Ranking, *, passages: RowMask | None) -> list[QuestionMatch]:
    """The pairs of ranked questions.

    Args:
        index: An open index version.
        ranking: Rows of ``index.questions``.
        passages: Rows of passages that may be shown; None for all.
    """
    return [
        QuestionMatch(
            pair_id=index.questions.pair_ids[row],
            cosine=cosine,
            passage_ids=tuple(index.passage_ids[passage] for passage in _shown(index, row, passages)),
        )
        for row, cosine in zip(ranking.rows.tolist(), ranking.scores.clip(-1, 1).tolist(), strict=True)
    ]


def rank_evidence(
    index: Index,
    query: Vectors,
    *,
    depth: int,
    minimum_cosine: float,
    passages: RowMask | None,
    questions: RowMask | None,
    matches: int,
) -> tuple[Ranking, Ranking]:
    """Passages by the nearest question that rests on them; those of one question in its own order.

    Args:
        index: An open index version.
        query: (1, dimension), one unit row.
        depth: Most passages wanted; 0 for none.
        minimum_cosine: Questions further from the query than this name no passage.
        passages: Rows of passages that may be shown; None for all.
        questions: Rows of questions that may be asked; None for all.
        matches: Most questions wanted beside the passages, however near they are.

    Returns:
        Passages, each once with the cosine of the nearest question that rests on it, and the nearest
        questions.

    Raises:
        DimensionMismatch: If the query is not the index's encoder's.
    """
    wanted = max(matches, _OVERFETCH * depth)
    while True:
        ranking = index.questions.vectors.search(query, k=wanted, allowed=questions)[0]
        near = int(np.count_nonzero(ranking.scores >= minimum_cosine))
        named: dict[int, float] = {}
        for row, cosine in zip(ranking.rows[:near].tolist(), ranking.scores[:near].tolist(), strict=True):
            for passage in _shown(index, row, passages):
                named.setdefault(passage, cosine)
        if len(named) >= depth or near < wanted:
            evidence = Ranking(
                np.array(list(named)[:depth], dtype=np.int64),
                np.array(list(named.values())[:depth], dtype=np.float32),
            )
            return evidence, Ranking(ranking.rows[:matches], ranking.scores[:matches])
        wanted *= 2


def _shown(index: Index, question: int, passages: RowMask | None) -> list[int]:
    """The evidence of one question that may be shown."""
    rows = index.questions.evidence(question)
    return rows if passages is None else [row for row in rows if passages[row]]

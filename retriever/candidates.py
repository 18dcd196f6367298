"""The passages that may be hits, with what each signal says of them."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retriever.arrays import Ranking, RowMask, Rows, Scores, Vectors, rank_rows
from retriever.index import Index
from retriever.matches import rank_evidence
from retriever.products import DetectedProduct, ProductDetector

SIGNALS = ("dense", "bm25", "document", "document_bm25", "qa", "product")
"""What is known of a passage for a question:

``dense``: cosine of question and passage, in [-1, 1]. ``bm25``: BM25 of the passage over that of the best
one, in [0, 1]. ``document``: cosine of question and the direction of the whole document, in [-1, 1].
``document_bm25``: for each word of the question the BM25 of the document's best passage, summed, over that of
the best document, in [0, 1]. ``qa``: how near the nearest question of a QA pair that rests on the passage is,
from 0 at the least cosine that counts to 1. ``product``: how sure it is that the question is about the
product of the passage, in [0, 1]; 0 for a product that was not detected, and for none.
"""

Signals = NDArray[np.float32]
"""(candidates, len(SIGNALS))."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Passages that vectors, words or questions named.

    Attributes:
        rows: (n,), rising.
        signals: (n, len(SIGNALS)).
        named: Per source ``dense``, ``bm25`` and ``qa`` the rows that it named.
        nearest: The nearest questions of QA pairs, best first, however near.
        products: The products that were detected, the surest first.
    """

    rows: Rows
    signals: Signals
    named: dict[str, frozenset[int]]
    nearest: Ranking
    products: tuple[DetectedProduct, ...]


def find_candidates(
    index: Index,
    query: Vectors,
    question: str,
    *,
    sources: Collection[str],
    depth: int,
    qa_depth: int,
    qa_minimum_cosine: float,
    questions: int,
    allowed: RowMask | None,
    allowed_questions: RowMask | None,
    detector: ProductDetector | None = None,
) -> Candidates:
    """What each source names for a question, and every signal of it all.

    Args:
        index: An open index version.
        query: (1, dimension), the question's vector.
        question: Its words.
        sources: Which of ``dense``, ``bm25`` and ``qa`` may name passages.
        depth: Passages that vectors and words each name.
        qa_depth: Most passages that questions name.
        qa_minimum_cosine: Questions further from the query name no passage; below 1.
        questions: Most nearest questions wanted, however near.
        allowed: Rows that may be shown; None for all.
        allowed_questions: Questions that may be used; None for all.
        detector: Tells products apart by what vectors and words name; None, or a search without one of
            these two, detects none.
    """
    none = rank_rows(np.empty(0, np.int64), np.empty(0, np.float32))
    tokens = index.words.tokens(question)
    by_words = index.words.scores(tokens)  # (rows,)
    dense = index.vectors.search(query, k=depth, allowed=allowed)[0] if "dense" in sources else none
    words = index.words.rank(by_words, k=depth, allowed=allowed) if "bm25" in sources else none
    evidence, nearest = rank_evidence(
        index,
        query,
        depth=qa_depth if "qa" in sources else 0,
        minimum_cosine=qa_minimum_cosine,
        passages=allowed,
        questions=allowed_questions,
        matches=questions,
    )
    rankings = {"dense": dense, "bm25": words, "qa": evidence}
    rows: Rows = np.unique(np.concatenate([ranking.rows for ranking in rankings.values()]))
    documents = index.documents.numbers[rows]  # (n,)
    by_document = index.words.document_scores(tokens, index.documents.numbers, len(index.documents.ids))
    if allowed is not None:
        by_words = np.where(allowed, by_words, 0)
        shown = np.zeros(len(by_document), dtype=bool)  # (documents,)
        shown[index.documents.numbers[allowed]] = True
        by_document = np.where(shown, by_document, 0)
    detected: tuple[DetectedProduct, ...] = ()
    if detector is not None and {"dense", "bm25"} <= set(sources):
        detected = detector.detect(question, query, dense, words)
    near = dict(zip(evidence.rows.tolist(), evidence.scores.tolist(), strict=True))
    signals = np.stack(
        [
            (index.vectors.at(rows) @ query[0]).clip(-1, 1),
            _relative(by_words, rows),
            (index.documents.vectors[documents] @ query[0]).clip(-1, 1),
            _relative(by_document, documents),
            np.array(
                [max(0.0, _nearness(near.get(row), qa_minimum_cosine)) for row in rows.tolist()],
                dtype=np.float32,
            ),
            _product_probabilities(index, rows, detected),
        ],
        axis=1,
    )
    named = {source: frozenset(ranking.rows.tolist()) for source, ranking in rankings.items()}
    return Candidates(rows=rows, signals=signals, named=named, nearest=nearest, products=detected)


def _relative(scores: Scores, places: Rows) -> Scores:
    """Scores of some places over the best of all; 0 where nothing scores."""
    best = scores.max(initial=0)
    found: Scores = scores[places] / best if best > 0 else np.zeros(len(places), dtype=np.float32)
    return found


def _product_probabilities(index: Index, rows: Rows, detected: Collection[DetectedProduct]) -> Scores:
    """(len(rows),), the probability of the product of each row."""
    found = {one.product_id: one.probability for one in detected}
    worth = [*(found.get(one, 0.0) for one in index.products.ids), 0.0]  # the last is that of no product, -1
    return np.array(worth, dtype=np.float32)[index.products.numbers[rows]]


def _nearness(cosine: float | None, least: float) -> float:
    return 0.0 if cosine is None else (min(cosine, 1.0) - least) / (1 - least)

"""From a question to hits: ask vectors and words, merge by rank."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from retriever.arrays import RowMask, Vectors
from retriever.encoder import Encoder
from retriever.fusion import RANK_DAMPING, FusedItem, reciprocal_rank_fusion
from retriever.index import Index

Via = Literal["dense", "bm25"]
_SOURCES: tuple[Via, ...] = ("dense", "bm25")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How a search is done.

    Attributes:
        depth: Passages that each retriever names before they are merged; raised to the number of hits
            wanted where that is more.
        rank_damping: k of reciprocal rank fusion.
        dense_weight: Worth of the ranking by vectors; 0 leaves it out.
        bm25_weight: Worth of the ranking by words; 0 leaves it out.
        passages_per_document: Most passages of one document among the hits; None for no limit.
    """

    depth: int = 100
    rank_damping: int = RANK_DAMPING
    dense_weight: float = 1.0
    bm25_weight: float = 1.0
    passages_per_document: int | None = None

    def __post_init__(self) -> None:
        weights = self.dense_weight, self.bm25_weight
        if self.depth < 1 or self.rank_damping < 0 or min(weights) < 0 or max(weights) == 0:
            raise ValueError(f"need depth >= 1, rank_damping >= 0 and weights >= 0, one above 0, got {self}")
        if self.passages_per_document is not None and self.passages_per_document < 1:
            raise ValueError(f"need passages_per_document >= 1 or None, got {self.passages_per_document}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found.

    Attributes:
        rank: Its place, from 1.
        score: Fused reciprocal rank; larger is better. It compares hits of one search and nothing else.
        cosine: Cosine of question and passage in [-1, 1], whoever found the passage. It compares across
            searches with the same encoder.
        passage_id: The passage.
        document_id: Its document.
        via: Which retrievers named it.
    """

    rank: int
    score: float
    cosine: float
    passage_id: str
    document_id: str
    via: tuple[Via, ...]


class _Candidate(NamedTuple):
    row: int
    fused: FusedItem


def search(
    index: Index,
    encoder: Encoder,
    question: str,
    *,
    k: int,
    config: SearchConfig,
    hidden_documents: Collection[str] = (),
    products: Collection[str | None] | None = None,
) -> list[Hit]:
    """The ``k`` passages that fit a question best.

    Hits are passages by falling fused score, ties by passage id. A document therefore stands where its
    best passage stands, and its other passages follow where their own score puts them: they are not
    drawn together. For a ranking of documents, keep each document's first hit (`rank_documents`).

    Held-back passages are left out before either retriever ranks, so they cost no place.

    Args:
        index: An open index version.
        encoder: The encoder that the index was opened for.
        question: Any text.
        k: Most hits wanted, at least 1. There may be fewer: the corpus, ``config.depth`` and
            ``config.passages_per_document`` limit them.
        config: How to search.
        hidden_documents: Documents that must not be shown, for instance deleted ones.
        products: The only products to show (None among them: documents of no product); None for all.

    Raises:
        DimensionMismatch: If the encoder is not the index's.
        ValueError: If k < 1.
    """
    if k < 1:
        raise ValueError(f"need k >= 1, got {k}")
    if not len(index):
        return []
    allowed = index.allowed_rows(hidden_documents=hidden_documents, products=products)
    query = encoder.encode_queries([question])  # (1, dimension)
    depth = max(k, config.depth)
    candidates = _candidates(index, query, question, allowed=allowed, depth=depth, config=config)
    return _hits(index, query, list(islice(_limited(index, candidates, config.passages_per_document), k)))


def rank_documents(hits: Sequence[Hit]) -> list[str]:
    """Documents by their best hit, each once."""
    return list(dict.fromkeys(hit.document_id for hit in hits))


def _candidates(
    index: Index, query: Vectors, question: str, *, allowed: RowMask | None, depth: int, config: SearchConfig
) -> list[_Candidate]:
    """What either retriever names, best first."""
    dense: list[int] = []
    if config.dense_weight:
        dense = index.vectors.search(query, k=depth, allowed=allowed)[0].rows.tolist()
    words: list[int] = []
    if config.bm25_weight:
        words = index.words.search(question, k=depth, allowed=allowed).rows.tolist()
    rows = {index.passage_ids[row]: row for row in (*dense, *words)}
    fused = reciprocal_rank_fusion(
        [[index.passage_ids[row] for row in ranking] for ranking in (dense, words)],
        k=config.rank_damping,
        weights=(config.dense_weight, config.bm25_weight),
    )
    return [_Candidate(rows[item.item], item) for item in fused]


def _limited(
    index: Index, candidates: Iterable[_Candidate], most_per_document: int | None
) -> Iterator[_Candidate]:
    """Candidates, without those that come after a document's share is used up."""
    shown: Counter[str] = Counter()
    for candidate in candidates:
        document = index.document_ids[candidate.row]
        if most_per_document is None or shown[document] < most_per_document:
            shown[document] += 1
            yield candidate


def _hits(index: Index, query: Vectors, candidates: Sequence[_Candidate]) -> list[Hit]:
    stored = index.vectors.at(np.array([candidate.row for candidate in candidates], dtype=np.int64))
    cosines = (stored @ query[0]).clip(-1, 1)  # (hits,)
    return [
        Hit(
            rank=rank,
            score=candidate.fused.score,
            cosine=float(cosine),
            passage_id=candidate.fused.item,
            document_id=index.document_ids[candidate.row],
            via=tuple(_SOURCES[source] for source in candidate.fused.sources),
        )
        for rank, (candidate, cosine) in enumerate(zip(candidates, cosines, strict=True), start=1)
    ]

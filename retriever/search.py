"""From a question to hits: ask vectors, words and the questions of QA pairs, merge by rank."""

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
from retriever.matches import QuestionMatch, describe_matches, rank_evidence

Via = Literal["dense", "bm25", "qa"]
_SOURCES: tuple[Via, ...] = ("dense", "bm25", "qa")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How a search is done.

    Attributes:
        depth: Passages that each retriever names before they are merged; raised to the number of hits
            wanted where that is more.
        rank_damping: k of reciprocal rank fusion.
        dense_weight: Worth of the ranking by vectors; 0 leaves it out.
        bm25_weight: Worth of the ranking by words; 0 leaves it out.
        qa_weight: Worth of the ranking by the questions of QA pairs; 0 leaves it out.
        qa_depth: Most passages that questions name.
        qa_minimum_cosine: Questions further from what was asked than this name no passage.
        passages_per_document: Most passages of one document among the hits; None for no limit.
    """

    depth: int = 100
    rank_damping: int = RANK_DAMPING
    dense_weight: float = 1.0
    bm25_weight: float = 1.0
    # Questions that match weakly drown passages: with weight 1 and no least cosine, hit@10 of users'
    # questions fell below that of passages alone. The weight was chosen on held-out pairs, where 0.5
    # costs twice the MRR@10 of 0.25 when the pair that was asked for is missing: docs/benchmarks.md.
    qa_weight: float = 0.25
    qa_depth: int = 10
    qa_minimum_cosine: float = 0.6
    passages_per_document: int | None = None

    def __post_init__(self) -> None:
        weights = self.dense_weight, self.bm25_weight, self.qa_weight
        if self.depth < 1 or self.rank_damping < 0 or min(weights) < 0 or max(weights) == 0:
            raise ValueError(f"need depth >= 1, rank_damping >= 0 and weights >= 0, one above 0, got {self}")
        if self.qa_depth < 1 or not -1 <= self.qa_minimum_cosine <= 1:
            raise ValueError(f"need qa_depth >= 1 and qa_minimum_cosine from -1 to 1, got {self}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What one encoding of a question finds.

    Attributes:
        hits: Passages, best first; see `search`.
        questions: The QA pairs whose questions are nearest, best first, however near they are.
    """

    hits: list[Hit]
    questions: list[QuestionMatch]


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
    hidden_pairs: Collection[str] = (),
    products: Collection[str | None] | None = None,
    query: Vectors | None = None,
) -> list[Hit]:
    """The ``k`` passages that fit a question best.

    Hits are passages by falling fused score, ties by passage id. A document therefore stands where its
    best passage stands, and its other passages follow where their own score puts them: they are not
    drawn together. For a ranking of documents, keep each document's first hit (`rank_documents`).

    Held-back passages and pairs are left out before any retriever ranks, so they cost no place.

    Args:
        index: An open index version.
        encoder: The encoder that the index was opened for.
        question: Any text.
        k: Most hits wanted, at least 1. There may be fewer: the corpus, ``config.depth`` and
            ``config.passages_per_document`` limit them.
        config: How to search.
        hidden_documents: Documents that must not be shown, for instance deleted ones.
        hidden_pairs: QA pairs that must not be used, for instance rejected or stale since the build.
        products: The only products to show (None among them: documents of no product); None for all.
        query: (1, dimension), the question's vector where the caller has it; None to encode it.

    Raises:
        DimensionMismatch: If the encoder, or the query, is not the index's.
        ValueError: If k < 1.
    """
    return search_all(
        index,
        encoder,
        question,
        k=k,
        questions=0,
        config=config,
        hidden_documents=hidden_documents,
        hidden_pairs=hidden_pairs,
        products=products,
        query=query,
    ).hits


def search_all(
    index: Index,
    encoder: Encoder,
    question: str,
    *,
    k: int,
    questions: int,
    config: SearchConfig,
    hidden_documents: Collection[str] = (),
    hidden_pairs: Collection[str] = (),
    products: Collection[str | None] | None = None,
    query: Vectors | None = None,
) -> SearchResult:
    """The hits of `search` and the QA pairs nearest to a question, with one encoding of it.

    There are at most ``questions`` pairs, at least 0, and however near they are. The other arguments
    and the errors are those of `search`.
    """
    if k < 1 or questions < 0:
        raise ValueError(f"need k >= 1 and questions >= 0, got {k=}, {questions=}")
    if not len(index):
        return SearchResult(hits=[], questions=[])
    allowed = index.allowed_rows(hidden_documents=hidden_documents, products=products)
    query = encoder.encode_queries([question]) if query is None else query  # (1, dimension)
    named, nearest = rank_evidence(
        index,
        query,
        depth=config.qa_depth if config.qa_weight else 0,
        minimum_cosine=config.qa_minimum_cosine,
        passages=allowed,
        questions=index.questions.allowed_rows(passages=allowed, hidden_pairs=hidden_pairs),
        matches=questions,
    )
    candidates = _candidates(
        index, query, question, named, allowed=allowed, depth=max(k, config.depth), config=config
    )
    best = list(islice(_limited(index, candidates, config.passages_per_document), k))
    return SearchResult(
        hits=_hits(index, query, best), questions=describe_matches(index, nearest, passages=allowed)
    )


def rank_documents(hits: Sequence[Hit]) -> list[str]:
    """Documents by their best hit, each once."""
    return list(dict.fromkeys(hit.document_id for hit in hits))


def _candidates(
    index: Index,
    query: Vectors,
    question: str,
    named: Sequence[int],
    *,
    allowed: RowMask | None,
    depth: int,
    config: SearchConfig,
) -> list[_Candidate]:
    """What vectors and words name, and what questions ``named``, best first."""
    dense: list[int] = []
    if config.dense_weight:
        dense = index.vectors.search(query, k=depth, allowed=allowed)[0].rows.tolist()
    words: list[int] = []
    if config.bm25_weight:
        words = index.words.search(question, k=depth, allowed=allowed).rows.tolist()
    rankings = dense, words, named
    rows = {index.passage_ids[row]: row for ranking in rankings for row in ranking}
    fused = reciprocal_rank_fusion(
        [[index.passage_ids[row] for row in ranking] for ranking in rankings],
        k=config.rank_damping,
        weights=(config.dense_weight, config.bm25_weight, config.qa_weight),
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

"""From a question to hits: ask vectors, words and the questions of QA pairs, and weigh what they say."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retriever.arrays import Vectors
from retriever.candidates import Candidates, find_candidates
from retriever.encoder import Encoder
from retriever.index import Index
from retriever.matches import QuestionMatch, describe_matches
from retriever.products import DetectedProduct, ProductDetector

Via = Literal["dense", "bm25", "qa"]
_SOURCES: tuple[Via, ...] = ("dense", "bm25", "qa")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How a search is done: a passage's score is the weighted sum of its `retriever.candidates.SIGNALS`.

    Attributes:
        depth: Passages that vectors and words each name before they are scored; raised to the number of
            hits wanted where that is more.
        dense_weight: Worth of the passage's vector; 0 lets vectors name no passage.
        bm25_weight: Worth of the passage's words; 0 lets words name no passage.
        document_weight: Worth of the whole document's vector.
        document_bm25_weight: Worth of the whole document's words.
        qa_weight: Worth of the questions of QA pairs; 0 lets them name no passage.
        product_weight: Worth of being of a product that the question is about; 0 lets products be.
        qa_depth: Most passages that questions name.
        qa_minimum_cosine: Questions further from what was asked than this name no passage.
        repeat_penalty: What a passage loses for each passage of its document that stands before it, so that
            the first hits come from several documents.
    """

    depth: int = 100
    # The weights were chosen on users' questions (docs/benchmarks.md): what people ask is answered by a
    # page that is about it, while questions made from one passage are best found without documents.
    dense_weight: float = 1.0
    bm25_weight: float = 0.15
    document_weight: float = 0.3
    document_bm25_weight: float = 0.1
    qa_weight: float = 0.1
    product_weight: float = 0.1
    qa_depth: int = 10
    qa_minimum_cosine: float = 0.6
    repeat_penalty: float = 0.05

    def __post_init__(self) -> None:
        if self.depth < 1 or self.weights.min() < 0 or not self.sources:
            raise ValueError(
                f"need depth >= 1 and weights >= 0, that of vectors, words or questions above 0, got {self}"
            )
        if self.qa_depth < 1 or not -1 <= self.qa_minimum_cosine < 1:
            raise ValueError(f"need qa_depth >= 1 and qa_minimum_cosine from -1 to below 1, got {self}")
        if not self.repeat_penalty >= 0:
            raise ValueError(f"need repeat_penalty >= 0, got {self.repeat_penalty}")

    @property
    def weights(self) -> NDArray[np.float32]:
        """(len(SIGNALS),), in the order of `retriever.candidates.SIGNALS`."""
        weights = (
            self.dense_weight,
            self.bm25_weight,
            self.document_weight,
            self.document_bm25_weight,
            self.qa_weight,
            self.product_weight,
        )
        return np.array(weights, dtype=np.float32)

    @property
    def sources(self) -> tuple[Via, ...]:
        """What may name passages."""
        worth = zip(_SOURCES, (self.dense_weight, self.bm25_weight, self.qa_weight), strict=True)
        return tuple(source for source, weight in worth if weight)


DENSE_ALONE = SearchConfig(
    bm25_weight=0,
    document_weight=0,
    document_bm25_weight=0,
    qa_weight=0,
    product_weight=0,
    repeat_penalty=0,
)
BM25_ALONE = SearchConfig(
    dense_weight=0,
    bm25_weight=1,
    document_weight=0,
    document_bm25_weight=0,
    qa_weight=0,
    product_weight=0,
    repeat_penalty=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that was found.

    Attributes:
        rank: Its place, from 1.
        score: Weighted sum of signals; larger is better. It compares hits of one search and nothing else.
        cosine: Cosine of question and passage in [-1, 1], whoever found the passage. It compares across
            searches with the same encoder.
        passage_id: The passage.
        document_id: Its document.
        via: Which sources named it.
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
        products: The products that the question is about, the surest first; none where that is unsure.
    """

    hits: list[Hit]
    questions: list[QuestionMatch]
    products: tuple[DetectedProduct, ...] = ()


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

    Hits are passages by falling score, ties by passage id. A document stands where its best passage
    stands; its other passages follow where their own lowered scores put them. For a ranking of documents,
    keep each document's first hit (`rank_documents`).

    Held-back passages and pairs are left out before any retriever ranks, so they cost no place.

    Args:
        index: An open index version.
        encoder: The encoder that the index was opened for.
        question: Any text.
        k: Most hits wanted, at least 1. There may be fewer: the corpus and ``config.depth`` limit
            them.
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
    detector: ProductDetector | None = None,
) -> SearchResult:
    """The hits of `search` and the QA pairs nearest to a question, with one encoding of it.

    There are at most ``questions`` pairs, at least 0, and however near they are. With a ``detector`` the
    products that the question is about are found too and their passages gain, unless ``products`` names
    the products. The other arguments and the errors are those of `search`.
    """
    if k < 1 or questions < 0:
        raise ValueError(f"need k >= 1 and questions >= 0, got {k=}, {questions=}")
    if not len(index):
        return SearchResult(hits=[], questions=[])
    allowed = index.allowed_rows(hidden_documents=hidden_documents, products=products)
    query = encoder.encode_queries([question]) if query is None else query  # (1, dimension)
    candidates = find_candidates(
        index,
        query,
        question,
        sources=config.sources,
        depth=max(k, config.depth),
        qa_depth=config.qa_depth,
        qa_minimum_cosine=config.qa_minimum_cosine,
        questions=questions,
        allowed=allowed,
        allowed_questions=index.questions.allowed_rows(passages=allowed, hidden_pairs=hidden_pairs),
        detector=detector if products is None else None,
    )
    hits = _hits(index, candidates, config)
    return SearchResult(
        hits=[
            replace(hit, rank=rank)
            for rank, hit in enumerate(_spread(hits, config.repeat_penalty)[:k], start=1)
        ],
        questions=describe_matches(index, candidates.nearest, passages=allowed),
        products=candidates.products,
    )


def rank_documents(hits: Sequence[Hit]) -> list[str]:
    """Documents by their best hit, each once."""
    return list(dict.fromkeys(hit.document_id for hit in hits))


def _hits(index: Index, candidates: Candidates, config: SearchConfig) -> list[Hit]:
    """All candidates by falling score, ties by passage id."""
    scores = candidates.signals @ config.weights  # (candidates,)
    hits = [
        Hit(
            rank=0,
            score=score,
            cosine=cosine,
            passage_id=index.passage_ids[row],
            document_id=index.document_ids[row],
            via=tuple(source for source in _SOURCES if row in candidates.named[source]),
        )
        for row, score, cosine in zip(
            candidates.rows.tolist(), scores.tolist(), candidates.signals[:, 0].tolist(), strict=True
        )
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))


def _spread(hits: Sequence[Hit], penalty: float) -> list[Hit]:
    """Hits with what they lose for those of their document that stand before them; best first.

    A document keeps its place, that of its best passage.
    """
    before: Counter[str] = Counter()
    lowered = []
    for hit in hits:
        lowered.append(replace(hit, score=hit.score - penalty * before[hit.document_id]))
        before[hit.document_id] += 1
    return sorted(lowered, key=lambda hit: (-hit.score, hit.passage_id))

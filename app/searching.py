"""From a question to passages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.db.pairs import pairs_of_products
from app.db.passages import PassageView, get_passages
from app.db.products import find_product, product_names
from app.db.session import Database
from app.stopwatch import Stopwatch
from ingest.passages import contextual_text
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.errors import EncoderMismatch
from retriever.index import Index
from retriever.matches import QuestionMatch
from retriever.products import ProductDetector
from retriever.reranking import TimedReranker
from retriever.search import Hit, SearchConfig, SearchResult, search_all

NEAREST_QUESTIONS = 3  # the nearest may be another question than was asked; see app/qa/curating.py


class ProductUnknown(Exception):
    """A question names a product that no document belongs to.

    Attributes:
        known: The names of the products that there are.
    """

    def __init__(self, name: str, known: Sequence[str]) -> None:
        listed = ", ".join(sorted(known)) or "none; documents get one when they are uploaded with a product"
        super().__init__(f"no product {name!r}; known products: {listed}")
        self.known = tuple(sorted(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveIndex:
    """The index that searches use now, and the documents and pairs that it must not use."""

    id: str
    index: Index
    hidden_documents: frozenset[str]
    hidden_pairs: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassage:
    """A hit with its text and its place; see `retriever.search.Hit` for the scores."""

    rank: int
    score: float
    cosine: float
    via: tuple[str, ...]
    passage_id: str
    document_id: str
    document_version: int
    uri: str
    title: str
    heading_path: tuple[str, ...]
    page: int | None
    seconds: tuple[float, float] | None
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProduct:
    """A product that a question is about; see `retriever.products.DetectedProduct`."""

    name: str
    probability: float
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Passages for a question, best first.

    Attributes:
        index_version: Where they came from.
        products: Names of the products that the search was limited to, or else of those that were detected.
        limited_to: Ids of the products that the search was limited to; None if it was not.
        detected_products: The products that were detected, the surest first; none where the caller named
            some, or where it is unsure.
        subjects: Name of the product that every hit is about, if there is one.
        hits: Best first.
        questions: The QA pairs whose questions are nearest, best first, however near they are.
        seconds: Time that it took to ``encode`` the question, to ``rerank`` hits if there is a reranker, and
            for all else (``search``).
    """

    index_version: str
    products: tuple[str, ...]
    limited_to: frozenset[str] | None
    detected_products: tuple[FoundProduct, ...]
    subjects: tuple[str, ...]
    hits: tuple[FoundPassage, ...]
    questions: tuple[QuestionMatch, ...]
    seconds: Mapping[str, float]


def find_passages(
    database: Database,
    live: LiveIndex,
    encoder: Encoder,
    question: str,
    *,
    k: int,
    products: Sequence[str] | None,
    allowed_products: Collection[str] | None = None,
    config: SearchConfig,
    reranker: TimedReranker | None = None,
) -> Found:
    """The passages that fit a question best.

    Where the asker may see some products only, the others are as if they were not there: their passages and
    pairs are held back before any retriever ranks, and those that came to another product since the index
    was built are left out by what the database says.

    Args:
        database: Database for reading.
        live: The index to search.
        encoder: The encoder that the index was built with.
        question: Any text.
        k: Most passages wanted.
        products: Names or aliases of the only products to search, in any case; None for all.
        allowed_products: Ids of the only products that the asker may see; None for all.
        config: How to search.
        reranker: Orders the first hits anew; None to leave them.

    Raises:
        ProductUnknown: Names the products that there are, of those that the asker may see.
    """
    watch = Stopwatch()
    with watch.time("encode"):
        query = encoder.encode_queries([question])
    with watch.time("search"):
        with database.reading() as session:
            names = product_names(session)
        if allowed_products is not None:
            names = {one: known for one, known in names.items() if one in allowed_products}
            products = [known[0] for known in names.values()] if products is None else products
        found_k = k if reranker is None else max(k, reranker.config.passages)
        result = search_live(
            live, encoder, question, k=found_k, products=products, names=names, config=config, query=query
        )
    if reranker is not None:
        with watch.time("rerank"):
            result = replace(result, hits=rerank_hits(database, reranker, question, result.hits)[:k])
    hits = result.hits
    with watch.time("search"), database.reading() as session:
        shown = get_passages(session, [hit.passage_id for hit in hits])
        questions = _allowed_questions(session, result.questions, allowed_products)
    views = _allowed_views(shown, allowed_products)
    found = tuple(
        FoundPassage(
            rank=hit.rank,
            score=hit.score,
            cosine=hit.cosine,
            via=hit.via,
            passage_id=hit.passage_id,
            document_id=hit.document_id,
            document_version=views[hit.passage_id].version,
            uri=views[hit.passage_id].uri,
            title=views[hit.passage_id].title,
            heading_path=views[hit.passage_id].heading_path,
            page=views[hit.passage_id].page,
            seconds=views[hit.passage_id].seconds,
            start=views[hit.passage_id].start,
            end=views[hit.passage_id].end,
            text=views[hit.passage_id].text,
        )
        for hit in hits
        if hit.passage_id in views
    )
    about = {views[hit.passage_id].product_id for hit in found}
    subjects = tuple(known[0] for product_id, known in names.items() if about == {product_id})
    detected = tuple(
        FoundProduct(name=names[one.product_id][0], probability=round(one.probability, 4), named=one.named)
        for one in result.products
    )
    return Found(
        index_version=live.id,
        products=tuple(one.name for one in detected) if products is None else tuple(products),
        limited_to=None if products is None else frozenset(_product_ids(names, products)),
        detected_products=detected,
        subjects=subjects,
        hits=found,
        questions=questions,
        seconds=watch.seconds,
    )


def _allowed_views(
    views: Mapping[str, PassageView], allowed_products: Collection[str] | None
) -> Mapping[str, PassageView]:
    if allowed_products is None:
        return views
    return {one: view for one, view in views.items() if view.product_id in allowed_products}


def _allowed_questions(
    session: Session, questions: Sequence[QuestionMatch], allowed_products: Collection[str] | None
) -> tuple[QuestionMatch, ...]:
    if allowed_products is None:
        return tuple(questions)
    allowed = pairs_of_products(session, [match.pair_id for match in questions], allowed_products)
    return tuple(match for match in questions if match.pair_id in allowed)


def rerank_hits(database: Database, reranker: TimedReranker, question: str, hits: Sequence[Hit]) -> list[Hit]:
    """Hits in their new order; the reranker reads the first ones as the encoder read them.

    Args:
        database: Database for reading.
        reranker: Orders hits anew.
        question: What was asked.
        hits: By falling score.
    """
    with database.reading() as session:
        views = get_passages(session, [hit.passage_id for hit in hits[: reranker.config.passages]])
    texts = {
        passage_id: contextual_text(view.title, view.heading_path, view.text)
        for passage_id, view in views.items()
    }
    return reranker.rerank(question, hits, texts)


def search_live(
    live: LiveIndex,
    encoder: Encoder,
    question: str,
    *,
    k: int,
    products: Sequence[str] | None,
    names: Mapping[str, Sequence[str]],
    config: SearchConfig,
    query: Vectors | None = None,
) -> SearchResult:
    """The search itself, without reading texts from the database; evaluations measure this.

    Args:
        live: The index to search.
        encoder: The encoder that the index was built with.
        question: Any text.
        k: Most passages wanted.
        products: Names or aliases of the only products to search, in any case; None for all, those that the
            question is about before others.
        names: Name and aliases of every product, the name first, by its id.
        config: How to search.
        query: (1, dimension), the question's vector where the caller has it; None to encode it.

    Raises:
        ProductUnknown: Names the products that there are.
        EncoderMismatch: If another encoder made the index.
    """
    built_with = live.index.manifest.encoder_fingerprint
    if built_with != encoder.fingerprint:
        raise EncoderMismatch(expected=encoder.fingerprint, got=built_with)
    return search_all(
        live.index,
        encoder,
        question,
        k=k,
        questions=NEAREST_QUESTIONS,
        config=config,
        hidden_documents=live.hidden_documents,
        hidden_pairs=live.hidden_pairs,
        products=None if products is None else _product_ids(names, products),
        query=query,
        detector=ProductDetector(live.index.products, names) if config.product_weight else None,
    )


def _product_ids(names: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[str]:
    found = {name: find_product(names, name) for name in wanted}
    for name, product_id in found.items():
        if product_id is None:
            raise ProductUnknown(name, [first for first, *_ in names.values()])
    return [product_id for product_id in found.values() if product_id is not None]

"""What an index is built from, as it was at one moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.db.indexes import corpus_sha256
from app.db.pair_evidence import searched_pairs
from app.db.passages import LOOKUP_SIZE, PassageView, get_embeddings, live_passages
from app.db.products import labelled_questions, product_names
from app.db.session import Database
from app.embedding import embed_missing
from app.qa.questions import embed_questions, question_vectors
from ingest.passages import contextual_text
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.index import IndexEntry
from retriever.products import ProductModel, number_products
from retriever.questions import IndexedQuestion
from retriever.vectors import VectorIndex
from retriever.words import WordIndex

SNAPSHOT_ATTEMPTS = 5
PRODUCTS_SEED = 0


class CorpusKeepsChanging(Exception):
    """Documents arrive faster than they can be embedded; the next build takes them in."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductSnapshot:
    """What products are learnt from, beside the passages."""

    names: dict[str, tuple[str, ...]]
    labelled: list[tuple[str, tuple[str, ...]]]  # questions with the ids of their products
    labelled_vectors: Vectors  # (labelled, dimension)
    paired: list[str | None]  # of each question of a pair the product; None also where it is held out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """What an index is built from, as it was at one moment."""

    corpus_sha256: str
    entries: list[IndexEntry]
    vectors: Vectors  # (entries, dimension)
    questions: list[IndexedQuestion]
    question_vectors: Vectors  # (questions, dimension)
    products: ProductSnapshot


def take_snapshot(
    database: Database,
    encoder: Encoder,
    *,
    without: str | None = None,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Snapshot:
    """The corpus at one moment, with a vector for every passage and for every question.

    Args:
        database: The database.
        encoder: What embeds.
        without: A split whose pairs are left out.
        report: Of embedding; see `app.embedding.embed_missing`.
    """
    fingerprint = encoder.fingerprint
    for _ in range(SNAPSHOT_ATTEMPTS):
        embed_missing(database, encoder, report=report)
        embed_questions(database, encoder)
        with database.reading_one_moment() as session:
            corpus = corpus_sha256(session)
            views = list(live_passages(session))
            pairs = [pair for pair in searched_pairs(session) if pair.split != without]
            names, labelled = product_names(session), labelled_questions(session)
            texts = [view.embedding_sha256 for view in views]
            asked = [pair.question_sha256 for pair in pairs]
            cached = get_embeddings(session, fingerprint, list({*texts, *asked}))
        late = sorted({view.document_id for view in views if view.embedding_sha256 not in cached})
        if late:  # they came after the first look; more may come, and are left to the next build
            for begin in range(0, len(late), LOOKUP_SIZE):
                some = late[begin : begin + LOOKUP_SIZE]
                embed_missing(database, encoder, report=report, documents=some)
            with database.reading() as session:
                wanted = [digest for digest in {*texts, *asked} if digest not in cached]
                cached |= get_embeddings(session, fingerprint, wanted)
        if all(digest in cached for digest in (*texts, *asked)):
            return Snapshot(
                corpus_sha256=corpus,
                entries=[_entry(view) for view in views],
                vectors=_as_rows(cached, texts, encoder.dimension),
                questions=[
                    IndexedQuestion(pair_id=one.id, question=one.question, passage_ids=one.passage_ids)
                    for one in pairs
                ],
                question_vectors=_as_rows(cached, asked, encoder.dimension),
                products=ProductSnapshot(
                    names=names,
                    labelled=labelled,
                    labelled_vectors=question_vectors(
                        database, encoder, [question for question, _ in labelled]
                    ),
                    paired=[one.product_id if one.split == "train" else None for one in pairs],
                ),
            )
    raise CorpusKeepsChanging("documents change faster than they are embedded; build the index again later")


def learn_snapshot_products(
    snapshot: Snapshot, vectors: VectorIndex, words: WordIndex
) -> ProductModel | None:
    """What documents, labelled questions and pairs tell of products; see `finetune.products`."""
    ids, numbers = number_products([entry.product_id for entry in snapshot.entries])
    if len(ids) < 2:  # noqa: PLR2004 - one product is no choice
        return None
    from finetune.product_examples import ProductPassages, ProductQuestions, as_labels  # noqa: PLC0415
    from finetune.products import learn_products  # noqa: PLC0415 - loads scikit-learn

    products = snapshot.products
    taught = [row for row, product in enumerate(products.paired) if product in ids]
    return learn_products(
        vectors,
        words,
        product_ids=ids,
        names=products.names,
        passages=ProductPassages(
            texts=[entry.text for entry in snapshot.entries],
            documents=[entry.document_id for entry in snapshot.entries],
            numbers=numbers,
            vectors=snapshot.vectors,
        ),
        labelled=ProductQuestions(
            texts=[question for question, _ in products.labelled],
            labels=as_labels([about for _, about in products.labelled], ids),
            vectors=products.labelled_vectors,
        ),
        paired=ProductQuestions(
            texts=[snapshot.questions[row].question for row in taught],
            labels=as_labels([[products.paired[row]] for row in taught], ids),
            vectors=snapshot.question_vectors[taught],
        ),
        seed=PRODUCTS_SEED,
    )


def _as_rows(cached: Mapping[str, bytes], digests: Sequence[str], dimension: int) -> Vectors:
    vectors = np.empty((len(digests), dimension), dtype=np.float32)
    for row, digest in enumerate(digests):
        vectors[row] = np.frombuffer(cached[digest], dtype="<f4")
    return vectors


def _entry(view: PassageView) -> IndexEntry:
    return IndexEntry(
        passage_id=view.id,
        document_id=view.document_id,
        product_id=view.product_id,
        text=contextual_text(view.title, view.heading_path, view.text),
    )

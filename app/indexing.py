"""From stored passages to a live index version."""

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.db.indexes import (
    IndexView,
    corpus_sha256,
    forget_indexes,
    list_indexes,
    live_index,
    make_live,
)
from app.db.pair_evidence import searched_pairs
from app.db.passages import PassageView, get_embeddings, live_passages
from app.db.products import labelled_questions, product_names
from app.db.session import Database
from app.db.tables import new_id
from app.ingesting import embed_missing
from app.observability import logger
from app.qa.questions import embed_questions, question_vectors
from app.settings import Settings
from ingest.passages import contextual_text
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.errors import RetrieverError
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.manifest import read_manifest
from retriever.products import ProductModel, number_products
from retriever.questions import IndexedQuestion
from retriever.vectors import VectorIndex
from retriever.verification import verify_index
from retriever.words import WordIndex

KNOWN_QUERIES = 20  # passages, and questions, that must find themselves before the pointer moves
SNAPSHOT_ATTEMPTS = 5
PRODUCTS_SEED = 0

T = TypeVar("T")

_building = (
    threading.Lock()
)  # builds of one process follow each other, so that waiting ones find nothing to do


class CorpusKeepsChanging(Exception):
    """Documents arrive faster than they can be embedded; the next build takes them in."""


def build_live_index(
    database: Database,
    settings: Settings,
    encoder: Encoder,
    *,
    report: Callable[[str, int, int], None],
    now: Callable[[], datetime],
) -> str:
    """Bring the live index up to date with the live documents, or find that it is.

    A new version is written to a directory of its own, opened with its checksums verified, asked known
    queries, and only then made live. A build that fails changes nothing.

    Returns:
        The id of the index version that is live now.
    """
    with _building:
        current = _current(database, settings, encoder)
        if current is not None:
            return current
        index_id, began = new_id("idx"), now()
        _remove_leftovers(database, settings)
        embed_missing(database, encoder, report=lambda done, total: report("embedding", done, total))
        snapshot = _snapshot(database, encoder)
        report("indexing", 0, 1)
        directory = settings.indexes_folder / index_id
        manifest = build_index(
            directory,
            snapshot.entries,
            snapshot.vectors,
            questions=snapshot.questions,
            question_vectors=snapshot.question_vectors,
            encoder_fingerprint=encoder.fingerprint,
            dimension=encoder.dimension,
            created_at=began,  # documents deleted from here on are hidden until the next build
            learn_products=partial(_learn_products, snapshot),
        )
        try:
            _verify(directory, encoder, snapshot)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        view = IndexView(
            id=index_id,
            created_at=manifest.created_at,
            corpus_sha256=snapshot.corpus_sha256,
            encoder=encoder.fingerprint,
            passages=manifest.passages,
            documents=manifest.documents,
            pairs=manifest.questions,
            live=True,
        )
        with database.writing() as session:
            make_live(session, view)
            gone = forget_indexes(session, kept=settings.kept_indexes)
        for old in gone:
            shutil.rmtree(settings.indexes_folder / old, ignore_errors=True)
        report("indexing", 1, 1)
        logger().info("index_built", index_version=index_id, passages=view.passages, documents=view.documents)
        return index_id


def _remove_leftovers(database: Database, settings: Settings) -> None:
    """Remove what builds that were killed left in the folder of indexes."""
    with database.reading() as session:
        recorded = {index.id for index in list_indexes(session)}
    for path in settings.indexes_folder.glob("*"):
        if path.name not in recorded:
            shutil.rmtree(path, ignore_errors=True)


def _current(database: Database, settings: Settings, encoder: Encoder) -> str | None:
    """The live index version, if it is of this encoder and of the documents as they are now."""
    with database.reading() as session:
        live = live_index(session)
        if live is None or live.encoder != encoder.fingerprint:
            return None
        same = live.corpus_sha256 == corpus_sha256(session)
    return live.id if same and _is_readable(settings.indexes_folder / live.id) else None


def _is_readable(directory: Path) -> bool:
    """Whether an index is there in a form that this program reads; `doctor` looks at its files."""
    try:
        read_manifest(directory)
    except RetrieverError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ProductSnapshot:
    """What products are learnt from, beside the passages."""

    names: dict[str, tuple[str, ...]]
    labelled: list[tuple[str, tuple[str, ...]]]  # questions with the ids of their products
    labelled_vectors: Vectors  # (labelled, dimension)
    paired: list[str | None]  # of each question of a pair the product; None also where it is held out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Snapshot:
    """What an index is built from, as it was at one moment."""

    corpus_sha256: str
    entries: list[IndexEntry]
    vectors: Vectors  # (entries, dimension)
    questions: list[IndexedQuestion]
    question_vectors: Vectors  # (questions, dimension)
    products: _ProductSnapshot


def build_index_without(database: Database, encoder: Encoder, split: str | None, directory: Path) -> Index:
    """An index of everything but the pairs of one split, to measure with these.

    Args:
        database: The database.
        encoder: What embeds.
        split: ``dev`` or ``test``; None leaves nothing out.
        directory: A place that does not exist yet.
    """
    snapshot = _snapshot(database, encoder, without=split)
    build_index(
        directory,
        snapshot.entries,
        snapshot.vectors,
        questions=snapshot.questions,
        question_vectors=snapshot.question_vectors,
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=datetime.now(UTC),
        learn_products=partial(_learn_products, snapshot),
    )
    return open_index(directory, encoder_fingerprint=encoder.fingerprint)


def _snapshot(database: Database, encoder: Encoder, *, without: str | None = None) -> _Snapshot:
    """The corpus at one moment, with a vector for every passage and for every question.

    Args:
        database: The database.
        encoder: What embeds.
        without: A split whose pairs are left out.
    """
    fingerprint = encoder.fingerprint
    for _ in range(SNAPSHOT_ATTEMPTS):
        embed_missing(database, encoder, report=lambda _done, _total: None)
        embed_questions(database, encoder)
        with database.reading() as session:
            corpus = corpus_sha256(session)
            views = list(live_passages(session))
            pairs = [pair for pair in searched_pairs(session) if pair.split != without]
            names, labelled = product_names(session), labelled_questions(session)
            texts = [view.embedding_sha256 for view in views]
            asked = [pair.question_sha256 for pair in pairs]
            cached = get_embeddings(session, fingerprint, list({*texts, *asked}))
        if all(digest in cached for digest in (*texts, *asked)):
            return _Snapshot(
                corpus_sha256=corpus,
                entries=[_entry(view) for view in views],
                vectors=_as_rows(cached, texts, encoder.dimension),
                questions=[
                    IndexedQuestion(pair_id=one.id, question=one.question, passage_ids=one.passage_ids)
                    for one in pairs
                ],
                question_vectors=_as_rows(cached, asked, encoder.dimension),
                products=_ProductSnapshot(
                    names=names,
                    labelled=labelled,
                    labelled_vectors=question_vectors(
                        database, encoder, [question for question, _ in labelled]
                    ),
                    paired=[one.product_id if one.split == "train" else None for one in pairs],
                ),
            )
    raise CorpusKeepsChanging("documents arrive faster than they are embedded; the next build takes them in")


def _learn_products(snapshot: _Snapshot, vectors: VectorIndex, words: WordIndex) -> ProductModel | None:
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


def _verify(directory: Path, encoder: Encoder, snapshot: _Snapshot) -> Index:
    index = open_index(directory, encoder_fingerprint=encoder.fingerprint)
    verify_index(index, encoder, _sample(snapshot.entries), questions=_sample(snapshot.questions))
    return index


def _sample(known: Sequence[T]) -> Sequence[T]:
    """Some of all, spread evenly."""
    return known[:: max(1, len(known) // KNOWN_QUERIES)][:KNOWN_QUERIES]

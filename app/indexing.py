"""From stored passages to a live index version."""

import shutil
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from app.db.indexes import IndexView, forget_indexes, list_indexes, live_index, make_live
from app.db.passages import PassageView, corpus_sha256, get_embeddings, live_passages
from app.db.session import Database
from app.db.tables import new_id
from app.ingesting import embed_missing
from app.observability import logger
from app.settings import Settings
from ingest.passages import contextual_text
from retriever.encoder import Encoder
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.verification import verify_index

VERIFIED_PASSAGES = 20  # known queries: passages that must find themselves before the pointer moves
SNAPSHOT_ATTEMPTS = 5

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
        corpus, entries, vectors = _snapshot(database, encoder)
        report("indexing", 0, 1)
        directory = settings.indexes_folder / index_id
        manifest = build_index(
            directory,
            entries,
            vectors,
            encoder_fingerprint=encoder.fingerprint,
            dimension=encoder.dimension,
            created_at=began,  # documents deleted from here on are hidden until the next build
        )
        try:
            _verify(directory, encoder, entries)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        view = IndexView(
            id=index_id,
            created_at=manifest.created_at,
            corpus_sha256=corpus,
            encoder=encoder.fingerprint,
            passages=manifest.passages,
            documents=manifest.documents,
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
    return live.id if same and (settings.indexes_folder / live.id).is_dir() else None


def _snapshot(database: Database, encoder: Encoder) -> tuple[str, list[IndexEntry], np.ndarray]:
    """The corpus at one moment, with a vector for every passage."""
    for _ in range(SNAPSHOT_ATTEMPTS):
        with database.reading() as session:
            corpus = corpus_sha256(session)
            views = list(live_passages(session))
            cached = get_embeddings(session, encoder.fingerprint, list({v.embedding_sha256 for v in views}))
        if all(view.embedding_sha256 in cached for view in views):
            vectors = np.empty((len(views), encoder.dimension), dtype=np.float32)
            for row, view in enumerate(views):
                vectors[row] = np.frombuffer(cached[view.embedding_sha256], dtype="<f4")
            return corpus, [_entry(view) for view in views], vectors
        embed_missing(database, encoder, report=lambda _done, _total: None)
    raise CorpusKeepsChanging("documents arrive faster than they are embedded; the next build takes them in")


def _entry(view: PassageView) -> IndexEntry:
    return IndexEntry(
        passage_id=view.id,
        document_id=view.document_id,
        product_id=view.product_id,
        text=contextual_text(view.title, view.heading_path, view.text),
    )


def _verify(directory: Path, encoder: Encoder, entries: list[IndexEntry]) -> Index:
    index = open_index(directory, encoder_fingerprint=encoder.fingerprint)
    step = max(1, len(entries) // VERIFIED_PASSAGES)
    verify_index(index, encoder, entries[::step][:VERIFIED_PASSAGES])
    return index

"""From stored passages to an index version, live or to be."""

import fcntl
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.db.indexes import (
    IndexView,
    add_index,
    corpus_sha256,
    forget_indexes,
    list_indexes,
    live_index,
    make_live,
    newest_index,
)
from app.db.releases import kept_vectors, live_vectors
from app.db.session import Database
from app.db.tables import new_id
from app.observability import logger
from app.settings import Settings
from app.snapshots import Snapshot, learn_snapshot_products, take_snapshot
from retriever.encoder import Encoder
from retriever.errors import RetrieverError
from retriever.index import Index, build_index, open_index
from retriever.manifest import check_files, read_manifest
from retriever.verification import verify_index

KNOWN_QUERIES = 20  # passages, and questions, that must find themselves before the pointer moves

Report = Callable[[str, int, int], None]
T = TypeVar("T")

_building = (
    threading.Lock()
)  # builds of one process follow each other, so that waiting ones find nothing to do


class ReleaseMoved(Exception):
    """The live release has another encoder than the index that was to become live."""

    def __init__(self) -> None:
        super().__init__(
            "another release is live by now, whose encoder is another; nothing has changed. Do it again, "
            "and it is done with the live one"
        )


def build_live_index(
    database: Database,
    settings: Settings,
    encoder: Encoder,
    *,
    report: Report,
    now: Callable[[], datetime],
) -> str:
    """Bring the live index up to date with the live documents, or find that it is.

    A new version is written to a directory of its own, opened with its checksums verified, asked known
    queries, and only then made live. A build that fails changes nothing.

    Returns:
        The id of the index version that is live now.

    Raises:
        ReleaseMoved: If a release with another encoder is live.
    """
    with one_build(settings):
        with database.reading() as session:
            _check_release(live_vectors(session), encoder)
            current = _if_current(live_index(session), corpus_sha256(session), settings, encoder)
        if current is not None:
            return current.id
        view = _build(database, settings, encoder, report=report, began=now())
        try:
            with database.writing() as session:
                _check_release(live_vectors(session, lock=True), encoder)
                add_index(session, view)
                make_live(session, view.id)
                gone = forget_indexes(session, kept=settings.kept_indexes, needed=kept_vectors(session))
        except ReleaseMoved:
            shutil.rmtree(settings.indexes_folder / view.id, ignore_errors=True)
            raise
        for old in gone:
            shutil.rmtree(settings.indexes_folder / old, ignore_errors=True)
        report("indexing", 1, 1)
        return view.id


def build_release_index(
    database: Database,
    settings: Settings,
    encoder: Encoder,
    *,
    report: Report,
    now: Callable[[], datetime],
) -> IndexView:
    """An index version of an encoder that is up to date with the live documents, built if there is none.

    Searches do not use it. Verified as in `build_live_index`.
    """
    with one_build(settings):
        with database.reading() as session:
            newest = newest_index(session, encoder.fingerprint)
            current = _if_current(newest, corpus_sha256(session), settings, encoder)
        if current is not None:
            return current
        view = _build(database, settings, encoder, report=report, began=now())
        with database.writing() as session:
            add_index(session, view)
        report("indexing", 1, 1)
        return view


@contextmanager
def one_build(settings: Settings) -> Iterator[None]:
    """One build at a time in a home, whichever process makes it: each removes what others left."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with _building, (settings.home / "indexes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_release(vectors: str | None, encoder: Encoder) -> None:
    if vectors is not None and vectors != encoder.fingerprint:
        raise ReleaseMoved


def _build(
    database: Database, settings: Settings, encoder: Encoder, *, report: Report, began: datetime
) -> IndexView:
    """Write and verify an index version; it is not recorded yet."""
    index_id = new_id("idx")
    _remove_leftovers(database, settings)
    snapshot = take_snapshot(database, encoder, report=lambda done, total: report("embedding", done, total))
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
        learn_products=partial(learn_snapshot_products, snapshot),
    )
    try:
        _verify(directory, encoder, snapshot)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    logger().info(
        "index_built", index_version=index_id, passages=manifest.passages, documents=manifest.documents
    )
    return IndexView(
        id=index_id,
        created_at=manifest.created_at,
        corpus_sha256=snapshot.corpus_sha256,
        encoder=encoder.fingerprint,
        passages=manifest.passages,
        documents=manifest.documents,
        pairs=manifest.questions,
        live=False,
    )


def _remove_leftovers(database: Database, settings: Settings) -> None:
    """Remove what builds that were killed left in the folder of indexes."""
    with database.reading() as session:
        recorded = {index.id for index in list_indexes(session)}
    for path in settings.indexes_folder.glob("*"):
        if path.name not in recorded:
            shutil.rmtree(path, ignore_errors=True)


def _if_current(
    index: IndexView | None, corpus: str, settings: Settings, encoder: Encoder
) -> IndexView | None:
    """An index version, if it is of this encoder and of the documents as they are now."""
    if index is None or index.encoder != encoder.fingerprint or index.corpus_sha256 != corpus:
        return None
    return index if is_whole(settings, index) else None


def is_whole(settings: Settings, index: IndexView) -> bool:
    """Whether an index version is there in a form that this program reads, and every byte as it was built."""
    directory = settings.indexes_folder / index.id
    try:
        manifest = read_manifest(directory)
        check_files(directory, manifest)
    except RetrieverError:
        return False
    return manifest.created_at == index.created_at and manifest.encoder_fingerprint == index.encoder


def build_index_without(database: Database, encoder: Encoder, split: str | None, directory: Path) -> Index:
    """An index of everything but the pairs of one split, to measure with these.

    Args:
        database: The database.
        encoder: What embeds.
        split: ``dev`` or ``test``; None leaves nothing out.
        directory: A place that does not exist yet.
    """
    snapshot = take_snapshot(database, encoder, without=split)
    build_index(
        directory,
        snapshot.entries,
        snapshot.vectors,
        questions=snapshot.questions,
        question_vectors=snapshot.question_vectors,
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=datetime.now(UTC),
        learn_products=partial(learn_snapshot_products, snapshot),
    )
    return open_index(directory, encoder_fingerprint=encoder.fingerprint)


def _verify(directory: Path, encoder: Encoder, snapshot: Snapshot) -> Index:
    index = open_index(directory, encoder_fingerprint=encoder.fingerprint)
    verify_index(index, encoder, _sample(snapshot.entries), questions=_sample(snapshot.questions))
    return index


def _sample(known: Sequence[T]) -> Sequence[T]:
    """Some of all, spread evenly."""
    return known[:: max(1, len(known) // KNOWN_QUERIES)][:KNOWN_QUERIES]

"""From stored passages to cached vectors."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from app.db.documents import lock_live
from app.db.passages import (
    LOOKUP_SIZE,
    add_embeddings,
    count_missing_embeddings,
    get_passages,
    missing_embeddings,
)
from app.db.session import Database, claims
from ingest.passages import contextual_text
from retriever.encoder import Encoder

EMBEDDED_AT_ONCE = 512  # texts between two commits: enough to sort by length, seconds to redo after a kill
WAITING_SECONDS = 1.0  # between two looks at what other processes are at
PATIENCE_SECONDS = 120.0  # without an embedding of theirs, after which they are taken for gone

_embedding = threading.Lock()  # two jobs of a process must not embed the same texts


def embed_missing(
    database: Database,
    encoder: Encoder,
    *,
    report: Callable[[int, int], None],
    documents: Sequence[str] | None = None,
    at_once: int = EMBEDDED_AT_ONCE,
) -> int:
    """Embed every text of a live passage that has no cached vector of this encoder at this moment.

    Commits every ``at_once`` texts, so that a killed run goes on where it was. What another process is at is
    left to it and waited for, unless nothing of it comes for long; what none has begun is shared.

    Args:
        database: The database.
        encoder: What embeds.
        report: Told how many of these texts have a vector, and their number in all; also while waiting. What
            it raises ends the call.
        documents: Only passages of these, at most `app.db.passages.LOOKUP_SIZE`; None for all.
        at_once: Texts between two commits.

    Returns:
        How many texts this call embedded.
    """
    embedded, left, last_change = 0, _count(database, encoder, documents), time.monotonic()
    total = sum(left.values())
    given_up = set[str]()  # what others are at, who may be gone
    while left:
        total = max(total, sum(left.values()))
        report(total - sum(left.values()), total)
        if time.monotonic() - last_change > PATIENCE_SECONDS:
            given_up |= set(left)
        with _embedding, claims(database.engine) as take:
            ours = _choose(left, given_up, take, encoder, at_once)
            now = _embed(database, encoder, ours, at_once) if ours else 0
        found = _count(database, encoder, documents)
        still = {document: found[document] for document in left if document in found}
        if now or sum(still.values()) < sum(left.values()):
            last_change = time.monotonic()
        elif ours:  # what can't be embedded stays missing, and is waited for by nobody
            still = {document: count for document, count in still.items() if document not in ours}
        else:
            time.sleep(WAITING_SECONDS)
        embedded, left = embedded + now, still
    report(total, total)
    return embedded


def _count(database: Database, encoder: Encoder, documents: Sequence[str] | None) -> dict[str, int]:
    with database.reading() as session:
        return count_missing_embeddings(session, encoder.fingerprint, documents)


def _choose(
    missing: Mapping[str, int],
    given_up: Collection[str],
    take: Callable[[str], bool],
    encoder: Encoder,
    at_once: int,
) -> list[str]:
    """Documents for one batch that no other process is at, or one that is given up."""
    ours: list[str] = []
    texts = 0
    for document, count in missing.items():
        if texts >= at_once or len(ours) == LOOKUP_SIZE:
            break
        if document in given_up or take(f"embed/{encoder.fingerprint}/{document}"):
            ours.append(document)
            texts += count
    return ours


def _embed(database: Database, encoder: Encoder, documents: Sequence[str], at_once: int) -> int:
    """Embed texts of some documents that have no vector now; how many."""
    with database.reading() as session:
        ids = missing_embeddings(session, encoder.fingerprint, documents, limit=at_once)
        views = list(get_passages(session, ids).values())
    texts = [contextual_text(view.title, view.heading_path, view.text) for view in views]
    vectors = encoder.encode_passages(texts)
    with database.writing() as session:
        kept = lock_live(session, {view.document_id for view in views})
        cached = {
            view.embedding_sha256: np.ascontiguousarray(vector, dtype="<f4").tobytes()
            for view, vector in zip(views, vectors, strict=True)
            if view.document_id in kept
        }
        add_embeddings(session, encoder.fingerprint, cached)
    return len(views)

"""From stored passages to cached vectors."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from app.db.documents import lock_live
from app.db.passages import (
    LOOKUP_SIZE,
    add_embeddings,
    count_missing_by_document,
    count_missing_embeddings,
    get_passages,
    missing_embeddings,
)
from app.db.session import Database, claims
from ingest.passages import contextual_text
from retriever.encoder import Encoder

EMBEDDED_AT_ONCE = 1024  # texts between two commits: enough to sort by length, seconds to redo after a kill

WAITING_SECONDS = 0.2  # between two looks at what other processes are still at

_embedding = threading.Lock()  # two jobs of a process must not embed the same texts


def embed_missing(
    database: Database,
    encoder: Encoder,
    *,
    report: Callable[[int, int], None],
    documents: Sequence[str] | None = None,
    at_once: int = EMBEDDED_AT_ONCE,
) -> int:
    """Embed every text of a live passage that has no cached vector of this encoder.

    Commits every ``at_once`` texts, so that a killed run goes on where it was. What other processes are at
    is left to them and waited for; what they have not begun is shared.

    Args:
        database: The database.
        encoder: What embeds.
        report: Told the texts embedded so far and their number in all.
        documents: Only passages of these, at most `app.db.passages.LOOKUP_SIZE`; None for all.
        at_once: Texts between two commits.

    Returns:
        How many texts this call embedded.
    """
    with _embedding:
        with database.reading() as session:
            total = count_missing_embeddings(session, encoder.fingerprint, documents)
        done, left = 0, total
        while left:
            report(total - left, total)
            embedded = _embed_some(database, encoder, documents, at_once)
            done += embedded
            if not embedded:
                time.sleep(WAITING_SECONDS)
            with database.reading() as session:
                left = count_missing_embeddings(session, encoder.fingerprint, documents)
            total = max(total, left)
        report(total, total)
        return done


def _embed_some(database: Database, encoder: Encoder, documents: Sequence[str] | None, at_once: int) -> int:
    """Embed texts of documents that no other process is at; how many."""
    with claims(database.engine) as take:
        with database.reading() as session:
            missing = count_missing_by_document(session, encoder.fingerprint, documents)
        ours: list[str] = []
        texts = 0
        for document, count in missing.items():
            if texts >= at_once or len(ours) == LOOKUP_SIZE:
                break
            if take(f"embed/{encoder.fingerprint}/{document}"):
                ours.append(document)
                texts += count
        with database.reading() as session:  # without what was embedded before these were ours
            ids = missing_embeddings(session, encoder.fingerprint, ours, limit=at_once)
            views = list(get_passages(session, ids).values())
        vectors = encoder.encode_passages(
            [contextual_text(view.title, view.heading_path, view.text) for view in views]
        )
        with database.writing() as session:
            kept = lock_live(session, {view.document_id for view in views})
            cached = {
                view.embedding_sha256: np.ascontiguousarray(vector, dtype="<f4").tobytes()
                for view, vector in zip(views, vectors, strict=True)
                if view.document_id in kept
            }
            add_embeddings(session, encoder.fingerprint, cached)
        return len(views)

"""Which index versions there are, and which one searches use."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.db.pair_evidence import searched_pairs
from app.db.passages import LIVE_PASSAGE
from app.db.products import labelled_questions
from app.db.tables import Document, IndexVersion, Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexView:
    """An index version as the API shows it."""

    id: str
    created_at: datetime
    corpus_sha256: str
    encoder: str
    passages: int
    documents: int
    pairs: int
    live: bool


def _view(row: IndexVersion) -> IndexView:
    return IndexView(
        id=row.id,
        created_at=row.created_at,
        corpus_sha256=row.corpus_sha256,
        encoder=row.encoder,
        passages=row.passages,
        documents=row.documents,
        pairs=row.pairs,
        live=row.live,
    )


def corpus_sha256(session: Session) -> str:
    """A checksum over what an index is built from: live passages, approved pairs, labelled questions."""
    digest = hashlib.sha256()
    passages = session.execute(
        select(Passage.id, Passage.embedding_sha256, Document.product_id)
        .join(Document, LIVE_PASSAGE)
        .order_by(Passage.id)
    )
    for row in passages:
        digest.update(f"{row[0]} {row[1]} {row[2]}\n".encode())
    for pair in searched_pairs(session):
        digest.update(f"{pair.id} {pair.changed_at} {' '.join(pair.passage_ids)}\n".encode())
    for question, products in labelled_questions(session):
        digest.update(f"{question} {' '.join(products)}\n".encode())
    return digest.hexdigest()


def live_index(session: Session) -> IndexView | None:
    """The index version that searches use, or None before the first build."""
    row = session.scalar(select(IndexVersion).where(IndexVersion.live))
    return None if row is None else _view(row)


def list_indexes(session: Session) -> list[IndexView]:
    """Every index version whose directory is kept, newest first."""
    rows = session.scalars(select(IndexVersion).order_by(IndexVersion.created_at.desc(), IndexVersion.id))
    return [_view(row) for row in rows]


def make_live(session: Session, index: IndexView) -> None:
    """Record a built index version and move the pointer to it."""
    session.execute(update(IndexVersion).where(IndexVersion.live).values(live=False))
    row = session.get(IndexVersion, index.id)
    if row is not None:
        row.live = True
        return
    session.add(
        IndexVersion(
            id=index.id,
            created_at=index.created_at,
            corpus_sha256=index.corpus_sha256,
            encoder=index.encoder,
            passages=index.passages,
            documents=index.documents,
            pairs=index.pairs,
            live=True,
        )
    )


def forget_indexes(session: Session, *, kept: int) -> list[str]:
    """Remove the records of all but the live and the newest ``kept`` others; their ids."""
    rows = session.scalars(
        select(IndexVersion)
        .where(IndexVersion.live.is_(False))
        .order_by(IndexVersion.created_at.desc())
        .offset(kept)
    ).all()
    ids = [row.id for row in rows]
    session.execute(delete(IndexVersion).where(IndexVersion.id.in_(ids)))
    return ids

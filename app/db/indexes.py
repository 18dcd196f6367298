"""Which index versions there are, and which one searches use."""

import hashlib
from collections.abc import Collection
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


def newest_index(session: Session, encoder: str) -> IndexView | None:
    """The newest index version of an encoder, or None if none is kept."""
    row = session.scalars(
        select(IndexVersion)
        .where(IndexVersion.encoder == encoder)
        .order_by(IndexVersion.created_at.desc(), IndexVersion.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else _view(row)


def add_index(session: Session, index: IndexView) -> None:
    """Record an index version that was built; searches do not use it yet."""
    session.add(
        IndexVersion(
            id=index.id,
            created_at=index.created_at,
            corpus_sha256=index.corpus_sha256,
            encoder=index.encoder,
            passages=index.passages,
            documents=index.documents,
            pairs=index.pairs,
            live=False,
        )
    )


def make_live(session: Session, index_id: str) -> None:
    """Move the pointer to a recorded index version."""
    session.execute(update(IndexVersion).where(IndexVersion.live).values(live=False))
    session.flush()
    session.get_one(IndexVersion, index_id).live = True


def forget_indexes(session: Session, *, kept: int, needed: Collection[str] = ()) -> list[str]:
    """Remove the records of all but the live, the newest ``kept`` others, and what releases need; their ids.

    Args:
        session: In a transaction for writing.
        kept: How many beside the live one.
        needed: Encoders whose newest index version stays.
    """
    rows = session.scalars(
        select(IndexVersion).order_by(IndexVersion.created_at.desc(), IndexVersion.id)
    ).all()
    newest = {row.encoder: row.id for row in reversed(rows)}
    others = [row.id for row in rows if not row.live][kept:]
    ids = [one for one in others if one not in {newest[name] for name in needed if name in newest}]
    session.execute(delete(IndexVersion).where(IndexVersion.id.in_(ids)))
    return ids


def forget_index(session: Session, index_id: str) -> bool:
    """Remove the record of an index version, if there is one; False if it is live, and stays."""
    live = session.scalar(select(IndexVersion.live).where(IndexVersion.id == index_id).with_for_update())
    if live:
        return False
    session.execute(delete(IndexVersion).where(IndexVersion.id == index_id))
    return True

"""What the compiler of pairs has done already, so that a stopped build goes on where it was."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, cast, exists, select
from sqlalchemy.orm import Session

from app.db.tables import Document, DocumentVersion, Passage, QAWork


def mark_done(session: Session, maker: str, subjects: Sequence[str]) -> None:
    """Record that a maker has looked at these subjects; safe to repeat."""
    known = set(
        session.scalars(select(QAWork.subject).where(QAWork.maker == maker, QAWork.subject.in_(subjects)))
    )
    session.add_all(
        QAWork(maker=maker, subject=subject) for subject in dict.fromkeys(subjects) if subject not in known
    )


def version_subject(document_id: str, version: int) -> str:
    """The name of a document version as a subject."""
    return f"{document_id}/{version}"


def unread_versions(session: Session, maker: str) -> list[tuple[str, int]]:
    """Live documents' current versions that a maker has not looked at, by document."""
    subject = DocumentVersion.document_id + "/" + cast(DocumentVersion.version, String)
    done = exists().where(QAWork.maker == maker, QAWork.subject == subject)
    rows = session.execute(
        select(DocumentVersion.document_id, DocumentVersion.version)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(Document.deleted_at.is_(None), DocumentVersion.version == Document.current_version, ~done)
        .order_by(DocumentVersion.document_id)
    )
    return [(row.document_id, row.version) for row in rows]


def passage_done(maker: str) -> ColumnElement[bool]:
    """Whether a maker has looked at the text of a passage."""
    return exists().where(QAWork.maker == maker, QAWork.subject == Passage.embedding_sha256)

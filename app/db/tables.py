"""Tables as typed classes. Migrations in ``alembic/`` make them; these describe them."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """A point in time, always with the zone UTC, also on SQLite which keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """With its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def new_id(prefix: str) -> str:
    """An opaque identifier that is unique everywhere, for instance ``doc_3f2a...``."""
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(naming_convention=NAMING)


class Product(Base):
    """A product that documents belong to and questions are about."""

    __tablename__ = "products"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    aliases: Mapped[list[str]] = mapped_column(JSON, default=list)


class Document(Base):
    """One thing uploaded or synced. Its text is that of its current version.

    ``source_id`` is the source whose syncs update and remove it, or null for one that was uploaded.
    """

    __tablename__ = "documents"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    uri: Mapped[str] = mapped_column(Text)
    source_id: Mapped[str | None] = mapped_column(String(40), index=True)
    product_id: Mapped[str | None] = mapped_column(ForeignKey("products.id"), index=True)
    current_version: Mapped[int | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment, index=True)


class DocumentVersion(Base):
    """The bytes of a document at one time, and the text that was read from them.

    ``state`` is ``pending`` until it was parsed, then ``ready`` or ``failed``; a failed version never
    becomes current, so a broken upload does not take the good version out of search. ``cut`` names the
    tokenizer and sizes that its passages were cut with. A version's text never changes: reading the same
    bytes anew makes a new version, so that citations of the old one stay true.
    """

    __tablename__ = "document_versions"
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    given_title: Mapped[str | None] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column()
    state: Mapped[str] = mapped_column(String(10), index=True)
    error: Mapped[str | None] = mapped_column(Text)
    media_type: Mapped[str | None] = mapped_column(String(100))
    title: Mapped[str | None] = mapped_column(Text)
    cut: Mapped[str | None] = mapped_column(String(80))
    text: Mapped[str | None] = mapped_column(Text, deferred=True)
    minhash: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Passage(Base):
    """A cut of a document version; its text is ``text[start:end]`` of that version."""

    __tablename__ = "passages"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(40))
    version: Mapped[int] = mapped_column()
    ordinal: Mapped[int] = mapped_column()
    heading_path: Mapped[list[str]] = mapped_column(JSON)
    page: Mapped[int | None] = mapped_column()
    seconds_start: Mapped[float | None] = mapped_column()
    seconds_end: Mapped[float | None] = mapped_column()
    start: Mapped[int] = mapped_column()
    end: Mapped[int] = mapped_column()
    embedding_sha256: Mapped[str] = mapped_column(String(64), index=True)
    __table_args__ = (UniqueConstraint("document_id", "version", "ordinal"),)


class NearDuplicate(Base):
    """Two documents with nearly the same text; both are kept, and the pair is reported."""

    __tablename__ = "near_duplicates"
    first_id: Mapped[str] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    second_id: Mapped[str] = mapped_column(ForeignKey("documents.id"), primary_key=True, index=True)
    similarity: Mapped[float] = mapped_column()


class Embedding(Base):
    """A cached vector: float32, little-endian, of one text by one encoder."""

    __tablename__ = "embeddings"
    encoder: Mapped[str] = mapped_column(String(64), primary_key=True)
    text_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class IndexVersion(Base):
    """An index directory that was built, and whether searches use it."""

    __tablename__ = "index_versions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    corpus_sha256: Mapped[str] = mapped_column(String(64))
    encoder: Mapped[str] = mapped_column(String(64))
    passages: Mapped[int] = mapped_column()
    documents: Mapped[int] = mapped_column()
    pairs: Mapped[int] = mapped_column(default=0, server_default="0")
    live: Mapped[bool] = mapped_column(index=True)


class QAPair(Base):
    """A question with its answer; what the answer rests on is in `QAEvidence`.

    ``status`` is one of `app.db.pair_drafts.PairStatus`. ``key`` names question, answer, origin and first
    document as they were found, so that finding a pair again finds this row. ``approved_at`` is the first
    approval. ``changed_at`` moves with what search knows of a pair: its status, question and evidence.
    """

    __tablename__ = "qa_pairs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(String(12), index=True)
    method: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(10), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    scores: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    quality: Mapped[float | None] = mapped_column()
    weight: Mapped[float] = mapped_column()
    product_id: Mapped[str | None] = mapped_column(ForeignKey("products.id"), index=True)
    split: Mapped[str] = mapped_column(String(5))
    split_seed: Mapped[int] = mapped_column()
    duplicate_of: Mapped[str | None] = mapped_column(String(40), index=True)
    conflicts_with: Mapped[list[str]] = mapped_column(JSON, default=list)
    question_sha256: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    changed_at: Mapped[datetime] = mapped_column(Moment, index=True)
    approved_at: Mapped[datetime | None] = mapped_column(Moment)
    reviewed_at: Mapped[datetime | None] = mapped_column(Moment)
    reviewed_by: Mapped[str | None] = mapped_column(String(200))


class QAEvidence(Base):
    """A stretch of a document version that a pair's answer rests on."""

    __tablename__ = "qa_evidence"
    pair_id: Mapped[str] = mapped_column(ForeignKey("qa_pairs.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(String(40))
    version: Mapped[int] = mapped_column()
    start: Mapped[int] = mapped_column()
    end: Mapped[int] = mapped_column()
    seconds_start: Mapped[float | None] = mapped_column()
    seconds_end: Mapped[float | None] = mapped_column()
    __table_args__ = (Index("ix_qa_evidence_document_id_version", "document_id", "version"),)


class QAEvent(Base):
    """Something that a person or the service did to a pair, and what the pair was before."""

    __tablename__ = "qa_events"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    pair_id: Mapped[str] = mapped_column(ForeignKey("qa_pairs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Moment)
    by: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(20))
    before: Mapped[dict[str, Any]] = mapped_column(JSON)


class QAWork(Base):
    """What was done already while pairs are compiled, so that a stopped build goes on where it was.

    ``subject`` is what it was done to: a document version, or the sha256 of a passage's text. ``maker`` names
    what did it, version included: another extractor or generator looks again.
    """

    __tablename__ = "qa_work"
    maker: Mapped[str] = mapped_column(String(120), primary_key=True)
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)


class Search(Base):
    """A search as it was answered: what a later click is judged against.

    ``shown`` holds the ids of the passages, best first; the first was shown at position 1.
    """

    __tablename__ = "searches"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    question: Mapped[str] = mapped_column(Text)
    index_version: Mapped[str] = mapped_column(String(40))
    shown: Mapped[list[str]] = mapped_column(JSON)


class Interaction(Base):
    """What a reader did with a search or said of an answer: a click on a passage, or a thumb.

    Exactly one of ``search_id`` and ``answer_id`` is set. ``kind`` is ``click`` or ``thumb``. ``position``
    is the place from 1 at which ``passage_id`` was shown.
    """

    __tablename__ = "interactions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(5))
    search_id: Mapped[str | None] = mapped_column(ForeignKey("searches.id"), index=True)
    answer_id: Mapped[str | None] = mapped_column(ForeignKey("answers.id"), index=True)
    passage_id: Mapped[str | None] = mapped_column(String(40))
    position: Mapped[int | None] = mapped_column()
    thumb: Mapped[str | None] = mapped_column(String(4))
    comment: Mapped[str | None] = mapped_column(Text)


class ProductQuestion(Base):
    """A question that a person said the products of; what the product detector learns from.

    ``products`` holds product ids; a question may be about several, and about none of them.
    """

    __tablename__ = "product_questions"
    question_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    products: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)


class TrainingRun(Base):
    """A model that was tuned here, or is being tuned.

    ``kind`` is ``retriever`` or ``reranker``; ``state`` is ``running``, ``done`` or ``failed``. ``base`` is
    the fingerprint of the model that it began from and ``fingerprint`` that of what came out, whose files
    are in ``<home>/models/tuned/<id>``. ``report`` is its manifest: configuration, checksums of the inputs,
    counts and measures.
    """

    __tablename__ = "training_runs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(8))
    base: Mapped[str] = mapped_column(String(64))
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    report: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    error: Mapped[str | None] = mapped_column(Text)


class EvaluationRun(Base):
    """An evaluation as it was made: suite, what was evaluated, and the whole report with every question."""

    __tablename__ = "evaluation_runs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    suite: Mapped[str] = mapped_column(String(200), index=True)
    subject: Mapped[dict[str, Any]] = mapped_column(JSON)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)


class JobProgress(Base):
    """How far a job is within its stage, and its step under way; state and result are the job engine's."""

    __tablename__ = "job_progress"
    job_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    stage: Mapped[str] = mapped_column(String(20))
    done: Mapped[int] = mapped_column()
    total: Mapped[int] = mapped_column()
    step: Mapped[str | None] = mapped_column(String(40))
    step_began_at: Mapped[datetime | None] = mapped_column(Moment)


class JobLog(Base):
    """A line that a job logged: an event and its fields, never the text of a document."""

    __tablename__ = "job_log"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(String(40), index=True)
    at: Mapped[datetime] = mapped_column(Moment)
    level: Mapped[str] = mapped_column(String(10))
    event: Mapped[str] = mapped_column(String(80))
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)


class JobWorker(Base):
    """A process that runs jobs of a PostgreSQL database; ``seen_at`` is by the clock of the database."""

    __tablename__ = "job_workers"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    seen_at: Mapped[datetime] = mapped_column(Moment)


class Answer(Base):
    """The record of one answer.

    ``response`` is the answer as it was given, with the versions of what made it; ``asked`` holds what it
    takes to do it again: products, conversation, evidence, and the sentences that were dropped. ``products``
    holds the ids of the only products that it may rest on, sorted and joined by spaces; null for all.
    """

    __tablename__ = "answers"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    question: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10))
    response: Mapped[dict[str, Any]] = mapped_column(JSON)
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    products: Mapped[str | None] = mapped_column(Text)


class ApiKey(Base):
    """What a program or person shows to be let in; the token itself is not stored.

    ``prefix`` is the part of the token that lists show. ``role`` is one of `app.db.api_keys.Role`.
    ``products`` holds the ids of the only products that the key may see; null for all. Keys are revoked,
    never removed: a service that had a key once asks for one for ever.
    """

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(10))
    products: Mapped[list[str] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


class Release(Base):
    """What was, is or may become live: retriever, generator, prompt and thresholds together.

    ``state`` is one of `app.db.releases.ReleaseState`. Models are named as settings name them;
    ``*_weights`` are the fingerprints of their files, and ``vectors`` that of the encoder as it runs, which
    its indexes have. ``index_version`` is the index that it was made with; a newer one of the same
    ``vectors`` belongs to it as well. ``thresholds`` is all that decides an answer beside these.
    ``replaced`` is the release that was live before it was promoted.
    """

    __tablename__ = "releases"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    state: Mapped[str] = mapped_column(String(10))
    encoder: Mapped[str] = mapped_column(Text)
    encoder_weights: Mapped[str] = mapped_column(String(64))
    vectors: Mapped[str] = mapped_column(String(64))
    reranker: Mapped[str | None] = mapped_column(Text)
    reranker_weights: Mapped[str | None] = mapped_column(String(64))
    generator: Mapped[str] = mapped_column(Text)
    generator_weights: Mapped[str] = mapped_column(Text)
    prompt_version: Mapped[str] = mapped_column(String(20))
    index_version: Mapped[str] = mapped_column(String(40))
    thresholds: Mapped[dict[str, Any]] = mapped_column(JSON)
    training_runs: Mapped[list[str]] = mapped_column(JSON)
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    force_reason: Mapped[str | None] = mapped_column(Text)
    replaced: Mapped[str | None] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(Text)


class ReleaseEvent(Base):
    """What happened to a release; rows are only ever added."""

    __tablename__ = "release_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    release_id: Mapped[str] = mapped_column(ForeignKey("releases.id"), index=True)
    at: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(12))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)


class LiveRelease(Base):
    """The pointer to the release that is live: one row, in ``slot`` 1, which migrations make.

    While no release is, ``release_id`` is null, and settings say what answers.
    """

    __tablename__ = "live_release"
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    release_id: Mapped[str | None] = mapped_column(ForeignKey("releases.id"))


class Deletion(Base):
    """The receipt of a document's deletion; open while ``completed_at`` is null.

    ``places`` says of every place what was there and when it went, see `app.db.deletions.Place`.
    ``fingerprints`` is what it takes to look for the document again: ids and checksums, never text.
    ``learnt_by`` names the training runs that may have learnt from it.
    """

    __tablename__ = "deletions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(40), unique=True)
    requested_at: Mapped[datetime] = mapped_column(Moment)
    completed_at: Mapped[datetime | None] = mapped_column(Moment, index=True)
    places: Mapped[dict[str, Any]] = mapped_column(JSON)
    fingerprints: Mapped[dict[str, Any]] = mapped_column(JSON)
    learnt_by: Mapped[list[str]] = mapped_column(JSON)


class Source(Base):
    """A place that documents are synced from, and how its last sync went.

    ``kind`` is one of `app.sources.kinds.KINDS`; ``options`` are of that kind. ``schedule`` is a cron
    expression in the time zone ``zone``, or null. ``removal_share`` is the largest share of its documents
    that a sync may remove without asking. ``sync_*`` tell of the last sync; it runs while it has begun and
    not ended.
    """

    __tablename__ = "sources"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(200), unique=True)
    location: Mapped[str] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    product_id: Mapped[str | None] = mapped_column(ForeignKey("products.id"), index=True)
    uri_prefix: Mapped[str | None] = mapped_column(Text)
    schedule: Mapped[str | None] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(60))
    removal_share: Mapped[float] = mapped_column()
    sync_job: Mapped[str | None] = mapped_column(String(80))
    sync_started_at: Mapped[datetime | None] = mapped_column(Moment)
    sync_ended_at: Mapped[datetime | None] = mapped_column(Moment)
    sync_counts: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    sync_error: Mapped[str | None] = mapped_column(Text)


class SourceItem(Base):
    """A file or page of a source: which document it became, and what tells whether it has changed.

    ``key`` is its path or address within the source. ``sha256`` is that of the bytes that were last taken
    in; ``etag`` and ``last_modified`` mark those that were last fetched, and are compared, never read.
    ``seen_at`` is the beginning of the last sync that did not find it gone; ``held_at`` is set while
    its removal waits to be confirmed. ``document_id`` is null where nothing reads its type; ``problem`` says
    why its newest bytes were not taken in.
    """

    __tablename__ = "source_items"
    source_id: Mapped[str] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    document_id: Mapped[str | None] = mapped_column(String(40), index=True)
    sha256: Mapped[str | None] = mapped_column(String(64))
    etag: Mapped[str | None] = mapped_column(Text)
    last_modified: Mapped[str | None] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    held_at: Mapped[datetime | None] = mapped_column(Moment)
    problem: Mapped[str | None] = mapped_column(Text)


class ScheduledRun(Base):
    """The last moment of a schedule that was run: that of a source, or of ``index``."""

    __tablename__ = "scheduled_runs"
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    ran_for: Mapped[datetime] = mapped_column(Moment)


LIVE = Document.deleted_at.is_(None)
Index("uq_documents_live_uri", Document.uri, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)

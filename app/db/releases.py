"""Releases: which there are, what happened to them, and the pointer to the live one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.db.indexes import IndexView, make_live
from app.db.tables import Answer, IndexVersion, LiveRelease, Release, ReleaseEvent

SLOT = 1  # of the only row of the pointer


class ReleaseNotFound(Exception):
    """No release has this id."""

    def __init__(self, release_id: str) -> None:
        super().__init__(f"no release {release_id!r}; footnote release list shows them")


class ReleaseRetired(Exception):
    """The release's files were given up."""

    def __init__(self, release_id: str) -> None:
        super().__init__(f"the release {release_id} is retired, its files are gone; create it anew")


class ReleaseState(StrEnum):
    """How far a release has come; one that was live is former, and one whose files went is retired."""

    CANDIDATE = "candidate"
    LIVE = "live"
    FORMER = "former"
    RETIRED = "retired"


class EventKind(StrEnum):
    """What may happen to a release."""

    CREATED = "created"
    GATED = "gated"
    PROMOTED = "promoted"
    FORCED = "forced"
    ROLLED_BACK = "rolled back"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """What a release is made of; see `app.db.tables.Release`."""

    encoder: str
    encoder_weights: str
    vectors: str
    reranker: str | None
    reranker_weights: str | None
    generator: str
    generator_weights: str
    prompt_version: str
    index_version: str
    thresholds: Mapping[str, Any]
    training_runs: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView(NewRelease):
    """A release; see `app.db.tables.Release`."""

    id: str
    created_at: datetime
    state: ReleaseState
    gate: dict[str, Any] | None
    force_reason: str | None
    replaced: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a release."""

    at: datetime
    kind: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointers:
    """What is live, as one moment had it.

    Attributes:
        release: Id of the live release; None while settings say what answers.
        index: Id of the live index version; None before the first build.
    """

    release: str | None
    index: str | None


def read_pointers(session: Session) -> Pointers:
    """Both pointers in one statement: they move together, so they are never read of two moments."""
    row = session.execute(
        select(LiveRelease.release_id, IndexVersion.id)
        .select_from(LiveRelease)
        .outerjoin(IndexVersion, IndexVersion.live.is_(True))
        .where(LiveRelease.slot == SLOT)
    ).one()
    return Pointers(release=row[0], index=row[1])


def add_release(session: Session, release_id: str, new: NewRelease, *, now: datetime) -> ReleaseView:
    """Record a candidate and that it was created."""
    row = Release(
        id=release_id,
        created_at=now,
        state=ReleaseState.CANDIDATE.value,
        encoder=new.encoder,
        encoder_weights=new.encoder_weights,
        vectors=new.vectors,
        reranker=new.reranker,
        reranker_weights=new.reranker_weights,
        generator=new.generator,
        generator_weights=new.generator_weights,
        prompt_version=new.prompt_version,
        index_version=new.index_version,
        thresholds=dict(new.thresholds),
        training_runs=list(new.training_runs),
        note=new.note,
    )
    session.add(row)
    session.flush()
    add_event(session, row.id, EventKind.CREATED, {"note": new.note}, now=now)
    return _view(row)


def add_event(
    session: Session, release_id: str, kind: EventKind, detail: Mapping[str, Any], *, now: datetime
) -> None:
    """Record that something happened to a release."""
    session.add(ReleaseEvent(release_id=release_id, at=now, kind=kind.value, detail=dict(detail)))


def record_gate(session: Session, release_id: str, gate: Mapping[str, Any], *, now: datetime) -> None:
    """Keep what the gate decided of a release."""
    session.get_one(Release, release_id).gate = dict(gate)
    add_event(session, release_id, EventKind.GATED, gate, now=now)


def get_release(session: Session, release_id: str) -> ReleaseView:
    """One release.

    Raises:
        ReleaseNotFound: If there is none of this id.
    """
    row = session.get(Release, release_id)
    if row is None:
        raise ReleaseNotFound(release_id)
    return _view(row)


def list_releases(session: Session) -> list[ReleaseView]:
    """Every release, the newest first."""
    rows = session.scalars(select(Release).order_by(Release.created_at.desc(), Release.id))
    return [_view(row) for row in rows]


def list_events(session: Session, release_id: str) -> list[EventView]:
    """What happened to a release, the first first."""
    rows = session.scalars(
        select(ReleaseEvent).where(ReleaseEvent.release_id == release_id).order_by(ReleaseEvent.id)
    )
    return [EventView(at=row.at, kind=row.kind, detail=row.detail) for row in rows]


def was_promoted_by(session: Session, release_id: str, job_id: str) -> bool:
    """Whether a job has made a release live, whatever is live by now."""
    kinds = (EventKind.PROMOTED, EventKind.FORCED)
    return any(
        one.kind in kinds and one.detail.get("job_id") == job_id for one in list_events(session, release_id)
    )


def lock_pointer(session: Session) -> str | None:
    """Id of the live release, which nothing else can change before this transaction ends."""
    row = session.execute(select(LiveRelease).where(LiveRelease.slot == SLOT).with_for_update()).scalar_one()
    return row.release_id


def live_vectors(session: Session, *, lock: bool = False) -> str | None:
    """Fingerprint of the live release's encoder; None while no release is live.

    Args:
        session: In a transaction; for writing where the pointer is locked.
        lock: Whether nothing else may move the pointer before this transaction ends.
    """
    live = lock_pointer(session) if lock else read_pointers(session).release
    return None if live is None else session.get_one(Release, live).vectors


def move_pointer(
    session: Session,
    release_id: str,
    index: IndexView,
    *,
    kind: EventKind,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    """Make a release live with one of its indexes; what was live is former. All in this transaction.

    A promotion remembers what it replaced; going back does not change that.

    Args:
        session: In a transaction for writing.
        release_id: What becomes live.
        index: A recorded index version of the release's encoder.
        kind: What this is.
        detail: Said of it in the release's events.
        now: The moment.

    Raises:
        ReleaseRetired: If its files were given up meanwhile.
    """
    before = lock_pointer(session)
    if before is not None and before != release_id:
        session.get_one(Release, before).state = ReleaseState.FORMER.value
    row = session.get_one(Release, release_id)
    if row.state == ReleaseState.RETIRED.value:
        raise ReleaseRetired(release_id)
    row.state = ReleaseState.LIVE.value
    if kind is not EventKind.ROLLED_BACK and before != release_id:  # else it would have replaced itself
        row.replaced = before
    if kind is EventKind.FORCED:
        row.force_reason = str(detail["reason"])
    session.get_one(LiveRelease, SLOT).release_id = release_id
    make_live(session, index.id)
    add_event(session, release_id, kind, {"before": before, "index": index.id, **detail}, now=now)


def mark_retired(session: Session, release_id: str, detail: Mapping[str, Any], *, now: datetime) -> None:
    """Record that a release's files are given up."""
    session.get_one(Release, release_id).state = ReleaseState.RETIRED.value
    add_event(session, release_id, EventKind.RETIRED, detail, now=now)


def kept_vectors(session: Session) -> Collection[str]:
    """Fingerprints of the encoders whose newest index some release needs."""
    query = select(Release.vectors).where(Release.state != ReleaseState.RETIRED.value)
    return set(session.scalars(query))


def has_answers(session: Session, release_id: str) -> bool:
    """Whether an answer on record was made with a release."""
    made_with = Answer.response["versions"]["release"].as_string()
    return bool(session.scalar(select(exists().where(made_with == release_id))))


def _view(row: Release) -> ReleaseView:
    return ReleaseView(
        id=row.id,
        created_at=row.created_at,
        state=ReleaseState(row.state),
        encoder=row.encoder,
        encoder_weights=row.encoder_weights,
        vectors=row.vectors,
        reranker=row.reranker,
        reranker_weights=row.reranker_weights,
        generator=row.generator,
        generator_weights=row.generator_weights,
        prompt_version=row.prompt_version,
        index_version=row.index_version,
        thresholds=row.thresholds,
        training_runs=tuple(row.training_runs),
        gate=row.gate,
        force_reason=row.force_reason,
        replaced=row.replaced,
        note=row.note,
    )

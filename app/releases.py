"""Making releases, making one live, and going back."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.bundles import Lineup, describe_thresholds, release_lineup, settings_lineup
from app.db.indexes import IndexView, newest_index
from app.db.passages import forget_embeddings
from app.db.releases import (
    EventKind,
    NewRelease,
    ReleaseRetired,
    ReleaseState,
    ReleaseView,
    add_release,
    get_release,
    has_answers,
    list_releases,
    lock_pointer,
    mark_retired,
    move_pointer,
    read_pointers,
    was_promoted_by,
)
from app.db.tables import new_id
from app.downloads import Progress
from app.indexing import build_release_index, is_whole
from app.model_folders import open_model, tuned_folder
from app.models import Models
from app.observability import logger
from app.settings import Settings
from app.wiring import Services
from generator.prompt import PROMPT_VERSION

FIRST = "what settings said before the first release"


class NothingToRollBack(Exception):
    """There is no release to go back to; the message says why."""


class MovedMeanwhile(Exception):
    """What was to be done rests on what is so no more; nothing has changed."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} meanwhile; nothing has changed, do it again if it is still wanted")


class GateOutdated(Exception):
    """The gate compared a candidate with something else than what is live by now, or never let it pass."""

    def __init__(self, release_id: str, live: str | None) -> None:
        super().__init__(
            f"the gate has not let {release_id} pass beside what is live now "
            f"({live or 'what settings say'}); promote it again, so that the gate is asked anew"
        )


def create_release(
    services: Services, settings: Settings, *, note: str, progress: Progress, release_id: str | None = None
) -> ReleaseView:
    """Record a candidate of the models that settings name, with an index of its own; nothing goes live.

    Args:
        services: Of this home.
        settings: Those of this home, with the models of the candidate.
        note: What it is, for people.
        progress: Told how far its index is.
        release_id: Its id, where a job that is repeated after a crash must not make two; None for a new one.

    Raises:
        ModelUnavailable: If a model is not here, its files are not those that were recorded, or the generator
            is an adapter for another model than the one that is here.
    """
    lineup = settings_lineup(settings, Models(settings))
    lineup.models.verify()
    index = _build(services, lineup, progress)
    new = NewRelease(
        encoder=settings.encoder,
        encoder_weights=_fingerprint(settings, settings.encoder),
        vectors=lineup.models.encoder.fingerprint,
        reranker=settings.reranker,
        reranker_weights=None if settings.reranker is None else _fingerprint(settings, settings.reranker),
        generator=settings.generator,
        generator_weights=lineup.models.generator.fingerprint
        if settings.generator_address is not None
        else _fingerprint(settings, settings.generator),
        prompt_version=PROMPT_VERSION,
        index_version=index.id,
        thresholds=describe_thresholds(lineup),
        training_runs=_runs(settings.encoder, settings.reranker, settings.generator),
        note=note,
    )
    with services.database.writing() as session:
        release = add_release(session, release_id or new_id("rel"), new, now=_now())
    logger().info("release_created", release=release.id)
    return release


def _fingerprint(settings: Settings, reference: str) -> str:
    return open_model(settings.models_folder, reference).fingerprint


def _runs(*references: str | None) -> tuple[str, ...]:
    """The training runs that models come from."""
    return tuple(one.removeprefix("run:") for one in references if one is not None and one.startswith("run:"))


def _now() -> datetime:
    return datetime.now(UTC)


def _build(services: Services, lineup: Lineup, progress: Progress) -> IndexView:
    return build_release_index(
        services.database, services.settings, lineup.models.encoder, report=progress, now=_now
    )


def promote(
    services: Services,
    release_id: str,
    *,
    reason: str | None,
    forced: bool,
    progress: Progress,
    job_id: str | None = None,
) -> ReleaseView:
    """Make a release live. Every byte of it is checked and its index brought up to date before.

    While no release is live, what settings say is recorded as one first, so that there is a way back. Servers
    follow within seconds; being killed leaves the old or the new one.

    Args:
        services: Of this home.
        release_id: The release.
        reason: Recorded with it; needed where it is forced.
        forced: Whether it goes live whatever the gate decided.
        progress: Told how far its index is.
        job_id: The job that does it, where one does: repeated after a crash, it changes nothing if it had
            made the release live, since another may be live by now on purpose.

    Raises:
        GateOutdated: If it is not forced, and the gate's newest decision let it not pass, or compared it
            with another release than is live when the pointer moves.
        ReleaseNotFound: If there is none of this id.
        ReleaseRetired: If its files are gone.
        ReleaseDamaged: If a part of it is not what was released.
        MovedMeanwhile: If its index was removed at that very moment.
    """
    with services.database.reading() as session:
        done = job_id is not None and was_promoted_by(session, release_id, job_id)
    if not done:
        detail = {"reason": reason} | ({} if job_id is None else {"job_id": job_id})
        _replace_live(services, release_id, detail, forced=forced, progress=progress)
    retire_old(services)
    with services.database.reading() as session:
        return get_release(session, release_id)


def _replace_live(
    services: Services, release_id: str, detail: Mapping[str, Any], *, forced: bool, progress: Progress
) -> None:
    with services.database.reading() as session:
        first = read_pointers(session).release is None
    lineup = checked_lineup(services, release_id)
    _build(services, lineup, progress)  # long, and first: being killed in it leaves nothing behind
    before = None
    if first:
        before = create_release(services, services.settings, note=FIRST, progress=progress)
        _build(services, lineup, progress)  # again: what was ingested meanwhile is in its index too
    with services.database.writing() as session:
        live = lock_pointer(session)
        release = get_release(session, release_id)
        if not forced and live != release_id and not _let_through(release, live):
            raise GateOutdated(release_id, live)
        if before is not None and live is None:
            _move(session, before.id, EventKind.PROMOTED, {"note": FIRST})
        _move(session, release_id, EventKind.FORCED if forced else EventKind.PROMOTED, detail)


def _let_through(release: ReleaseView, live: str | None) -> bool:
    """Whether the gate's newest decision is good for this release beside what is live."""
    gate = release.gate
    return gate is not None and bool(gate["passed"]) and gate["live"] == live


def is_live(services: Services, release_id: str) -> bool:
    """Whether this release is the live one."""
    with services.database.reading() as session:
        return read_pointers(session).release == release_id


def checked_lineup(services: Services, release_id: str) -> Lineup:
    """The lineup of a release whose files were all verified, and whose encoder makes its index's vectors.

    It raises what `promote` does.
    """
    with services.database.reading() as session:
        release = get_release(session, release_id)
    if release.state is ReleaseState.RETIRED:
        raise ReleaseRetired(release_id)
    lineup = release_lineup(services.settings, release)
    lineup.models.verify()
    _ = lineup.models.encoder
    return lineup


def _move(
    session: Session,
    release_id: str,
    kind: EventKind,
    detail: Mapping[str, Any],
) -> ReleaseView:
    """Make a release live with its newest index, which may be newer than one that was just seen."""
    index = newest_index(session, get_release(session, release_id).vectors)
    if index is None:
        raise MovedMeanwhile(f"a deletion removed the index of {release_id}")
    move_pointer(session, release_id, index, kind=kind, detail=detail, now=_now())
    logger().info("release_live", release=release_id, how=kind.value)
    return get_release(session, release_id)


def roll_back(
    services: Services, release_id: str | None, *, reason: str | None, progress: Progress
) -> ReleaseView:
    """Go back to a release that was live, with its newest index: its former answers, at once.

    Documents that came since are in its index after the next build; deleted ones stay hidden.

    Args:
        services: Of this home.
        release_id: The release; None for the one that the live one replaced.
        reason: Recorded with it, or None.
        progress: Told how far an index is, where none of this release is left.

    Raises:
        NothingToRollBack: If no release is live, it replaced none, or the one named is live or never was.
        MovedMeanwhile: If another release went live since this was asked, or its index was removed.
        ReleaseNotFound, ReleaseRetired, ReleaseDamaged: See `promote`.
    """
    with services.database.reading() as session:
        live_id = read_pointers(session).release
        if live_id is None:
            raise NothingToRollBack("no release is live: settings say what answers")
        target = release_id or get_release(session, live_id).replaced
    if target is None:
        raise NothingToRollBack(
            f"the live release {live_id} replaced none; name one of footnote release list"
        )
    if target == live_id:
        raise NothingToRollBack(f"the release {target} is live already")
    with services.database.reading() as session:
        if get_release(session, target).state is ReleaseState.CANDIDATE:
            raise NothingToRollBack(f"the release {target} was never live; promote it, which asks the gate")
    lineup = checked_lineup(services, target)
    with services.database.reading() as session:
        index = newest_index(session, get_release(session, target).vectors)
    if index is None or not is_whole(services.settings, index):
        _build(services, lineup, progress)
    with services.database.writing() as session:
        if (now_live := lock_pointer(session)) != live_id:
            raise MovedMeanwhile(f"{now_live} took the place of {live_id}")
        return _move(session, target, EventKind.ROLLED_BACK, {"from": live_id, "reason": reason})


def retire_old(services: Services) -> list[str]:
    """Give up releases that are not kept, with models that were tuned here for them alone; their ids.

    Kept are the live release, the one that it replaced, the newest others as settings say, and those that
    answers on record were made with, where settings say so. A model stays while a kept release or these
    settings name it. Indexes that nothing needs go with the next build.
    """
    settings = services.settings
    with services.database.writing() as session:
        live = lock_pointer(session)
        if live is None:
            return []
        every = list_releases(session)
        needed = {live, get_release(session, live).replaced}
        others = [one for one in every if one.id not in needed and one.state is not ReleaseState.RETIRED]
        retired = [
            one.id
            for one in others[settings.kept_releases :]
            if not (settings.keep_answering_releases and has_answers(session, one.id))
        ]
        for release_id in retired:
            mark_retired(session, release_id, {"kept_releases": settings.kept_releases}, now=_now())
        every = list_releases(session)
        # Those that earlier calls retired too: one may have been killed before it removed their models.
        gone = [one for one in every if one.state is ReleaseState.RETIRED]
        kept = [one for one in every if one.state is not ReleaseState.RETIRED]
        named = {settings.encoder, settings.reranker, settings.generator}.union(*map(_references, kept))
        needed_vectors = {one.vectors for one in every if one.encoder in named}  # tuning may leave a copy
        forget_embeddings(session, {one.vectors for one in gone} - needed_vectors)
    for run in _runs(*(set[str | None]().union(*map(_references, gone)) - named)):
        shutil.rmtree(tuned_folder(settings.models_folder, run), ignore_errors=True)
    if retired:
        logger().info("releases_retired", releases=retired)
    return retired


def _references(release: ReleaseView) -> set[str | None]:
    return {release.encoder, release.reranker, release.generator}

"""Purging deleted documents from every place; part of every build of the live index."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from app.db.deletions import (
    DeletionView,
    Place,
    adopt_deletions,
    is_purge_due,
    note_found,
    note_gone,
    open_deletions,
)
from app.db.remains import Found, count_rows, find_records, owners, remove_rows, seek
from app.db.session import DATABASE_AWAY, Database, compact
from app.deletion.files import count_files, remove_bytes, remove_drafts, remove_indexes, remove_training
from app.evaluations.drafts import DraftsUnusable
from app.failures import name_failure
from app.indexing import one_build
from app.observability import logger
from app.settings import Settings

_PASSING = (OSError, *DATABASE_AWAY, sqlite3.Error, DraftsUnusable)
"""What keeps one place from being purged, and must not keep the others: the next build tries again."""


class JobRecords(Protocol):
    """The records of jobs that have ended."""

    def naming(self, wanted: Collection[str]) -> Mapping[str, Collection[str]]:
        """Job to those of some document ids and checksums of addresses that its result names."""
        ...

    def forget(self, job_ids: Collection[str]) -> None:
        """Remove the records of jobs."""
        ...


def look(
    database: Database, settings: Settings, jobs: JobRecords, deletions: Sequence[DeletionView]
) -> dict[str, dict[Place, int]]:
    """What is there of each deletion's document, place by place, found by looking into every place.

    Freed pages of SQLite files can't be looked into without the text; `purge` writes those files anew.
    """
    with database.reading() as session:
        sought = seek(session, deletions)
        found: Found = count_rows(session, sought)
    found |= count_files(database, settings, sought, deletions)
    mine = sought.documents | sought.names
    named = jobs.naming(mine)
    found[Place.JOBS] = Counter(one for there in named.values() for one in set(owners(there, mine)))
    return {
        deletion.id: {place: counts[deletion.id] for place, counts in found.items()} for deletion in deletions
    }


def purge(database: Database, settings: Settings, jobs: JobRecords, *, now: Callable[[], datetime]) -> int:
    """Remove what is left of every deleted document, look again, and complete the receipts.

    Call it when the live index is up to date. Every step may be killed and repeated.

    Returns:
        How many deletions are still open, each with a note that says why.
    """
    with database.reading() as session:
        if not is_purge_due(session):
            return 0
    with one_build(settings):
        with database.writing() as session:
            adopt_deletions(session)
            deletions = open_deletions(session)
        found = look(database, settings, jobs, deletions)
        with database.writing() as session:
            for deletion in deletions:
                note_found(session, deletion.id, found[deletion.id])
        notes = _remove(database, settings, jobs, deletions)
        left = look(database, settings, jobs, deletions)
        with database.writing() as session:
            done = [note_gone(session, one.id, left[one.id], notes, now=now()) for one in deletions]
    logger().info("deletions_purged", complete=sum(done), open=len(done) - sum(done))
    return len(done) - sum(done)


def _remove(
    database: Database, settings: Settings, jobs: JobRecords, deletions: Sequence[DeletionView]
) -> dict[Place, str]:
    """Remove everything that can be; what went wrong, by place. Rows must go: their error ends the purge."""
    with database.reading() as session:
        sought = seek(session, deletions)
    notes: dict[Place, str] = {}

    def attempt(place: Place, work: Callable[[], object]) -> None:
        try:
            work()
        except _PASSING as error:
            notes[place] = f"{error}; the next index build tries again"
            logger().error("place_not_purged", place=place.value, reason=name_failure(error))

    def rewrite() -> None:
        freed = compact(settings.database) + compact(settings.jobs_database)
        with database.writing() as session:
            for deletion in deletions:
                note_found(session, deletion.id, {Place.FREED_PAGES: freed})

    attempt(Place.JOBS, lambda: jobs.forget(list(jobs.naming(sought.documents | sought.names))))
    attempt(Place.INDEXES, partial(remove_indexes, database, settings, sought))
    attempt(Place.BYTES, partial(remove_bytes, database, settings, sought))
    attempt(Place.TRAINING, partial(remove_training, settings, sought, deletions))
    attempt(Place.DRAFTS, partial(remove_drafts, settings))
    with database.reading() as session:
        records = find_records(session, sought)
    with database.writing() as session:
        remove_rows(session, sought, records)
    attempt(Place.FREED_PAGES, rewrite)
    return notes

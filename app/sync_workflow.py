"""What a sync does, as a list of steps; it ends with those of an ingest."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.db.source_items import mark_seen, remove_gone, waiting_versions
from app.db.sources import SourceNotFound, SourceView, begin_sync, end_sync, get_source
from app.sources.errors import SourceUnavailable
from app.sources.items import Item, Reader
from app.sources.kinds import listing_path, open_source
from app.syncing import Change, fail_item, restore_moved, take_item
from app.workflows import Run, ingest_versions

FETCHED_AT_ONCE = 16  # items in one recorded step
PAUSES_SECONDS = (2.0, 10.0, 60.0)  # before what failed for the time being is tried again
FAILURES_IN_A_ROW = 3  # then all that is left waits for the next try
LAST_FAILURES_IN_A_ROW = 20  # then the source is taken for down, and the rest waits for the next sync
NOT_TRIED = "not fetched, since the source stopped answering; the next sync tries again"
POLLING_SECONDS = 0.1


class SyncFailed(Exception):
    """A source could not be synced; nothing of it was removed."""


def sync_source(
    run: Run, source_id: str, *, pauses_seconds: Sequence[float] = PAUSES_SECONDS
) -> dict[str, Any]:
    """Bring the documents of a source up to date.

    Returns:
        Counts ``added``, ``updated``, ``unchanged``, ``skipped``, ``removed``, ``held``; ``failed``, a list
        of name and error; and what `app.workflows.ingest_versions` gives.
    """
    sync = _Sync(run, source_id, str(run.step("begin", partial(_begin, run, source_id))))
    try:
        listed = _list_patiently(run, sync, pauses_seconds)
        changes, failed = _fetch_patiently(run, sync, listed["items"], pauses_seconds)
        removed, held = run.step("remove", sync.remove)
        run.step("restore", sync.restore)
        versions = run.step("waiting", sync.waiting)
        ingested = ingest_versions(run, versions)
    except Exception as error:
        run.step("end", partial(sync.end, {}, str(error)))
        raise
    finally:
        sync.close()
    failed += [{"name": name, "error": error} for name, error in listed["unreadable"].items()]
    failed += [{"name": one["name"], "error": one["error"]} for one in ingested["failed"]]
    counts = {str(change): changes[change] for change in Change if change not in {Change.FAILED, Change.GONE}}
    counts |= {"removed": removed, "held": held, "failed": len(failed)}
    run.step("end", partial(sync.end, counts, None))
    return {**ingested, **counts, "failed": failed}


def _begin(run: Run, source_id: str) -> str:
    now = datetime.now(UTC)
    try:
        with run.services.database.writing() as session:
            begin_sync(session, source_id, run.job_id, now=now)
    except SourceNotFound as error:
        raise SyncFailed(str(error)) from error
    return now.isoformat()


def _list_patiently(run: Run, sync: "_Sync", pauses_seconds: Sequence[float]) -> dict[str, Any]:
    for pause in (*pauses_seconds, None):
        listed: dict[str, Any] = run.step("list", sync.list_items)
        if "error" not in listed:
            return listed
        if not listed["temporary"] or pause is None:
            raise SyncFailed(listed["error"])
        _pause(run, pause)
    raise AssertionError


def _fetch_patiently(
    run: Run, sync: "_Sync", items: int, pauses_seconds: Sequence[float]
) -> tuple[Counter[str], list[dict[str, str]]]:
    """Take every item, those that failed for the time being again after each pause.

    Where several fail in a row the others are left for the next try, and come first in it: a source that
    is down is not asked for every item, and a few bad ones do not keep the others out.
    """
    changes: Counter[str] = Counter()
    failed: list[dict[str, str]] = []
    waiting = list(range(items))
    for tried, pause in enumerate((0.0, *pauses_seconds)):
        if not waiting:
            break
        _pause(run, pause)
        untried: list[int] = []
        again: list[int] = []
        in_a_row = 0
        for begin in range(0, len(waiting), FETCHED_AT_ONCE):
            batch = waiting[begin : begin + FETCHED_AT_ONCE]
            step = partial(sync.fetch, batch, items - len(waiting) + begin, items, in_a_row=in_a_row)
            taken = run.step("fetch", partial(step, is_last=tried == len(pauses_seconds)))
            in_a_row = taken["in_a_row"]
            changes.update(taken["changes"])
            failed += taken["failed"]
            untried += taken["untried"]
            again += taken["again"]
        waiting = untried + again
    return changes, failed


def _pause(run: Run, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        run.check()
        time.sleep(POLLING_SECONDS)


class _Sync:
    """One sync of one source. Its reader is opened by the first step that needs it, and kept."""

    def __init__(self, run: Run, source_id: str, begun: str) -> None:
        self._run = run
        self._source_id = source_id
        self._seen_at = datetime.fromisoformat(begun)
        self._opened: tuple[SourceView, Reader] | None = None
        self._listed: list[Item] | None = None

    def _open(self) -> tuple[SourceView, Reader]:
        if self._opened is None:
            services = self._run.services
            with services.database.reading() as session:
                source = get_source(session, self._source_id)
            reader = open_source(
                source.kind,
                source.location,
                source.options,
                source_id=source.id,
                uri_prefix=source.uri_prefix,
                settings=services.settings,
                check=self._run.check,
            )
            self._opened = source, reader
        return self._opened

    def list_items(self) -> dict[str, Any]:
        """How many ``items`` there are, and ``unreadable``; or ``error`` and ``temporary``.

        The items themselves are kept beside the job's records, which would remember the addresses of deleted
        documents for as long as they last.
        """
        self._run.report("listing", 0, 1)
        try:
            _, reader = self._open()
            listing = reader.list_items()
        except SourceUnavailable as error:
            return {"error": str(error), "temporary": error.temporary}
        with self._run.services.database.writing() as session:
            for beginning in listing.unreadable:
                mark_seen(session, self._source_id, beginning, seen_at=self._seen_at)
        items = [[item.key, item.uri, item.etag] for item in listing.items]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.{uuid4().hex}")
        beside.write_text(json.dumps(items))
        beside.replace(self._path)
        return {"items": len(items), "unreadable": listing.unreadable}

    @property
    def _path(self) -> Path:
        return listing_path(self._run.services.settings, self._source_id)

    def _items(self) -> list[Item]:
        """What was listed; only steps read it, since it goes with the last one."""
        if self._listed is None:
            try:
                items = json.loads(self._path.read_text())
            except FileNotFoundError as error:
                raise SyncFailed("what this sync had listed is gone; sync the source again") from error
            self._listed = [Item(key=key, uri=uri, etag=etag) for key, uri, etag in items]
        return self._listed

    def fetch(
        self, batch: Sequence[int], done: int, total: int, *, in_a_row: int, is_last: bool
    ) -> dict[str, Any]:
        """Take items of these numbers, after so many failures in a row.

        Returns:
            ``changes`` and ``failed``; ``again``, those that are worth another try, and ``untried``; and how
            many failures in a row there were last.
        """
        changes: Counter[str] = Counter()
        failed: list[dict[str, str]] = []
        again: list[int] = []
        untried: list[int] = []
        self._run.report("fetching", done, total)
        for number in batch:
            self._run.check()
            if in_a_row >= FAILURES_IN_A_ROW and not is_last:
                untried.append(number)
                continue
            item = self._items()[number]
            try:
                change, problem = self._take(item, is_down=in_a_row >= LAST_FAILURES_IN_A_ROW)
                in_a_row = 0
            except SourceUnavailable as error:
                in_a_row += 1
                if not is_last:
                    again.append(number)
                    continue
                change, problem = Change.FAILED, str(error)
                source, _ = self._open()
                fail_item(self._run.services.database, source, item, str(error), seen_at=self._seen_at)
            changes[change] += 1
            if problem is not None:
                failed.append({"name": item.key, "error": problem})
        return {
            "changes": dict(changes),
            "failed": failed,
            "again": again,
            "untried": untried,
            "in_a_row": in_a_row,
        }

    def _take(self, item: Item, *, is_down: bool) -> tuple[Change, str | None]:
        """See `app.syncing.take_item`; nothing is asked of a source that is down."""
        if is_down:
            raise SourceUnavailable(NOT_TRIED, temporary=True)
        source, reader = self._open()
        services = self._run.services
        return take_item(
            services.database,
            services.settings,
            source,
            reader,
            item,
            seen_at=self._seen_at,
            now=datetime.now(UTC),
        )

    def remove(self) -> tuple[int, int]:
        """Remove what is gone, or hold it."""
        with self._run.services.database.writing() as session:
            return remove_gone(session, self._source_id, seen_at=self._seen_at, now=datetime.now(UTC))

    def restore(self) -> int:
        """See `app.syncing.restore_moved`."""
        source, _ = self._open()
        services = self._run.services
        return restore_moved(
            services.database,
            services.settings,
            source,
            {item.key: item.uri for item in self._items()},
            seen_at=self._seen_at,
            now=datetime.now(UTC),
        )

    def waiting(self) -> list[tuple[str, int]]:
        """Document versions that this source brought and nothing has parsed yet."""
        with self._run.services.database.reading() as session:
            return waiting_versions(session, self._source_id)

    def close(self) -> None:
        """Give back what the reader holds open; a step after this opens it again."""
        if self._opened is not None:
            self._opened[1].close()
            self._opened = None

    def end(self, counts: dict[str, int], error: str | None) -> None:
        """Record how it went, and forget what was listed."""
        self._path.unlink(missing_ok=True)
        with self._run.services.database.writing() as session:
            end_sync(session, self._source_id, counts, error, now=datetime.now(UTC))

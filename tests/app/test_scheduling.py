"""Schedules start their jobs once: after downtime, with several processes, and whatever the clock does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cli.documents import wait_for
from app.db.sources import NewSource, last_run
from app.job_engine import JobEngine
from app.jobs import JobQueue
from app.main import create_app
from app.models import Models
from app.scheduling import INDEX, Scheduler
from app.settings import Settings, SettingsInvalid
from app.source_administration import add
from app.wiring import Services, build_services
from tests.app.syncing import write

ADDED = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
NIGHT = datetime(2026, 1, 11, 2, 30, tzinfo=UTC)


@pytest.fixture
def services(settings: Settings, models: Models) -> Iterator[Services]:
    nightly = settings.model_copy(update={"index_schedule": "0 5 * * *"})
    with closing(build_services(nightly, models)) as services:
        yield services


@contextmanager
def process(services: Services) -> Iterator[Scheduler]:
    """What one server process has: its own connections, queue and scheduler."""
    own = build_services(services.settings)
    with closing(own), closing(JobQueue(own)) as queue:
        yield Scheduler(own, queue)


def add_source(services: Services, folder: Path) -> str:
    new = NewSource(kind="folder", name="Parts", location=str(folder), options={}, schedule="30 2 * * *")
    return add(services.database, new, now=ADDED).id


def test_a_schedule_runs_once_however_many_processes_look(services: Services, tmp_path: Path) -> None:
    write(tmp_path / "docs", a="# Part\n\nIt weighs 3 g.\n")
    source = add_source(services, tmp_path / "docs")
    with process(services) as first, process(services) as second, closing(JobQueue(services)) as queue:
        assert first.run_due(ADDED) == []
        assert first.run_due(NIGHT - timedelta(minutes=1)) == []
        with ThreadPoolExecutor(2) as threads:
            runs = [threads.submit(one.run_due, NIGHT + timedelta(days=4)) for one in (first, second)]
            started = {job for future in runs for job in future.result()}
        jobs = {job.kind: job.id for job in queue.recent(limit=50)}
        assert set(jobs) == {"sync", "ingest"}
        assert sorted(jobs.values()) == sorted(job.id for job in queue.recent(limit=50)) == sorted(started)
        assert first.run_due(NIGHT + timedelta(days=4)) == []
        assert second.run_due(NIGHT + timedelta(days=3, hours=12)) == []  # the clock jumped back
        engine = JobEngine(services)
        engine.start()
        try:
            assert wait_for(queue, jobs["sync"], lambda *_arguments: None)["added"] == 1
        finally:
            engine.stop()
    with services.database.reading() as session:
        assert last_run(session, source) == NIGHT + timedelta(days=4)


def test_a_process_killed_before_it_recorded_the_run_starts_no_second_job(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_source(services, tmp_path)
    with process(services) as first, process(services) as second, closing(JobQueue(services)) as queue:
        first.run_due(ADDED)
        with monkeypatch.context() as patched:
            patched.setattr("app.scheduling.record_run", raise_interrupt)
            with pytest.raises(KeyboardInterrupt):
                first.run_due(NIGHT)
        assert len(second.run_due(NIGHT)) == 1
        assert len(queue.recent(limit=50)) == 1


def raise_interrupt(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_index_building_has_a_schedule_of_its_own(services: Services) -> None:
    with process(services) as scheduler, closing(JobQueue(services)) as queue:
        assert scheduler.run_due(ADDED) == []  # it begins now
        assert len(scheduler.run_due(NIGHT + timedelta(hours=3))) == 1
        assert scheduler.run_due(NIGHT + timedelta(hours=4)) == []
        assert [job.kind for job in queue.recent(limit=5)] == ["ingest"]


def test_a_clock_that_was_far_ahead_stops_no_schedule(services: Services) -> None:
    with process(services) as scheduler:
        scheduler.run_due(ADDED + timedelta(days=3650))
        assert scheduler.run_due(ADDED) == []
        with services.database.reading() as session:
            assert last_run(session, INDEX) == ADDED
        assert len(scheduler.run_due(ADDED + timedelta(days=1))) == 1


def test_a_clock_that_went_back_for_days_runs_no_moment_twice(services: Services) -> None:
    morning = ADDED + timedelta(days=9)
    with process(services) as scheduler, closing(JobQueue(services)) as queue:
        scheduler.run_due(ADDED)
        first = scheduler.run_due(morning)
        assert scheduler.run_due(morning - timedelta(days=5)) == []
        scheduler.run_due(morning)
        assert [job.id for job in queue.recent(limit=5)] == first


def test_a_schedule_of_the_index_that_can_not_be_followed_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"FOOTNOTE_INDEX_SCHEDULE.*five fields"):
        create_app(Settings(home=tmp_path, index_schedule="nightly"))

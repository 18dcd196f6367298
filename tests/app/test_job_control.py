"""Cancelling, retrying and dismissing jobs, their steps and logs: scripted work, the real engine."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbos._sys_db import SystemDatabase
from fastapi.testclient import TestClient
from sqlalchemy.exc import DatabaseError

import app.failures
import app.job_engine
import app.job_watch
import app.sync_workflow
from app.db.jobs import KEPT_LINES, LogLine, add_log, get_log
from app.db.session import Database, migrate, open_engine
from app.db.sources import get_source
from app.job_engine import JobEngine
from app.job_runs import JobRuns, StepFailed
from app.job_views import JobEnded, JobUnderWay, JobView
from app.jobs import JobQueue, open_client
from app.metrics import Metrics
from app.models import Models
from app.observability import configure_logging, logger
from app.settings import Settings
from app.wiring import Services, build_services
from app.workflows import Run, Versions, ingest_versions
from tests.app.conftest import Run as RunCommand
from tests.app.conftest import Upload, Wait
from tests.app.syncing import add_source, write

DEADLINE_SECONDS = 120


@pytest.fixture
def services(settings: Settings, models: Models) -> Iterator[Services]:
    with closing(build_services(settings, models)) as services:
        yield services


@pytest.fixture
def queue(services: Services, own_logging: None) -> Iterator[JobQueue]:
    """Of a running engine."""
    configure_logging("error")
    engine = JobEngine(services)
    engine.start()
    with closing(JobQueue(services)) as queue:
        yield queue
    engine.stop()


def script(monkeypatch: pytest.MonkeyPatch, kind: str, work: Callable[[Run], dict[str, Any]]) -> None:
    """Let the workflows of a kind do this instead."""
    monkeypatch.setattr(app.job_engine, kind, lambda run, *_arguments: work(run))


def ended(queue: JobQueue, job_id: str) -> JobView:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (job := queue.get(job_id)).state in ("waiting", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job


def test_a_cancelled_job_ends_in_its_step_and_goes_on_there_when_it_is_retried(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    under_way, left = threading.Event(), threading.Event()
    cancelled = False

    def long_step(run: Run) -> None:
        try:
            under_way.set()
            while not cancelled:
                run.report("embedding", 1, 2)
                time.sleep(0.02)
            done.append("long")
        finally:
            left.set()

    def work(run: Run) -> dict[str, Any]:
        run.step("short", lambda: done.append("short"))
        run.step("long", lambda: long_step(run))
        return {"done": True}

    script(monkeypatch, "ingest_versions", work)
    job_id = queue.reindex()
    assert under_way.wait(DEADLINE_SECONDS)
    assert [(step.name, step.state) for step in queue.details(job_id).steps] == [
        ("short", "succeeded"),
        ("long", "running"),
    ]
    assert queue.cancel(job_id).state == "cancelled"
    assert left.wait(DEADLINE_SECONDS), "the step under way ended"
    cancelled = True
    script(monkeypatch, "ingest_versions", lambda run: run.step("other", dict))
    assert ended(queue, queue.reindex()).state == "succeeded", "the next job has the place"
    script(monkeypatch, "ingest_versions", work)
    assert queue.retry(job_id).state in ("waiting", "running", "succeeded")
    assert ended(queue, job_id).state == "succeeded"
    assert done == ["short", "long"], "a step that had ended is not done again"


def test_a_job_that_waits_can_be_cancelled_and_not_retried(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = threading.Event()
    script(monkeypatch, "ingest_versions", lambda run: run.step("wait", lambda: {"left": leave.wait(60)}))
    first, second = queue.reindex(), queue.reindex()
    with pytest.raises(JobUnderWay, match="cancel it first"):
        queue.retry(second)
    assert queue.cancel(second).state == "cancelled"
    third = queue.reindex()
    leave.set()
    assert [ended(queue, job_id).state for job_id in (first, third)] == ["succeeded", "succeeded"]
    assert queue.get(second).state == "cancelled"
    assert queue.details(second).steps == [], "it did not run in its turn, before the third"
    with pytest.raises(JobEnded):
        queue.cancel(first)


class Mendable:
    """Two steps; the second fails until somebody mends it."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self.mended = False

    def __call__(self, run: Run) -> dict[str, Any]:
        run.step("first", lambda: self.attempts.append("first"))
        run.step("second", self._second)
        return {"mended": self.mended}

    def _second(self) -> None:
        self.attempts.append("second")
        if not self.mended:
            raise ValueError("this document can't be read")


def test_a_failed_job_tells_why_and_goes_on_at_the_step_that_failed(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Mendable()
    script(monkeypatch, "ingest_versions", work)
    job = ended(queue, queue.reindex())
    assert (job.state, job.error) == ("failed", "this document can't be read")
    assert work.attempts == ["first", "second"], "what is permanent is not tried again"
    details = queue.details(job.id)
    assert [(step.name, step.state) for step in details.steps] == [
        ("first", "succeeded"),
        ("second", "failed"),
    ]
    (line,) = details.log
    assert (line.level, line.event) == ("error", "step_failed")
    assert dict(line.fields) == {"step": "second", "reason": "ValueError", "temporary": False}
    work.mended = True
    queue.retry(job.id)
    assert ended(queue, job.id).result == {"mended": True}
    assert work.attempts == ["first", "second", "second"]


def test_a_failed_job_is_listed_first_until_somebody_acts(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, "ingest_versions", Mendable())
    failed = ended(queue, queue.reindex()).id
    script(monkeypatch, "ingest_versions", lambda run: run.step("other", dict))
    newer = ended(queue, queue.reindex()).id
    assert [job.id for job in queue.recent(limit=5)] == [failed, newer]
    assert [job.id for job in queue.recent(limit=1)] == [failed]
    assert [job.id for job in queue.recent(limit=5, state="succeeded")] == [newer]
    assert queue.recent(limit=5, kinds=["qa"]) == []
    assert {key: count for key, count in queue.counts().items() if count} == {("ingest", "failed"): 1}
    assert queue.dismiss(failed).state == "dismissed"
    assert not any(queue.counts().values())
    assert [job.id for job in queue.recent(limit=5)] == [newer, failed]
    assert queue.recent(limit=5, state="failed") == []
    assert [job.id for job in queue.recent(limit=5, state="dismissed")] == [failed]


def test_what_is_temporary_is_tried_again_and_logged(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.failures, "PAUSES_SECONDS", (0.0, 0.0, 0.0))
    attempts = 0

    def step() -> dict[str, Any]:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConnectionResetError("the other side went away")
        logger().info("went_well", count=3, text=["never kept"])
        return {"attempts": attempts}

    script(monkeypatch, "build_pairs", lambda run: run.step("fetch", step))
    job_id = queue.build_pairs(write=0)
    assert ended(queue, job_id).result == {"attempts": 3}
    log = queue.details(job_id).log
    assert [line.event for line in log] == ["step_retried", "step_retried", "went_well"]
    assert dict(log[-1].fields) == {"step": "fetch", "count": 3}


def test_jobs_of_two_kinds_do_not_wait_for_each_other(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = threading.Barrier(2)

    def work(run: Run) -> dict[str, Any]:
        run.step("meet", lambda: meeting.wait(DEADLINE_SECONDS))
        return {}

    script(monkeypatch, "ingest_versions", work)
    script(monkeypatch, "build_pairs", work)
    jobs = [queue.reindex(), queue.build_pairs(write=0)]
    assert [ended(queue, job_id).state for job_id in jobs] == ["succeeded", "succeeded"]


def test_a_sync_remembers_no_addresses_and_its_documents_are_no_orphans(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logging: None
) -> None:
    configure_logging("error")
    write(tmp_path / "docs", one="# Pump\n\nIt is blue.\n")
    source = add_source(services, "folder", str(tmp_path / "docs"))
    engine = JobEngine(services)

    def ingest(run: Run, versions: Versions) -> dict[str, Any]:
        engine._adopt_orphans(timedelta())
        return ingest_versions(run, versions)

    monkeypatch.setattr(app.sync_workflow, "ingest_versions", ingest)
    engine.start()
    with closing(JobQueue(services)) as queue:
        job = ended(queue, queue.sync(source.id))
        assert (job.result or {})["added"] == 1
        assert [job.kind for job in queue.recent(limit=5)] == ["sync"]
    engine.stop()
    client = open_client(services)
    steps = client.list_workflow_steps(job.id)
    client.destroy()
    assert {"items": 1, "unreadable": {}} in [step["output"] for step in steps]
    assert "one.md" not in repr(steps)


def test_of_two_retried_syncs_of_a_source_one_begins(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logging: None
) -> None:
    configure_logging("error")
    source = add_source(services, "folder", str(tmp_path / "later"))
    engine = JobEngine(services)
    engine.start()
    with closing(JobQueue(services)) as queue:
        failed = [ended(queue, queue.sync(source.id)).id for _ in range(2)]
        leave = threading.Event()
        monkeypatch.setattr(
            app.job_engine, "sync_source", lambda run, _id: run.step("wait", lambda: {"left": leave.wait(60)})
        )
        begun = [queue.retry(job).id for job in failed]
        assert begun[0] == begun[1]
        assert begun[0] not in failed
        assert [queue.get(job).state for job in failed] == ["dismissed"] * 2
        assert queue.cancel(begun[0]).state == "cancelled"
        leave.set()
        with services.database.reading() as session:
            assert get_source(session, source.id).sync_error == "it was cancelled"
    engine.stop()


def test_of_each_job_the_newest_lines_are_kept(services: Services) -> None:
    moment = datetime(2026, 11, 29, tzinfo=UTC)
    lines = [
        LogLine(at=moment, level="info", event="counted", fields={"number": number})
        for number in range(KEPT_LINES + 50)
    ]
    with services.database.writing() as session:
        add_log(session, "job_other", lines[:1])
        add_log(session, "job_long", lines)
    with services.database.reading() as session:
        assert len(get_log(session, "job_other")) == 1
        kept = [line.fields["number"] for line in get_log(session, "job_long")]
    assert kept == list(range(50, KEPT_LINES + 50))


def test_over_http_and_the_command_line(client: TestClient, upload: Upload, run: RunCommand) -> None:
    job_id = upload("# Pump\n\nThe pump is blue.\n")["job_id"]
    body = client.get(f"/v1/jobs/{job_id}").json()
    assert [step["name"] for step in body["steps"]][-1] == "outcome"
    assert {step["state"] for step in body["steps"]} == {"succeeded"}
    assert client.get("/v1/jobs", params={"state": "failed"}).json() == {"jobs": []}
    listed = client.get("/v1/jobs", params={"state": "succeeded", "kind": "ingest"}).json()["jobs"]
    assert [job["id"] for job in listed] == [job_id]
    assert client.get("/v1/jobs", params={"state": "lost"}).status_code == 422
    for action in ("cancel", "retry", "dismiss"):
        refused = client.post(f"/v1/jobs/{job_id}/{action}")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:footnote:problem:job-ended")
        missing = client.post(f"/v1/jobs/job_none/{action}")
        assert (missing.status_code, missing.json()["type"]) == (404, "urn:footnote:problem:job-not-found")
    shown = run("jobs", "show", job_id, "--json")
    assert [step["name"] for step in shown["steps"]] == [step["name"] for step in body["steps"]]
    assert [job["id"] for job in run("jobs", "list", "--state", "succeeded", "--json")] == [job_id]
    assert job_id in run("jobs", "list")
    with pytest.raises(JobEnded, match=job_id):
        run("jobs", "retry", job_id)


def test_tuning_is_a_job_whose_refusal_is_told(client: TestClient, upload: Upload, wait: Wait) -> None:
    upload("# Pump\n\nThe pump is blue.\n")
    started = client.post("/v1/training-runs", json={"kind": "retriever", "options": {"epochs": 1}})
    assert started.status_code == 202, started.text
    job = wait(started.json()["job_id"])
    assert (job["kind"], job["state"]) == ("tune_retriever", "failed")
    assert job["error"].startswith("0 training examples are too few"), "there is nothing to learn from"
    for wrong in ({"kind": "everything"}, {"kind": "retriever", "options": {"epochs": 0}}):
        assert client.post("/v1/training-runs", json=wrong).status_code == 422


def test_that_a_log_can_not_be_written_is_said_once(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], own_logging: None
) -> None:
    configure_logging("warning")
    engine = open_engine(f"sqlite:///{tmp_path / 'without-tables.db'}")
    with closing(Database(engine)) as database, JobRuns(database, Metrics()).begin("job_1", "ingest") as run:
        with pytest.raises(StepFailed):
            run.step("try", list)
        for _ in range(3):
            run.flush()
        assert capsys.readouterr().err.count("job_log_not_written") == 1
        migrate(engine, settings.home)
        run.flush()
        with database.reading() as session:
            assert [line.event for line in get_log(session, "job_1")] == ["step_failed"]
    assert "job_log_not_written" not in capsys.readouterr().err


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_job_whose_end_could_not_be_recorded_goes_on_when_it_can(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    tried: list[str] = []
    refused, full = threading.Event(), True
    record = SystemDatabase.update_workflow_outcome

    def update(*arguments: Any, **named: Any) -> bool:
        if full:
            refused.set()
            raise DatabaseError("UPDATE", {}, sqlite3.DatabaseError("database or disk is full"))
        return record(*arguments, **named)

    def step() -> None:
        tried.append(state)
        if state == "failed":
            raise ValueError("the page is upside down")

    monkeypatch.setattr(app.job_watch, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(app.job_watch, "TENDING_SECONDS", 0.5)
    monkeypatch.setattr(SystemDatabase, "update_workflow_outcome", update)
    script(monkeypatch, "ingest_versions", lambda run: {"done": run.step("try", step)})
    job_id = queue.reindex()
    for _ in range(2):  # it goes on again and again, as long as nothing can be recorded
        assert refused.wait(DEADLINE_SECONDS)
        assert queue.get(job_id).state in ("waiting", "running")
        refused.clear()
    full = False
    job = ended(queue, job_id)
    assert job.state == state
    assert ("upside down" in (job.error or "")) == (state == "failed")
    assert tried == [state], "a step that had ended is not done again"


def test_a_job_that_takes_long_is_not_handed_out_again(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.job_watch, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(app.job_watch, "TENDING_SECONDS", 0.1)
    begun: list[str] = []
    looks = 0
    look = JobEngine._free_stranded

    def count(engine: JobEngine) -> None:
        nonlocal looks
        looks += 1
        look(engine)

    def step() -> None:
        begun.append("long")
        while looks < 5:
            time.sleep(0.02)

    monkeypatch.setattr(JobEngine, "_free_stranded", count)
    script(monkeypatch, "ingest_versions", lambda run: {"done": run.step("try", step)})
    assert ended(queue, queue.reindex()).state == "succeeded"
    assert begun == ["long"]

"""Logs: one id from a request to the job that it started, and no word of a document or a question."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.session import open_engine
from app.observability import configure_logging
from app.settings import Settings
from tests.app.conftest import Upload, Wait

SECRET = "PERSIMMON"
NOTE = f"# Kettle\n\nThe {SECRET} kettle is descaled every 60 days.\n"
QUESTION = {"question": f"How often is the {SECRET} kettle descaled?"}


@pytest.fixture
def log(own_logging: None, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What this process logs, as a server that runs without a terminal."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("info")
    return written


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_a_request_and_its_job_bear_one_id_and_no_words(
    log: io.StringIO, client: TestClient, upload: Upload
) -> None:
    given = {"X-Request-ID": "from-the-proxy.1"}
    posted = client.post("/v1/documents", files={"file": ("note.md", NOTE.encode())}, headers=given)
    assert posted.headers["X-Request-ID"] == "from-the-proxy.1"
    upload(NOTE.replace("60", "90"), uri="https://docs.example/other")  # its job ends after the first one
    for path in ("/v1/search", "/v1/answers"):
        assert client.post(path, json=QUESTION, headers={"X-Request-ID": path[4:]}).status_code == 200
    client.get(f"/{SECRET}")
    client.post("/v1/search", json={"question": SECRET, "k": SECRET})
    events = lines(log)
    started = [one["event"] for one in events if one.get("request_id") == "from-the-proxy.1"]
    assert started[:2] == ["job_started", "request"]
    assert {"job_begun", "step_ended", "index_built", "job_ended"} <= set(started)
    assert [one["event"] for one in events if one.get("request_id") == "search"] == ["searched", "request"]
    assert [one["event"] for one in events if one.get("request_id") == "answers"] == ["answered", "request"]
    assert SECRET not in log.getvalue()


def test_a_sync_bears_the_id_of_its_request(
    log: io.StringIO, client: TestClient, tmp_path: Path, wait: Wait
) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "note.md").write_text(NOTE)
    new = {"kind": "folder", "name": "Notes", "location": str(tmp_path / "documents")}
    source = client.post("/v1/sources", json=new).json()["id"]
    given = {"X-Request-ID": "nightly"}
    job = client.post(f"/v1/sources/{source}/sync", headers=given).json()["job_id"]
    assert wait(job)["state"] == "succeeded"
    told = [one for one in lines(log) if one.get("request_id") == "nightly" and "kind" in one]
    assert {one["job_id"] for one in told if one["kind"] == "sync"} == {job}
    assert {"job_started", "job_begun", "job_ended"} <= {one["event"] for one in told}
    assert SECRET not in log.getvalue()


@pytest.mark.parametrize("given", ["", "two words", "a" * 65, 'quote"}'])
def test_an_id_that_is_not_well_formed_is_replaced(client: TestClient, given: str) -> None:
    made = client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert made != given
    assert len(made) == 16


def test_a_defect_is_told_without_what_was_asked(
    log: io.StringIO, client: TestClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(NOTE)

    def broken(*_arguments: object, **_named: object) -> None:
        raise RuntimeError(f"no {SECRET}") from KeyError(SECRET)

    monkeypatch.setattr("app.wiring.find_passages", broken)
    assert client.post("/v1/search", json=QUESTION).status_code == 500
    (failed,) = [one for one in lines(log) if one["event"] == "request_failed"]
    assert "RuntimeError" in str(failed["exception"])
    assert "KeyError" in str(failed["exception"])
    assert "test_logs.py" in str(failed["exception"])
    assert SECRET not in log.getvalue()


def test_a_statement_that_fails_does_not_tell_its_values(settings: Settings) -> None:
    engine = open_engine(settings.database)
    with pytest.raises(DBAPIError) as failed, engine.connect() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:question)"), {"question": SECRET})
    engine.dispose()
    assert "nowhere" in str(failed.value)
    assert SECRET not in str(failed.value)


def test_libraries_log_as_the_service_does(log: io.StringIO) -> None:
    logging.getLogger("some.library").warning("%d tries are left", 3)
    (line,) = lines(log)
    assert (line["event"], line["level"], line["logger"]) == ("3 tries are left", "warning", "some.library")

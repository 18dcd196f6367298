"""What a reader is told while something is missing, and that it mends without a restart."""

import errno
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.indexes import live_index
from app.db.releases import EventKind, NewRelease, add_release, move_pointer
from app.db.session import Database, migrate, open_engine
from app.db.tables import LiveRelease
from app.main import create_app
from app.models import Models
from app.serving import Serving
from app.settings import Settings
from app.wiring import Services
from tests.app.conftest import Upload
from tests.conftest import GENERATOR

NOTE = "# Kettle K2\n\nDescale the kettle K2 every 60 days with citric acid.\n"
QUESTION = {"question": "How often should I descale the kettle K2?"}
DEADLINE_SECONDS = 120
PROBLEM = "urn:footnote:problem:"


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def wait_for(ask: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What is asked for, once it is as wanted."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not wanted(found := ask()):
        assert time.monotonic() < deadline, getattr(found, "text", found)
        time.sleep(0.1)
    return found


def readiness(client: TestClient, status: int, words: str = "") -> None:
    """Wait until ``/readyz`` has this status and says these words."""
    wait_for(lambda: client.get("/readyz"), lambda got: got.status_code == status and words in got.text)


@pytest.fixture
def away(own_models: Settings) -> Path:
    """The generator's folder, put elsewhere before the server starts."""
    folder = own_models.models_folder / GENERATOR
    return folder.rename(folder.with_name("away"))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.main.WARM_UP_SECONDS", 0.1)
    monkeypatch.setattr("app.serving.RETRY_SECONDS", 0.1)


def test_a_missing_model_is_named_and_taken_up_when_it_is_back(
    own_models: Settings, away: Path, hurried: None
) -> None:
    if own_models.database_url is not None:
        pytest.skip("loads models that no other test shares, and knows no database")
    folder = own_models.models_folder / GENERATOR
    with TestClient(create_app(own_models), raise_server_exceptions=False) as client:
        readiness(client, 503, str(folder))
        taken = client.post("/v1/documents", files={"file": ("note.md", NOTE.encode())})
        job = f"/v1/jobs/{taken.json()['job_id']}"
        wait_for(lambda: client.get(job).json()["state"], lambda state: state == "succeeded")
        told = client.post("/v1/answers", json=QUESTION)
        assert (told.status_code, told.json()["type"]) == (503, PROBLEM + "model-unavailable")
        assert "footnote models fetch" in told.json()["detail"]
        away.rename(folder)
        readiness(client, 200)
        folder.rename(away)  # by now it is in memory
        answer = client.post("/v1/answers", json=QUESTION).json()
        assert answer["status"] == "answered"
        assert answer["timings_ms"]["generate"] > 0, "the generator wrote, also where a quotation is better"
        assert client.get("/readyz").status_code == 200


def test_a_release_that_can_not_be_loaded_makes_it_not_ready_while_the_former_answers(
    short_answers: Settings, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.serving.RETRY_SECONDS", 3600)  # going back is seen at once all the same
    with TestClient(create_app(short_answers, models), raise_server_exceptions=False) as client:
        client.post("/v1/documents", files={"file": ("note.md", NOTE.encode())})
        readiness(client, 200)
        database = services_of(client).database
        with database.writing() as session:
            index = live_index(session)
            assert index is not None
            broken = add_release(session, "rel_other", _of_another_program(), now=_now())
            move_pointer(session, broken.id, index, kind=EventKind.PROMOTED, detail={}, now=_now())
        readiness(client, 503, "prompt has the version 0")
        assert client.post("/v1/search", json=QUESTION).status_code == 200
        with database.writing() as session:
            session.query(LiveRelease).update({"release_id": None})
        readiness(client, 200)


def _now() -> datetime:
    return datetime.now(UTC)


def _of_another_program() -> NewRelease:
    return NewRelease(
        encoder="all-minilm-l6-v2",
        encoder_weights="",
        vectors="",
        reranker=None,
        reranker_weights=None,
        generator=GENERATOR,
        generator_weights="",
        prompt_version="0",
        index_version="",
        thresholds={},
        training_runs=(),
        note="",
    )


def test_a_database_that_is_away_is_told_and_taken_up_when_it_is_back(
    client: TestClient, upload: Upload, settings: Settings
) -> None:
    if settings.database_url is None:
        pytest.skip("SQLite is a file: it can't be away on its own")
    upload(NOTE)
    readiness(client, 200)
    url = make_url(settings.database_url)
    server = create_engine(
        url.set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as administrator:
        administrator.exec_driver_sql(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false')
        administrator.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'"
        )
        told = client.get("/readyz")
        assert (told.status_code, told.json()["type"]) == (503, PROBLEM + "database-unavailable")
        assert told.headers["Retry-After"]
        assert client.post("/v1/search", json=QUESTION).status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/metrics").status_code == 503  # who may scrape is known to the database
        administrator.exec_driver_sql(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true')
    server.dispose()
    readiness(client, 200)
    assert client.post("/v1/search", json=QUESTION).status_code == 200


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "away",
    [InterfaceError(None, None, Exception("closed")), PoolTimeout("none is free")],
    ids=["closed", "pool"],
)
def test_the_live_release_is_looked_for_again_soon_however_the_database_is_away(
    settings: Settings, away: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []

    def fail(connection: object) -> None:
        looks.append(connection)
        raise away

    monkeypatch.setattr("app.serving.WATCH_SECONDS", 0.01)
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    serving = Serving(settings, Database(engine), Models(settings))
    serving.lineup()
    event.listen(engine, "begin", fail)
    serving.watch()
    try:
        wait_for(lambda: (len(looks), serving.not_followed), lambda found: found[0] >= 3 or found[1])
        assert serving.not_followed is None
    finally:
        serving.close()
        engine.dispose()


def test_a_full_disk_of_the_database_is_told_and_mends(
    client: TestClient, upload: Upload, settings: Settings
) -> None:
    if settings.database_url is not None:
        pytest.skip("a disk of PostgreSQL's own would have to be full")
    upload(NOTE)
    engine = services_of(client).database.engine

    def fill(connection: Any, _record: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "connect", fill)
    engine.dispose()
    numbers = iter(range(1000))
    told = wait_for(
        lambda: _upload(client, next(numbers)), lambda response: response.status_code not in (200, 202)
    )
    assert (told.status_code, told.json()["type"]) == (507, PROBLEM + "disk-full")
    assert client.post("/v1/search", json=QUESTION).status_code == 200
    event.remove(engine, "connect", fill)
    engine.dispose()
    assert _upload(client, 1000).status_code == 202


def _upload(client: TestClient, number: int) -> Any:
    uri = f"https://docs.example/{number}/" + "a" * 1900
    return client.post(
        "/v1/documents", files={"file": ("n.md", f"Note {number}.".encode())}, data={"uri": uri}
    )


def test_a_full_disk_of_uploads_leaves_nothing_half_written(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.uploads.os.fsync", full)
        told = client.post("/v1/documents", files={"file": ("note.md", NOTE.encode())})
    assert (told.status_code, told.json()["type"]) == (507, PROBLEM + "disk-full")
    assert not [path for path in settings.blobs_folder.rglob("*") if path.is_file()]
    assert client.get("/v1/documents").json()["documents"] == []
    assert client.post("/v1/documents", files={"file": ("note.md", NOTE.encode())}).status_code == 202

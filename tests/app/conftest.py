"""A server with the real models, on SQLite and on PostgreSQL."""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from app.cli.program import app
from app.main import create_app
from app.model_folders import Model
from app.models import Models
from app.settings import Settings
from app.wiring import Services, build_services
from tests.conftest import ENCODER, GENERATOR, MODELS

Wait = Callable[[str], dict[str, Any]]
Upload = Callable[..., dict[str, Any]]
Run = Callable[..., Any]

READY_SECONDS = 120
SLOW_ON_POSTGRES = {  # models and files take their time, and SQLite holds the same in every run
    "test_answer_evaluations",
    "test_answers_http",
    "test_backups",
    "test_bad_input",
    "test_building",
    "test_evaluations",
    "test_learning",
    "test_learning_answers",
    "test_logs",
    "test_metrics",
    "test_outages",
    "test_pairs_http",
    "test_product_limits",
    "test_products_http",
    "test_releases",
    "test_releases_http",
    "test_reranker",
    "test_schema_fuzzing",
    "test_sources",
    "test_sources_http",
    "test_whole_syncs",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the dearest tests on PostgreSQL to ``make test-all``."""
    for item in items:
        if item.get_closest_marker("postgres") and item.path.stem in SLOW_ON_POSTGRES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def models(encoder_model: Model, small_generator_model: Model) -> Models:
    """The real models, loaded once for all tests."""
    return Models(Settings(models=MODELS, encoder=ENCODER, generator=GENERATOR))


@pytest.fixture
def short_answers(settings: Settings) -> Settings:
    """Little evidence and short answers, so that the real generator is quick."""
    return settings.model_copy(update={"evidence_passages": 2, "evidence_tokens": 200, "answer_tokens": 40})


@pytest.fixture
def client(short_answers: Settings, models: Models) -> Iterator[TestClient]:
    """A running server of an empty home."""
    with TestClient(create_app(short_answers, models), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def wait(client: TestClient) -> Wait:
    """Waits until a job has ended, and gives it."""

    def wait_for(job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
            if job["state"] not in ("waiting", "running"):
                return job
            time.sleep(0.05)
        raise TimeoutError(job_id)

    return wait_for


@pytest.fixture
def upload(client: TestClient, wait: Wait) -> Upload:
    """Uploads a text or bytes, waits for its job, and gives the response's body with the ``job``."""

    def upload_and_wait(content: str | bytes, name: str = "note.md", **form: str) -> dict[str, Any]:
        data = content.encode() if isinstance(content, str) else content
        response = client.post("/v1/documents", files={"file": (name, data)}, data=form)
        assert response.status_code in (200, 202), response.text
        body: dict[str, Any] = response.json()
        if body["job_id"] is not None:
            body["job"] = wait(body["job_id"])
        return body

    return upload_and_wait


@pytest.fixture
def own_models(
    settings: Settings, encoder_model: Model, small_generator_model: Model, tmp_path: Path
) -> Settings:
    """The same home with a folder of models of its own, where tests may put tuned ones."""
    models = tmp_path / "models"
    shutil.copytree(encoder_model.folder, models / ENCODER)
    (models / GENERATOR).symlink_to(small_generator_model.folder)
    return settings.model_copy(update={"models": models, "offline": True})


@pytest.fixture
def own_logging() -> Iterator[None]:
    """A test may configure the logs of this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # those of the test runner stay open
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def run(own_models: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs the command line in this home; its standard output, read as JSON if it was asked for."""
    environment = {
        "FOOTNOTE_HOME": str(own_models.home),
        "FOOTNOTE_MODELS": str(own_models.models),
        "FOOTNOTE_ENCODER": ENCODER,
        "FOOTNOTE_GENERATOR": GENERATOR,
        "FOOTNOTE_OFFLINE": "true",
    }
    if own_models.database_url is not None:
        environment["FOOTNOTE_DATABASE_URL"] = own_models.database_url
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def invoke(*arguments: str) -> Any:
        with redirect_stdout(StringIO()) as written:
            app(arguments, standalone_mode=False)
        return json.loads(written.getvalue()) if "--json" in arguments else written.getvalue()

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
    )  # as `main` does
    yield invoke
    structlog.reset_defaults()


@pytest.fixture
def services(own_models: Settings) -> Iterator[Services]:
    with closing(build_services(own_models)) as services:
        yield services

"""A server with the real models, on SQLite and on PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.model_folders import Model
from app.models import Models
from app.settings import Settings
from tests.conftest import ENCODER, GENERATOR, MODELS

Wait = Callable[[str], dict[str, Any]]
Upload = Callable[..., dict[str, Any]]

READY_SECONDS = 120


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

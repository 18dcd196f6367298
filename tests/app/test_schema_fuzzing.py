"""Requests made from the OpenAPI document, right and wrong: no 5xx, and no response that is not described.

Schemathesis sends them to a server that runs with the real models.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from app.cli.documents import ingest_files
from app.db.api_keys import Role, create_key
from app.main import create_app
from app.models import Models
from app.settings import Settings
from app.wiring import build_services

PROGRAM = Path(sys.executable).parent / "schemathesis"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
START_SECONDS = 120
LINES_OF_JSON = """
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def as_bytes(_context, value):
    return {"data": value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")}
"""


@contextmanager
def served(settings: Settings, models: Models) -> Iterator[str]:
    """The address of a server on a port of its own, in a thread."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings, models), port=0, log_level="error", access_log=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def key(short_answers: Settings, models: Models, tmp_path: Path) -> str:
    """An administrator's, of a home that has a document."""
    file = tmp_path / "lamp.md"
    file.write_text("# Lamp\n\nThe lamp L1 uses a bulb of 40 watts.\n")
    with closing(build_services(short_answers, models)) as services:
        ingest_files(services, [file], progress=lambda *_arguments: None)
        with services.database.writing() as session:
            return create_key(session, name="Ann", role=Role.ADMINISTER, now=datetime.now(UTC)).token


SOME = ("--phases", "fuzzing", "--max-examples", "1")
MANY = ("--max-examples", "20")


@pytest.mark.parametrize("extent", [SOME, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_request_is_answered_with_5xx_or_with_what_is_not_described(
    short_answers: Settings, models: Models, key: str, tmp_path: Path, extent: tuple[str, ...]
) -> None:
    (tmp_path / "lines.py").write_text(LINES_OF_JSON)
    (tmp_path / "schemathesis.toml").write_text('hooks = "lines"\n')
    with served(short_answers, models) as address:
        command = [str(PROGRAM), "run", f"{address}/openapi.json", "--header", f"Authorization: Bearer {key}"]
        command += ["--checks", ",".join(CHECKS), "--seed", "1", "--generation-deterministic", *extent]
        command += ["--continue-on-failure", "--no-color", "--warnings", "off"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=3600,
        )
    assert done.returncode == 0, done.stdout
    operations = sum(len(methods) for methods in create_app(short_answers).openapi()["paths"].values())
    assert f"Tested: {operations}\n" in done.stdout, done.stdout

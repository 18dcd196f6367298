"""What the service says of itself: every route described, every error a problem."""

import json
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings

STABLE = {
    ("POST", "/v1/documents"),
    ("GET", "/v1/documents"),
    ("GET", "/v1/documents/{document_id}"),
    ("DELETE", "/v1/documents/{document_id}"),
    ("GET", "/v1/documents/{document_id}/text"),
    ("POST", "/v1/search"),
    ("POST", "/v1/answers"),
    ("GET", "/v1/answers/{answer_id}"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job_id}"),
    ("GET", "/v1/indexes"),
    ("POST", "/v1/indexes"),
    ("GET", "/v1/evaluations"),
    ("GET", "/v1/evaluations/{run_id}"),
    ("GET", "/v1/evaluations/{run_id}/page"),
    ("GET", "/v1/releases"),
    ("GET", "/v1/releases/{release_id}"),
    ("POST", "/v1/releases"),
    ("POST", "/v1/releases/{release_id}/promote"),
    ("POST", "/v1/releases/rollback"),
    ("GET", "/v1/training-runs"),
    ("GET", "/v1/training-runs/{run_id}"),
    ("POST", "/v1/sources"),
    ("GET", "/v1/sources"),
    ("GET", "/v1/sources/{source_id}"),
    ("PATCH", "/v1/sources/{source_id}"),
    ("DELETE", "/v1/sources/{source_id}"),
    ("POST", "/v1/sources/{source_id}/sync"),
    ("POST", "/v1/sources/{source_id}/confirm"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
}


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, dict[str, dict[str, object]]]:
    document = create_app(Settings(home=tmp_path)).openapi()
    described: dict[str, dict[str, dict[str, object]]] = json.loads(json.dumps(document))["paths"]
    return described


def test_the_stable_interface_is_there(paths: dict[str, dict[str, dict[str, object]]]) -> None:
    there = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert there >= STABLE


def test_every_route_has_a_description(paths: dict[str, dict[str, dict[str, object]]]) -> None:
    for methods in paths.values():
        for operation in methods.values():
            assert operation.get("description"), operation.get("operationId")

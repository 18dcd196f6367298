"""Releases over HTTP: made and promoted by jobs, gone back from at once, on both databases."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.wiring import Services
from tests.app.conftest import Wait
from tests.app.devices import ADDRESS, write_devices

QUESTION = "How heavy is device 3?"
NOWHERE = "rel_none"


@pytest.fixture
def devices(client: TestClient, tmp_path: Path) -> TestClient:
    """A server with twelve documents."""
    write_devices(tmp_path / "docs")
    for path in sorted((tmp_path / "docs").iterdir()):
        body = {"uri": ADDRESS + path.name}
        response = client.post("/v1/documents", files={"file": (path.name, path.read_bytes())}, data=body)
        assert response.status_code == 202
    job = response.json()["job_id"]
    while client.get(f"/v1/jobs/{job}").json()["state"] in ("waiting", "running"):
        pass
    return client


def create(client: TestClient, wait: Wait, **wanted: str) -> str:
    job = wait(client.post("/v1/releases", json=wanted).raise_for_status().json()["job_id"])
    assert job["state"] == "succeeded", job
    release_id: str = job["result"]["release_id"]
    return release_id


def promote(client: TestClient, wait: Wait, release: str, **wanted: object) -> dict[str, Any]:
    started = client.post(f"/v1/releases/{release}/promote", json=wanted).raise_for_status()
    return wait(started.json()["job_id"])


def answered_by(client: TestClient) -> str | None:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    services.serving.follow()
    found = client.post("/v1/answers", json={"question": QUESTION}).raise_for_status()
    release: str | None = found.json()["versions"]["release"]
    return release


def test_a_release_is_made_promoted_and_gone_back_from(devices: TestClient, wait: Wait) -> None:
    release = create(devices, wait, note="first")
    (listed,) = devices.get("/v1/releases").json()["releases"]
    assert (listed["id"], listed["state"], listed["note"]) == (release, "candidate", "first")
    assert devices.post("/v1/releases/rollback", json={}).status_code == 409
    job = promote(devices, wait, release, force=True, reason="a try")
    assert job["result"] == {"promoted": True, "gate": None}
    assert answered_by(devices) == release
    shown = devices.get(f"/v1/releases/{release}").json()
    assert (shown["state"], shown["force_reason"]) == ("live", "a try")
    assert [event["kind"] for event in shown["events"]] == ["created", "forced"]
    back = devices.post("/v1/releases/rollback", json={"reason": "worse"}).raise_for_status().json()
    assert back["id"] == shown["replaced"]
    assert back["events"][-1]["detail"]["reason"] == "worse"
    assert answered_by(devices) == back["id"]


def test_the_gate_refuses_what_too_few_questions_can_not_show(devices: TestClient, wait: Wait) -> None:
    release = create(devices, wait)
    without_pairs = promote(devices, wait, release, pairs="dev")
    assert without_pairs["state"] == "failed"
    assert "no approved pair of the split 'dev'" in without_pairs["error"]
    wait(devices.post("/v1/qa-pairs/build", json={"write": 0}).raise_for_status().json()["job_id"])
    refused = promote(devices, wait, release, pairs="dev", answers=1)
    assert refused["state"] == "succeeded"
    assert not refused["result"]["promoted"]
    assert "can't decide anything, 30 is the least" in refused["result"]["gate"]["reasons"][0]
    shown = devices.get(f"/v1/releases/{release}").json()
    assert (shown["state"], shown["gate"]["passed"]) == ("candidate", False)


def test_what_can_not_be_done_is_a_problem(client: TestClient) -> None:
    for method, path, body, status, kind in (
        ("GET", f"/v1/releases/{NOWHERE}", None, 404, "release-not-found"),
        ("POST", f"/v1/releases/{NOWHERE}/promote", {}, 404, "release-not-found"),
        ("POST", f"/v1/releases/{NOWHERE}/promote", {"force": True}, 422, "invalid-request"),
        ("POST", f"/v1/releases/{NOWHERE}/promote", {"main": "nonsense"}, 422, "invalid-request"),
        ("POST", "/v1/releases/rollback", {"release_id": NOWHERE}, 409, "nothing-to-roll-back"),
        ("POST", "/v1/releases", {"encoders": "x"}, 422, "invalid-request"),
        ("GET", "/v1/training-runs/trn_none", None, 404, "training-run-not-found"),
    ):
        response = client.request(method, path, json=body)
        assert (response.status_code, response.json()["type"]) == (status, f"urn:footnote:problem:{kind}")
    assert client.get("/v1/training-runs").json() == {"training_runs": []}


def test_a_model_that_is_not_there_fails_the_job_and_says_so(devices: TestClient, wait: Wait) -> None:
    job = wait(devices.post("/v1/releases", json={"encoder": "run:trn_none"}).json()["job_id"])
    assert job["state"] == "failed"
    assert "run:trn_none" in job["error"]
    assert devices.get("/v1/releases").json() == {"releases": []}

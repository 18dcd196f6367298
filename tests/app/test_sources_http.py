"""``/v1/sources`` and ``footnote sources``, with the real jobs."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.observability import configure_logging
from tests.app.conftest import Run, Wait
from tests.app.syncing import write


@pytest.fixture(autouse=True)
def logs_on_standard_error(own_logging: None) -> None:
    configure_logging("warning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path / "docs",
        **{f"p{number}": f"# Part {number}\n\nIt weighs {number} g.\n" for number in range(6)},
    )
    return tmp_path / "docs"


def test_a_source_is_added_synced_and_confirmed_over_http(
    client: TestClient, wait: Wait, folder: Path
) -> None:
    request = {"kind": "folder", "name": "Parts", "location": str(folder), "uri_prefix": "parts:"}
    added = client.post("/v1/sources", json=request)
    assert (added.status_code, added.json()["removal_share"]) == (201, 0.2)
    address = f"/v1/sources/{added.json()['id']}"
    again = client.post("/v1/sources", json=request)
    assert (again.status_code, again.json()["type"]) == (422, "urn:footnote:problem:name-taken")

    started = client.post(f"{address}/sync")
    assert started.status_code == 202
    job = wait(started.json()["job_id"])
    assert (job["kind"], job["state"], job["result"]["added"]) == ("sync", "succeeded", 6)
    hits = client.post("/v1/search", json={"question": "What does part 4 weigh?", "k": 1}).json()["hits"]
    assert hits[0]["uri"] == "parts:p4.md"

    for path in folder.iterdir():
        path.unlink()
    job = wait(client.post(f"{address}/sync").json()["job_id"])
    assert (job["result"]["removed"], job["result"]["held"]) == (0, 6)
    shown = client.get(address).json()
    assert (shown["held"], shown["documents"], shown["sync_job"]) == (6, 6, job["id"])
    assert shown["held_removals"][0] | {"document_id": None} == {
        "key": "p0.md",
        "document_id": None,
        "uri": "parts:p0.md",
        "problem": None,
    }
    confirmed = client.post(f"{address}/confirm").json()
    assert confirmed["removed"] == 6
    assert wait(confirmed["job_id"])["state"] == "succeeded"
    assert client.get("/v1/documents").json()["documents"] == []
    assert client.post(f"{address}/confirm").json() == {"removed": 0, "job_id": None}


def test_a_source_is_changed_and_removed_over_http(client: TestClient, folder: Path) -> None:
    request = {"kind": "folder", "name": "Parts", "location": str(folder)}
    address = f"/v1/sources/{client.post('/v1/sources', json=request).json()['id']}"
    changed = client.patch(address, json={"schedule": "30 2 * * *", "zone": "Europe/Berlin"})
    assert (changed.status_code, changed.json()["schedule"]) == (200, "30 2 * * *")
    assert client.patch(address, json={"schedule": None}).json()["schedule"] is None
    refused = client.patch(address, json={"schedule": "often"})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:footnote:problem:invalid-source")
    assert client.get("/v1/sources").json()["sources"][0]["schedule"] is None

    assert client.delete(address).json() == {"removed": 0, "job_id": None}
    for gone in (
        client.get(address),
        client.delete(address),
        client.patch(address, json={}),
        client.post(f"{address}/sync"),
        client.post(f"{address}/confirm"),
    ):
        assert (gone.status_code, gone.json()["type"]) == (404, "urn:footnote:problem:source-not-found")


def test_a_sync_that_fails_for_good_says_why(client: TestClient, wait: Wait, folder: Path) -> None:
    request = {"kind": "folder", "name": "None", "location": f"{folder}/none"}
    source = client.post("/v1/sources", json=request).json()["id"]
    job = wait(client.post(f"/v1/sources/{source}/sync").json()["job_id"])
    assert job["state"] == "failed"
    assert "is not a folder here" in job["error"]
    assert client.get(f"/v1/sources/{source}").json()["sync_error"] == job["error"]


def test_a_source_from_adding_to_removing_on_the_command_line(run: Run, folder: Path) -> None:
    def sources(*arguments: str) -> Any:
        return run("sources", *arguments, "--json")

    added = sources("add", "folder", str(folder), "--name", "Parts", "--product", "Pump")
    assert (added["name"], added["product"], added["documents"]) == ("Parts", "Pump", 0)
    assert sources("sync", "Parts")["added"] == 6
    changed = sources("change", "Parts", "--schedule", "30 2 * * *", "--zone", "Europe/Berlin")
    assert (changed["schedule"], changed["zone"], changed["product"]) == (
        "30 2 * * *",
        "Europe/Berlin",
        "Pump",
    )
    assert sources("change", "Parts", "--schedule", "")["schedule"] is None
    for number in range(5):
        (folder / f"p{number}.md").unlink()
    assert sources("sync", added["id"])["held"] == 5
    assert [item["key"] for item in sources("show", "Parts")["held_removals"]][:2] == ["p0.md", "p1.md"]
    assert "footnote sources confirm" in run("sources", "show", "Parts")
    assert sources("confirm", "Parts")["removed"] == 5
    assert [(one["documents"], one["held"]) for one in sources("list")] == [(1, 0)]
    (folder / "empty.md").write_bytes(b"")
    assert [one["name"] for one in sources("sync", "Parts")["failed"]] == ["empty.md"]
    assert sources("remove", "Parts", "--documents")["removed"] == 1
    assert sources("list") == []


def test_a_failed_sync_that_is_retried_asks_the_source_again(
    client: TestClient, wait: Wait, folder: Path
) -> None:
    later = folder / "later"
    request = {"kind": "folder", "name": "Later", "location": str(later)}
    source = client.post("/v1/sources", json=request).json()["id"]
    job = wait(client.post(f"/v1/sources/{source}/sync").json()["job_id"])
    assert job["state"] == "failed"
    later.mkdir()
    (later / "note.md").write_text("# Note\n\nThe lamp has 40 watts.\n")
    again = wait(client.post(f"/v1/jobs/{job['id']}/retry").json()["id"])
    assert (again["state"], again["result"]["added"]) == ("succeeded", 1)
    assert client.get(f"/v1/jobs/{job['id']}").json()["state"] == "dismissed"

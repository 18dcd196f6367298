"""Bad files and bad questions: a clear error for each, and nothing else is disturbed."""

import os
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.cli.documents import ingest_files, print_summary
from app.models import Models
from app.settings import Settings
from app.wiring import build_services
from tests.app.conftest import Upload
from tests.bad_files import bad_files, encrypted_pdf, png

GOOD = "# Lamp\n\nThe lamp L1 uses a bulb of 40 watts."


def no_progress(_what: str, _done: int, _total: int) -> None:
    pass


def test_each_bad_file_of_a_folder_is_named_and_the_good_ones_go_in(
    settings: Settings, models: Models, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    expected = {name: pattern for name, (_, pattern) in bad_files().items()}
    for name, (data, _) in bad_files().items():
        (folder / name).write_bytes(data)
    (folder / "good.md").write_text(GOOD)
    (folder / "large.txt").write_bytes(b"a" * 2_000_001)
    (folder / "out").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder)
    services = build_services(settings.model_copy(update={"max_upload_bytes": 2_000_000}), models)
    summary = ingest_files(services, [folder], progress=no_progress)
    assert summary["stored"] == 1
    errors = {Path(failure["file"]).name: failure["error"] for failure in summary["failed"]}
    assert summary["skipped"] == {".png": 1}  # in a folder, a type that nothing reads is no failure
    del expected["picture.png"]
    expected |= {"large.txt": "larger than 2,000,000 bytes", "out": "out of the folder", "circle": "circle"}
    assert set(errors) == set(expected)
    for name, pattern in expected.items():
        assert re.search(pattern, errors[name], re.IGNORECASE), f"{name}: {errors[name]}"
    assert "40 watts" in services.search("What bulb does the lamp L1 use?", k=1).hits[0].text
    services.close()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_odd_names_and_equal_addresses_stop_no_other_file(
    settings: Settings, models: Models, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.md"))).write_text("# Cafe\n\nCoffee is hot.")
    (folder / "[red].md").write_text(GOOD)
    services = build_services(settings, models)
    summary = ingest_files(services, [folder], progress=no_progress)
    assert (summary["stored"], summary["failed"]) == (2, [])
    print_summary({**summary, "failed": [{"file": "[/tmp].md", "error": "[/red]"}]})
    other = tmp_path / "other"
    other.mkdir()
    (other / "[red].md").write_text("# Other\n\nAnother text.")
    twice = ingest_files(services, [folder, other], uri_prefix="https://d/", progress=no_progress)
    assert len(twice["failed"]) == 1
    assert "https://d/[red].md" in twice["failed"][0]["error"]
    services.close()


@pytest.mark.parametrize(
    ("name", "data", "status", "kind"),
    [
        ("empty.md", b"", 422, "empty-file"),
        ("picture.png", png(), 415, "unsupported-type"),
        ("program.exe", b"MZ\x90\x00" + bytes(range(256)) * 8, 415, "unsupported-type"),
        ("large.txt", b"a" * 50_000_001, 413, "upload-too-large"),
        ("huge.txt", b"a" * 50_200_000, 413, "upload-too-large"),
    ],
)
@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_an_upload_that_nothing_can_read_is_refused_at_once(
    client: TestClient, name: str, data: bytes, status: int, kind: str
) -> None:
    response = client.post("/v1/documents", files={"file": (name, data)})
    assert (response.status_code, response.json()["type"]) == (status, f"urn:footnote:problem:{kind}")
    assert response.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/documents").json()["documents"] == []


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_job_names_the_file_that_failed(client: TestClient, upload: Upload) -> None:
    upload(GOOD)
    failed = upload(encrypted_pdf(), "contract.pdf")
    (failure,) = failed["job"]["result"]["failed"]
    assert "contract.pdf" in failure["error"]
    assert "password" in failure["error"]
    assert client.post("/v1/search", json={"question": "lamp bulb"}).json()["hits"]


@pytest.mark.parametrize("path", ["/v1/search", "/v1/answers"])
def test_bad_questions_say_what_to_do(client: TestClient, upload: Upload, path: str) -> None:
    upload(GOOD, product="Lamps")
    for question in ("", " \n\t ", "x" * 2001):
        response = client.post(path, json={"question": question})
        assert response.status_code == 422
        assert response.json()["type"] == "urn:footnote:problem:invalid-request"
        assert "question" in response.json()["detail"]
    # PostgreSQL takes no NUL, and no tokenizer half of a surrogate pair: they are left out.
    assert client.post(path, json={"question": "bulb \x00 watts?"}).status_code == 200
    half = client.post(
        path, content='{"question": "bulb \\ud800?"}', headers={"Content-Type": "application/json"}
    )
    assert half.status_code == 200
    response = client.post(path, json={"question": "Bulb?", "products": ["Ovens"]})
    assert response.json()["type"] == "urn:footnote:problem:unknown-product"
    assert "Lamps" in response.json()["detail"]
    response = client.post(path, json={"question": "Bulb?", "typo": 1})
    assert response.status_code == 422
    assert "typo" in response.json()["detail"]
    for body in (b"{", b"\xff\xfe"):
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, "body" in response.json()["detail"]) == (422, True)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_unknown_addresses_and_ids_are_problems_too(client: TestClient) -> None:
    for method, path, status, kind in (
        ("GET", "/v1/nothing", 404, "no-such-address"),
        ("PUT", "/v1/search", 405, "method-not-allowed"),
        ("GET", "/v1/documents/doc_none", 404, "document-not-found"),
        ("GET", "/v1/documents/doc_none/text", 404, "document-not-found"),
        ("GET", "/documents/doc_none", 404, "document-not-found"),
        ("DELETE", "/v1/documents/doc_none", 404, "document-not-found"),
        ("GET", "/v1/answers/ans_none", 404, "answer-not-found"),
        ("GET", "/v1/jobs/job_none", 404, "job-not-found"),
        ("GET", "/v1/documents/doc_none/text?version=99999999999999999999", 422, "invalid-request"),
    ):
        response = client.request(method, path)
        assert (response.status_code, response.json()["type"]) == (status, f"urn:footnote:problem:{kind}")

"""Uploading, reading, replacing and deleting documents over HTTP, with the real encoder."""

from fastapi.testclient import TestClient

from app.settings import Settings
from tests.app.conftest import Upload, Wait

GUIDE = """# Frobnicator guide

## Installing

Install the frobnicator with `frob install --fast`. It needs 512 MB of memory.

## Cleaning

Clean the brass nozzle every 30 days with vinegar. Never use bleach.
"""


def hits(client: TestClient, question: str, **more: object) -> list[dict[str, object]]:
    response = client.post("/v1/search", json={"question": question, **more})
    assert response.status_code == 200, response.text
    found: list[dict[str, object]] = response.json()["hits"]
    return found


def test_a_document_is_found_by_its_exact_characters(client: TestClient, upload: Upload) -> None:
    body = upload(GUIDE, uri="https://docs.example/guide.md")
    assert body["job"]["state"] == "succeeded"
    assert body["job"]["result"]["stored"] == 1
    document = client.get(f"/v1/documents/{body['document_id']}").json()
    assert (document["title"], document["state"], document["media_type"]) == (
        "Frobnicator guide",
        "ready",
        "text/markdown",
    )
    text = client.get(f"/v1/documents/{body['document_id']}/text").json()["text"]
    best = hits(client, "How often must the nozzle be cleaned?")[0]
    assert best["text"] == text[best["start"] : best["end"]]
    assert "30 days" in str(best["text"])
    assert best["uri"] == "https://docs.example/guide.md"
    assert client.get("/v1/documents").json()["documents"][0]["passages"] == document["passages"] > 0


def test_the_same_bytes_are_stored_once(client: TestClient, upload: Upload) -> None:
    first = upload(GUIDE, uri="https://docs.example/a.md")
    again = client.post("/v1/documents", files={"file": ("copy.md", GUIDE.encode())})
    assert again.status_code == 200
    assert again.json() == {
        "document_id": first["document_id"],
        "version": 1,
        "outcome": "unchanged",
        "job_id": None,
    }
    assert len(client.get("/v1/documents").json()["documents"]) == 1


def test_other_bytes_under_the_same_address_make_a_new_version(client: TestClient, upload: Upload) -> None:
    first = upload(GUIDE, uri="https://docs.example/guide.md")
    second = upload(GUIDE.replace("30 days", "45 days"), uri="https://docs.example/guide.md")
    assert second["document_id"] == first["document_id"]
    assert (second["version"], second["outcome"]) == (2, "updated")
    found = hits(client, "How often must the nozzle be cleaned?")
    assert "45 days" in str(found[0]["text"])
    assert all(hit["document_version"] == 2 for hit in found)
    address = f"/v1/documents/{first['document_id']}/text"
    assert "30 days" in client.get(address, params={"version": 1}).json()["text"]
    assert "45 days" in client.get(address).json()["text"]


def test_a_broken_new_version_leaves_the_good_one_in_search(client: TestClient, upload: Upload) -> None:
    first = upload(GUIDE, uri="https://docs.example/guide")
    broken = upload(b"%PDF-1.7\nnothing of a PDF follows", "guide.pdf", uri="https://docs.example/guide")
    (failure,) = broken["job"]["result"]["failed"]
    assert "guide.pdf" in failure["error"]
    document = client.get(f"/v1/documents/{first['document_id']}").json()
    assert (document["state"], document["version"], document["current_version"]) == ("failed", 2, 1)
    assert "guide.pdf" in document["error"]
    assert "30 days" in str(hits(client, "How often must the nozzle be cleaned?")[0]["text"])


def test_a_deleted_document_disappears_at_once(client: TestClient, upload: Upload, wait: Wait) -> None:
    kept = upload("# Kettle\n\nThe kettle boils water in two minutes.", uri="https://docs.example/kettle")
    gone = upload(GUIDE, uri="https://docs.example/guide")
    assert client.delete(f"/v1/documents/{gone['document_id']}").status_code == 202
    found = hits(client, "nozzle vinegar frobnicator")
    assert {hit["document_id"] for hit in found} == {kept["document_id"]}
    assert client.get(f"/v1/documents/{gone['document_id']}").status_code == 404
    assert client.delete(f"/v1/documents/{gone['document_id']}").status_code == 404
    job = wait(client.post("/v1/indexes").json()["job_id"])
    assert job["state"] == "succeeded"
    live = next(index for index in client.get("/v1/indexes").json()["indexes"] if index["live"])
    assert live["documents"] == 1
    assert upload(GUIDE, uri="https://docs.example/guide")["outcome"] == "new"


def test_products_limit_the_search_and_unknown_ones_are_named(client: TestClient, upload: Upload) -> None:
    upload("# Reset\n\nHold the red button to reset the toaster.", product="Toaster")
    upload("# Reset\n\nTurn the blue dial to reset the oven.", product="Oven")
    found = hits(client, "How do I reset it?", products=["oven"])
    assert [("oven" in str(hit["text"])) for hit in found] == [True]
    refused = client.post("/v1/search", json={"question": "reset?", "products": ["Fridge"]})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["known_products"] == ["Oven", "Toaster"]


def test_near_duplicates_are_kept_and_reported(client: TestClient, upload: Upload) -> None:
    text = "# Care\n\n" + " ".join(f"Step {n} of the care plan wants patience and oil." for n in range(60))
    first = upload(text, uri="https://docs.example/1")
    second = upload(text + " And a cloth.", uri="https://docs.example/2")
    assert len(second["job"]["result"]["near_duplicates"]) == 1
    document = client.get(f"/v1/documents/{first['document_id']}").json()
    assert document["near_duplicates"] == [second["document_id"]]


def test_documents_are_found_by_a_part_of_their_address(client: TestClient, upload: Upload) -> None:
    places = ("https://docs.example/A_1/pump.md", "https://docs.example/A11/hose.md")
    ids = {uri: upload(f"# Note\n\nOf {uri}.\n", uri=uri)["document_id"] for uri in places}

    def found(address: str) -> list[str]:
        listed = client.get("/v1/documents", params={"address": address}).json()["documents"]
        return [one["id"] for one in listed]

    assert found("a_1/PUMP") == [ids[places[0]]]
    assert found("A_1") == [ids[places[0]]], "an underscore stands for itself"
    assert sorted(found("docs.example")) == sorted(ids.values())
    assert found("%") == []


def test_documents_are_listed_a_page_at_a_time(client: TestClient, upload: Upload) -> None:
    ids = {upload(f"# Note {n}\n\nNote number {n}.")["document_id"] for n in range(3)}
    seen: set[str] = set()
    after = None
    while True:
        page = client.get("/v1/documents", params={"limit": 2} | ({"after": after} if after else {})).json()
        seen |= {document["id"] for document in page["documents"]}
        after = page["next"]
        if after is None:
            break
    assert seen == ids


def test_a_product_is_one_in_any_case_of_its_letters(client: TestClient, upload: Upload) -> None:
    upload("# One\n\nThe Öl filter is round.", product="Ölfilter")
    upload("# Two\n\nThe Öl filter is red.", product="ölFILTER")
    assert len(hits(client, "filter", products=["ÖLFILTER"])) == 2


def test_another_product_for_the_same_bytes_reaches_the_search(client: TestClient, upload: Upload) -> None:
    upload("# Note\n\nThe note is short.", uri="https://docs.example/n", product="First")
    moved = upload("# Note\n\nThe note is short.", uri="https://docs.example/n", product="Second")
    assert moved["outcome"] == "updated"
    assert hits(client, "note", products=["Second"])
    assert not hits(client, "note", products=["First"])


def test_a_twin_keeps_its_text_when_the_other_changes(client: TestClient, upload: Upload) -> None:
    upload(GUIDE, uri="https://docs.example/a")
    assert upload(GUIDE, uri="https://docs.example/b")["outcome"] == "unchanged"
    upload("# Other\n\nNothing about cleaning any more.", uri="https://docs.example/a")
    assert upload(GUIDE, uri="https://docs.example/b")["outcome"] == "new"
    assert "30 days" in str(hits(client, "How often must the nozzle be cleaned?")[0]["text"])


def test_a_new_build_clears_what_a_killed_one_left(
    client: TestClient, upload: Upload, settings: Settings
) -> None:
    upload(GUIDE)
    left = settings.indexes_folder / ".idx_dead.building"
    left.mkdir()
    upload("# Other\n\nAnother note.")
    assert not left.exists()
    assert hits(client, "nozzle")

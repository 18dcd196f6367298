import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.conftest import Upload, Wait

PUMP = "# Pump\n\nThe pump moves water. Oil the impeller every 90 days. Its valve closes by itself.\n"
PRESS = "# Press\n\nThe press prints paper. Clean the nozzle weekly. Its tray holds 200 sheets.\n"
LEGAL = "# Imprint\n\nAll rights reserved. Written by the authors in 2026.\n"


@pytest.fixture
def stocked(client: TestClient, upload: Upload) -> TestClient:
    """A server that knows two products and a document about none."""
    upload(PUMP, "pump.md", product="Aqua Pump")
    upload(PRESS, "press.md", product="Ink Press")
    upload(LEGAL, "imprint.md")
    return client


def search(client: TestClient, question: str, **more: Any) -> dict[str, Any]:
    response = client.post("/v1/search", json={"question": question, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_products_are_listed_and_named(stocked: TestClient) -> None:
    assert stocked.get("/v1/products").json()["products"] == [
        {"name": "Aqua Pump", "aliases": [], "documents": 1, "questions": 0},
        {"name": "Ink Press", "aliases": [], "documents": 1, "questions": 0},
    ]
    named = stocked.put("/v1/products/aqua-pump", json={"aliases": ["AP1", "ap1", "Aqua pump", "Pumpe"]})
    assert named.status_code == 200
    assert named.json() == {"name": "Aqua Pump", "aliases": ["AP1", "Pumpe"], "documents": 1, "questions": 0}
    new = stocked.put("/v1/products/Stapler", json={})
    assert (new.status_code, new.json()["documents"]) == (201, 0)
    assert stocked.put("/v1/products/Aqua Pump", json={"aliases": []}).json()["aliases"] == []


def test_a_name_of_two_products_is_refused(stocked: TestClient) -> None:
    assert stocked.put("/v1/products/Aqua Pump", json={"aliases": ["AP1"]}).status_code == 200
    for name, alias in (
        ("Ink Press", "ap1"),
        ("Ink Press", "aqua_pump"),
        ("AP1", "new"),
        ("Third", "Ink Press"),
    ):
        refused = stocked.put(f"/v1/products/{name}", json={"aliases": [alias]})
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:footnote:problem:alias-taken"
        holder = "Ink Press" if name == "Third" else "Aqua Pump"
        assert holder in refused.json()["detail"]
        assert name in refused.json()["detail"]
    assert [one["aliases"] for one in stocked.get("/v1/products").json()["products"]] == [["AP1"], []]


def test_a_named_product_is_detected_and_told(stocked: TestClient) -> None:
    stocked.put("/v1/products/Aqua Pump", json={"aliases": ["AP1"]})
    found = search(stocked, "How often do I oil the AP1?")
    assert found["products"] == ["Aqua Pump"]
    [detected] = found["detected_products"]
    assert (detected["name"], detected["named"]) == ("Aqua Pump", True)
    assert 0.5 <= detected["probability"] <= 1
    assert {hit["title"] for hit in found["hits"]} == {"Pump", "Press", "Imprint"}  # nothing is held back
    assert found["hits"][0]["title"] == "Pump"


def test_a_question_about_two_products_names_both(stocked: TestClient) -> None:
    found = search(stocked, "Is the Ink Press louder than the Aqua Pump?")
    assert sorted(found["products"]) == ["Aqua Pump", "Ink Press"]
    assert {hit["title"] for hit in found["hits"][:2]} == {"Pump", "Press"}


def test_the_caller_overrules_what_is_detected(stocked: TestClient) -> None:
    stocked.put("/v1/products/Ink Press", json={"aliases": ["IP2"]})
    found = search(stocked, "How often do I oil the Aqua Pump?", products=["ip2"])
    assert found["products"] == ["ip2"]
    assert found["detected_products"] == []
    assert {hit["title"] for hit in found["hits"]} == {"Press"}


def test_one_product_alone_is_never_detected(client: TestClient, upload: Upload) -> None:
    upload(PUMP, "pump.md", product="Aqua Pump")
    upload(LEGAL, "imprint.md")
    found = search(client, "How often do I oil the Aqua Pump?")
    assert (found["products"], found["detected_products"]) == ([], [])
    assert found["hits"][0]["title"] == "Pump"


def test_an_upload_under_an_alias_is_about_the_product(stocked: TestClient, upload: Upload) -> None:
    stocked.put("/v1/products/Aqua Pump", json={"aliases": ["AP1"]})
    upload("# Hose\n\nThe hose is 20 metres long.\n", "hose.md", product="ap1")
    assert [one["documents"] for one in stocked.get("/v1/products").json()["products"]] == [2, 1]


def test_an_answer_tells_its_products_and_remembers_them(stocked: TestClient) -> None:
    answer = stocked.post("/v1/answers", json={"question": "How often is the Aqua Pump oiled?"}).json()
    assert answer["products"] == ["Aqua Pump"]
    assert [one["name"] for one in answer["detected_products"]] == ["Aqua Pump"]
    assert stocked.get(f"/v1/answers/{answer['id']}").json() == answer


ROWS = [
    {"question": "How do I oil it?", "product": "aqua pump"},
    {"question": "Pump or press?", "products": ["Aqua Pump", "Ink Press"]},
    {"question": "Who wrote this?", "products": []},
]


@pytest.mark.parametrize("form", ["lines", "list"])
def test_labelled_questions_are_stored_and_replaced(stocked: TestClient, form: str) -> None:
    body = "\n".join(map(json.dumps, ROWS)) if form == "lines" else json.dumps(ROWS)
    stored = stocked.post("/v1/products/questions", content=body)
    assert (stored.status_code, stored.json()) == (200, {"stored": 3})
    assert [one["questions"] for one in stocked.get("/v1/products").json()["products"]] == [2, 1]
    again = stocked.post(
        "/v1/products/questions", json=[{"question": "How do I oil it?", "product": "Ink Press"}]
    )
    assert again.json() == {"stored": 1}
    assert [one["questions"] for one in stocked.get("/v1/products").json()["products"]] == [1, 2]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "no labelled question"),
        (json.dumps(ROWS[0]) + "\n{", "line 2"),
        (
            json.dumps(ROWS[0]) + '\n{"question": "What?", "product": "Stapler"}',
            "line 2: no product 'Stapler'",
        ),
        (json.dumps([ROWS[0], {"question": "What?", "product": "Stapler"}]), "item 2: no product 'Stapler'"),
    ],
)
def test_broken_labels_are_told_and_nothing_is_stored(stocked: TestClient, body: str, told: str) -> None:
    refused = stocked.post("/v1/products/questions", content=body)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:footnote:problem:invalid-labels"
    assert told in refused.json()["detail"]
    if "Stapler" in told:
        assert "Aqua Pump, Ink Press" in refused.json()["detail"]
    assert [one["questions"] for one in stocked.get("/v1/products").json()["products"]] == [0, 0]


def test_labelled_questions_make_the_next_index_another_one(
    stocked: TestClient, upload: Upload, wait: Wait
) -> None:
    before = search(stocked, "oil")["index_version"]
    upload(LEGAL, "imprint.md")
    assert search(stocked, "oil")["index_version"] == before
    stocked.post("/v1/products/questions", json=ROWS)
    wait(stocked.post("/v1/indexes").json()["job_id"])
    assert search(stocked, "oil")["index_version"] != before

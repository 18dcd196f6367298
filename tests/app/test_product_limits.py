"""A key that is limited to one product never sees a word of another, whatever it asks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from app.api.access import RULES
from app.db.session import Database, migrate, open_engine
from app.db.tables import Document
from app.main import create_app
from app.models import Models
from app.qa.administration import NewPair, create_pair
from app.settings import Settings
from app.uploads import accept_upload
from tests.app.conftest import Wait
from tests.app.test_access import bearer, kind, routes

PUMP = "# Pump\n\nThe pump moves water. Oil its impeller every 90 days. The valve closes by itself.\n"
PRESS = "# Press\n\nThe press prints. Clean it with quixol every 17 days. Its vermilion tray holds sheets.\n"
IMPRINT = "# Imprint\n\nWritten by Zebedee, who cleans presses and pumps.\n"
SECRETS = ("quixol", "17 days", "vermilion", "crimson", "ink press", "zebedee", "# press")
CLEANING, UNJAMMING = "How often do I clean the press?", "How is the press unjammed?"
GAP = "Does the vermilion tray glow in the dark on Mars?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Ids of what is about the press, and keys: one sees all, one the pump alone."""

    document: str
    imprint: str
    pump: str
    pair: str
    answer: str
    search: str
    passage: str
    all: dict[str, str]
    pump_only: dict[str, str]


@pytest.fixture
def stocked(short_answers: Settings) -> str:
    """A home with documents and a pair that the server reads in one job when it starts; the pair's id."""
    engine = open_engine(short_answers.database)
    migrate(engine, short_answers.home)
    database, now = Database(engine), datetime.now(UTC)
    for text, name, product in (
        (PUMP, "pump", "Aqua Pump"),
        (PRESS, "press", "Ink Press"),
        (IMPRINT, "imprint", None),
    ):
        accept_upload(
            database,
            short_answers,
            data=text.encode(),
            name=f"{name}.md",
            uri=name,
            title=None,
            product=product,
            now=now,
        )
    pair = NewPair(question=UNJAMMING, answer="Pull the crimson lever.", evidence=(), product="Ink Press")
    pair_id, _ = create_pair(database, short_answers, pair, by="Ann", now=now)
    database.close()
    return pair_id


@pytest.fixture
def client(stocked: str, short_answers: Settings, models: Models) -> Iterator[TestClient]:
    """A server that starts when everything is stored."""
    with TestClient(create_app(short_answers, models), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def stock(stocked: str, client: TestClient, wait: Wait) -> Stock:
    (job,) = client.get("/v1/jobs").json()["jobs"]
    assert wait(job["id"])["state"] == "succeeded"
    ids = {one["uri"]: one["id"] for one in client.get("/v1/documents").json()["documents"]}
    found = client.post("/v1/search", json={"question": CLEANING}).json()
    answers = [client.post("/v1/answers", json={"question": one}).json()["id"] for one in (CLEANING, GAP)]
    for answer in answers:
        client.post("/v1/interactions", json={"answer_id": answer, "thumb": "down"})
    first = client.post("/v1/api-keys", json={"name": "Ann", "role": "administer"}).json()["key"]
    limited = {"name": "pumps", "role": "review", "products": ["Aqua Pump"]}
    return Stock(
        document=ids["press"],
        imprint=ids["imprint"],
        pump=ids["pump"],
        pair=stocked,
        answer=answers[0],
        search=found["search_id"],
        passage=next(hit["passage_id"] for hit in found["hits"] if hit["uri"] == "press"),
        all=bearer(first),
        pump_only=bearer(client.post("/v1/api-keys", json=limited, headers=bearer(first)).json()["key"]),
    )


def requests(stock: Stock) -> list[tuple[str, dict[str, Any]]]:
    """Every way to ask for something of the press, by its route."""
    evidence = {"document_id": stock.document, "version": 1, "start": 0, "end": 20}
    thumb, click = {"answer_id": stock.answer, "thumb": "up"}, {"answer_id": stock.answer, "citation": 99}
    hit = {"search_id": stock.search, "passage_id": stock.passage}
    asks = [{"question": question} for question in (CLEANING, UNJAMMING)]
    return [
        *(("POST /v1/search", {"json": ask}) for ask in asks),
        ("POST /v1/search", {"json": {"question": "Paper?", "products": ["Press"]}}),
        *(("POST /v1/answers", {"json": ask}) for ask in asks),
        *(("POST /v1/answers", {"json": {**ask, "stream": True}}) for ask in asks),
        ("GET /v1/answers/{answer_id}", {}),
        *(("POST /v1/interactions", {"json": said}) for said in (thumb, click, hit)),
        ("GET /v1/documents/{document_id}/text", {}),
        ("GET /documents/{document_id}", {}),
        ("GET /v1/documents", {}),
        ("GET /v1/documents/{document_id}", {}),
        ("POST /v1/documents", {"files": {"file": ("x.md", b"x")}, "data": {"product": "Press"}}),
        ("GET /v1/qa-pairs", {}),
        ("GET /v1/qa-pairs", {"params": {"text": "r"}}),
        ("GET /v1/qa-pairs", {"params": {"document_id": stock.document}}),
        ("POST /v1/qa-pairs", {"json": {"question": "What?", "answer": "That.", "evidence": [evidence]}}),
        ("GET /v1/qa-pairs/gaps", {}),
        ("GET /v1/qa-pairs/statistics", {}),
        ("POST /v1/qa-pairs/review", {"json": {"ids": [stock.pair], "decision": "approve"}}),
        ("GET /v1/qa-pairs/{pair_id}", {}),
        ("GET /v1/products", {}),
        ("PATCH /v1/qa-pairs/{pair_id}", {"json": {"answer": "Push."}}),
        ("DELETE /v1/documents/{document_id}", {}),
    ]


TELLS_NO_WORDS = {  # counts and ids only, or refused whoever asks
    "POST /v1/interactions",
    "POST /v1/documents",
    "DELETE /v1/documents/{document_id}",
    "GET /v1/qa-pairs/statistics",
}


def ask(client: TestClient, stock: Stock, route: str, **more: Any) -> Any:
    method, path = route.split(" ")
    ids = {"{document_id}": stock.document, "{answer_id}": stock.answer, "{pair_id}": stock.pair}
    return client.request(method, re.sub(r"\{\w+\}", lambda found: ids[found[0]], path), **more)


def told(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text.lower()]


def test_no_route_tells_of_another_product(client: TestClient, stock: Stock) -> None:
    wanted = requests(stock)
    described = set(routes(client.get("/openapi.json").json()))
    limited = {route for route in described if RULES[route].takes_limited}
    assert {route for route, _ in wanted} == limited  # a new route has to be asked here too
    for route, more in wanted:
        mine = ask(client, stock, route, headers=stock.pump_only, **more)
        assert mine.status_code < 500, mine.text
        assert told(mine.text) == [], (route, more)
    for route in described - limited:
        refused = client.request(*re.sub(r"\{\w+\}", "x", route).split(" "), headers=stock.pump_only)
        assert refused.status_code == 403 or RULES[route].role is None
        assert told(refused.text) == [], route
    telling = {
        route for route, more in wanted if told(ask(client, stock, route, headers=stock.all, **more).text)
    }
    assert telling == limited - TELLS_NO_WORDS  # else the words above would prove nothing


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_the_other_product_is_as_if_it_were_not_there(client: TestClient, stock: Stock) -> None:
    listed = client.get("/v1/documents", headers=stock.pump_only).json()["documents"]
    assert [one["id"] for one in listed] == [stock.pump]
    for unseen in (stock.document, stock.imprint):
        for path in (f"/v1/documents/{unseen}", f"/v1/documents/{unseen}/text", f"/documents/{unseen}"):
            assert client.get(path, headers=stock.pump_only).status_code == 404
        assert client.delete(f"/v1/documents/{unseen}", headers=stock.pump_only).status_code == 404
        assert client.get(f"/v1/documents/{unseen}", headers=stock.all).status_code == 200
    counted = client.get("/v1/qa-pairs/statistics", headers=stock.pump_only).json()
    assert (counted["by_origin"], counted["approved_by_split"]) == ({}, {})
    assert client.get("/v1/qa-pairs/statistics", headers=stock.all).json()["by_origin"]
    for change in ({"answer": "Push."}, {"question": "Why?"}):
        changed = client.patch(f"/v1/qa-pairs/{stock.pair}", json=change, headers=stock.pump_only)
        assert changed.status_code == 404
    reviewed = {"ids": [stock.pair], "decision": "reject"}
    assert client.post("/v1/qa-pairs/review", json=reviewed, headers=stock.pump_only).status_code == 404
    kept = client.get(f"/v1/qa-pairs/{stock.pair}", headers=stock.all).json()
    assert (kept["answer"], kept["status"]) == ("Pull the crimson lever.", "approved")


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_limited_key_sees_its_own_product_whole(client: TestClient, stock: Stock) -> None:
    headers = stock.pump_only
    found = client.post("/v1/search", json={"question": "How often is it oiled?"}, headers=headers).json()
    assert found["products"] == ["Aqua Pump"]
    assert "90 days" in found["hits"][0]["text"]
    clicked = {"search_id": found["search_id"], "passage_id": found["hits"][0]["passage_id"]}
    assert client.post("/v1/interactions", json=clicked, headers=headers).status_code == 201
    answer = client.post("/v1/answers", json={"question": "What colour is Saturn?"}, headers=headers).json()
    assert client.get(f"/v1/answers/{answer['id']}", headers=headers).json() == answer
    assert client.get(f"/v1/answers/{answer['id']}", headers=stock.all).json() == answer
    disliked = {"answer_id": answer["id"], "thumb": "down"}
    assert client.post("/v1/interactions", json=disliked, headers=headers).status_code == 201
    gaps = client.get("/v1/qa-pairs/gaps", headers=headers).json()["gaps"]
    assert [gap["question"] for gap in gaps] == ["What colour is Saturn?"]
    assert {near["document_id"] for near in gaps[0]["documents"]} == {stock.pump}
    every = client.get("/v1/qa-pairs/gaps", headers=stock.all).json()["gaps"]
    assert len(every) > len(gaps)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_what_a_limited_key_makes_is_of_its_product(
    client: TestClient, stock: Stock, short_answers: Any
) -> None:
    headers = stock.pump_only

    def upload(text: str, **form: str) -> Any:
        files = {"file": ("same.md", text.encode())}
        return client.post("/v1/documents", files=files, data=form, headers=headers)

    client.post("/v1/documents", files={"file": ("same.md", b"# Hose\n\nLong.")}, headers=stock.all)
    made = upload("# Hose\n\nLong.")  # the same bytes and name as a document that it can't see
    assert made.status_code == 202
    view = client.get(f"/v1/documents/{made.json()['document_id']}", headers=headers).json()
    assert view["product"] == "Aqua Pump"
    refused = upload("# Hose\n\nShort.", product="Stapler")
    assert (refused.status_code, kind(refused)) == (403, "product-refused")
    press = client.get(f"/v1/documents/{stock.document}", headers=stock.all).json()
    taken = upload("# Hose\n\nShort.", uri=press["uri"])
    assert (taken.status_code, kind(taken)) == (409, "address-taken")
    assert client.get(f"/v1/documents/{stock.document}", headers=stock.all).json() == press
    pair = {"question": "Who primes it?", "answer": "Nobody."}
    written = client.post("/v1/qa-pairs", json=pair, headers=headers)
    assert (written.status_code, written.json()["pair"]["product"]) == (201, "Aqua Pump")


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_document_that_moves_to_another_product_is_out_of_reach_at_once(
    client: TestClient, stock: Stock
) -> None:
    database = client.app.state.services.database  # type: ignore[attr-defined]
    question = {"question": "How often is the impeller oiled?"}
    before = client.post("/v1/search", json=question, headers=stock.pump_only).json()
    answer = client.post("/v1/answers", json=question, headers=stock.pump_only).json()
    assert before["hits"]
    assert answer["citations"]
    with database.writing() as session:
        press = session.get_one(Document, stock.document).product_id
        session.execute(update(Document).where(Document.id == stock.pump).values(product_id=press))
    after = client.post("/v1/search", json=question, headers=stock.pump_only).json()
    assert after["index_version"] == before["index_version"]
    assert after["hits"] == []
    assert client.get(f"/v1/answers/{answer['id']}", headers=stock.pump_only).status_code == 404
    assert client.get(f"/v1/answers/{answer['id']}", headers=stock.all).status_code == 200

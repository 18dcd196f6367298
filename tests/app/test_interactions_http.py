"""Clicks and thumbs over HTTP: judged against what was shown."""

import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.db.tables import Interaction, Search
from app.main import create_app
from app.models import Models
from app.settings import Settings
from app.wiring import Services
from tests.app.conftest import Upload

Json = dict[str, Any]

LAMP = """# Lamp L1

The lamp L1 uses a bulb of 40 watts.

## Cleaning

Wipe the shade of the lamp L1 with a dry cloth every 14 days.

## Storage

Store the lamp L1 in its box, away from rain.
"""
QUESTION = "How often must I wipe the shade?"


def search(client: TestClient, question: str = QUESTION) -> Json:
    response = client.post("/v1/search", json={"question": question})
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def rows(client: TestClient) -> list[Interaction]:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    with services.database.reading() as session:
        return list(session.scalars(select(Interaction).order_by(Interaction.created_at)))


def interact(client: TestClient, **body: object) -> tuple[int, Json]:
    response = client.post("/v1/interactions", json=body)
    return response.status_code, response.json()


def test_a_click_on_a_search_of_this_moment_is_judged_by_what_was_shown(
    client: TestClient, upload: Upload
) -> None:
    upload(LAMP)
    upload("# Shade\n\nA shade of glass costs 20 francs, one of paper 5.", "shade.md")
    found = search(client)
    second = found["hits"][1]["passage_id"]
    status, body = interact(client, search_id=found["search_id"], passage_id=second)
    assert status == 201, body
    assert interact(client, search_id=found["search_id"], passage_id=second) == (200, body)
    (row,) = rows(client)
    assert (row.id, row.kind, row.search_id, row.passage_id) == (
        body["id"],
        "click",
        found["search_id"],
        second,
    )
    assert (row.position, row.thumb, row.answer_id) == (2, None, None)
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    with services.database.reading() as session:
        recorded = session.get_one(Search, found["search_id"])
    assert recorded.question == QUESTION
    assert recorded.shown == [hit["passage_id"] for hit in found["hits"]]
    assert recorded.index_version == found["index_version"]


def test_a_thumb_for_a_passage_keeps_its_place_and_comment(client: TestClient, upload: Upload) -> None:
    upload(LAMP)
    found = search(client)
    hit = found["hits"][0]["passage_id"]
    for thumb in ("up", "down"):
        status, _ = interact(
            client, search_id=found["search_id"], passage_id=hit, thumb=thumb, comment="No date."
        )
        assert status == 201
    assert [(row.kind, row.thumb, row.position, row.comment) for row in rows(client)] == [
        ("thumb", "up", 1, "No date."),
        ("thumb", "down", 1, "No date."),
    ]


def test_a_click_on_a_footnote_leads_to_its_passage(client: TestClient, upload: Upload) -> None:
    upload(LAMP)
    answer = client.post("/v1/answers", json={"question": "How many watts has the bulb of lamp L1?"}).json()
    assert answer["status"] == "answered", answer
    status, body = interact(client, answer_id=answer["id"], citation=1)
    assert status == 201
    assert interact(client, answer_id=answer["id"], citation=1) == (200, body)
    (row,) = rows(client)
    (hit,) = [one for one in search(client)["hits"] if one["passage_id"] == row.passage_id]
    cited = answer["citations"][0]
    assert hit["start"] <= cited["start"] < cited["end"] <= hit["end"]
    assert (row.kind, row.position, row.answer_id) == ("click", 1, answer["id"])
    status, problem = interact(client, answer_id=answer["id"], citation=99)
    assert (status, problem["type"]) == (422, "urn:footnote:problem:unknown-citation")
    assert "it has the footnotes 1" in problem["detail"]
    assert interact(client, answer_id=answer["id"], thumb="up")[0] == 201


def test_a_refusal_has_no_footnote_to_click(client: TestClient, upload: Upload) -> None:
    upload(LAMP)
    answer = client.post("/v1/answers", json={"question": "Who won the world cup of 1954?"}).json()
    status, problem = interact(client, answer_id=answer["id"], citation=1)
    assert (status, answer["status"]) == (422, "abstained")
    assert "it has no footnotes" in problem["detail"]


def test_what_was_not_shown_or_is_unknown_is_refused(client: TestClient, upload: Upload) -> None:
    upload(LAMP)
    found = search(client)
    status, problem = interact(client, search_id=found["search_id"], passage_id="psg_none")
    assert (status, problem["type"]) == (422, "urn:footnote:problem:passage-not-shown")
    status, problem = interact(client, search_id="srch_none", passage_id=found["hits"][0]["passage_id"])
    assert (status, problem["type"]) == (404, "urn:footnote:problem:search-not-found")
    for body in ({"citation": 1}, {"thumb": "up"}):
        status, problem = interact(client, answer_id="ans_none", **body)
        assert (status, problem["type"]) == (404, "urn:footnote:problem:answer-not-found")
    assert rows(client) == []


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({}, "name a search_id or an answer_id"),
        ({"thumb": "up"}, "name a search_id or an answer_id"),
        ({"search_id": "s", "answer_id": "a", "passage_id": "p"}, "and not both"),
        ({"search_id": "s"}, "name a passage_id of its hits"),
        ({"search_id": "s", "thumb": "up"}, "name a passage_id of its hits"),
        ({"search_id": "s", "passage_id": "p", "citation": 1}, "and no citation"),
        ({"answer_id": "a", "passage_id": "p"}, "not a passage_id"),
        ({"answer_id": "a"}, "a citation that was clicked, or a thumb"),
        ({"answer_id": "a", "citation": 1, "thumb": "up"}, "a citation that was clicked, or a thumb"),
        ({"answer_id": "a", "citation": 1, "comment": "x"}, "a comment goes with a thumb"),
        ({"answer_id": "a", "citation": 0}, "greater than or equal to 1"),
        ({"answer_id": "a", "thumb": "sideways"}, "'up' or 'down'"),
        ({"answer_id": "a", "thumb": "up", "position": 1}, "Extra inputs"),
    ],
)
def test_an_interaction_says_one_thing(client: TestClient, body: Json, advice: str) -> None:
    response = client.post("/v1/interactions", json=body)
    assert response.status_code == 422
    assert response.json()["type"] == "urn:footnote:problem:invalid-request"
    assert advice in response.json()["detail"]


def test_clicks_at_the_same_moment_count_once(client: TestClient, upload: Upload) -> None:
    upload(LAMP)
    found = search(client)
    hit = found["hits"][0]["passage_id"]
    statuses: list[int] = []

    def click() -> None:
        statuses.append(interact(client, search_id=found["search_id"], passage_id=hit)[0])

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 7 + [201]
    assert len(rows(client)) == 1


def test_switched_off_no_search_is_recorded(settings: Settings, models: Models) -> None:
    off = settings.model_copy(update={"record_searches": False})
    with TestClient(create_app(off, models)) as client:
        files = {"file": ("lamp.md", LAMP.encode())}
        job = client.post("/v1/documents", files=files).json()["job_id"]
        while client.get(f"/v1/jobs/{job}").json()["state"] in ("waiting", "running"):
            pass
        found = search(client)
        assert found["search_id"] is None
        assert found["hits"]
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        services.search_log.flush()
        with services.database.reading() as session:
            assert session.scalars(select(Search)).all() == []

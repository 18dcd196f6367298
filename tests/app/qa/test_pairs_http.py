"""The question-answer database over HTTP, with the real encoder, on both databases."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.conftest import Upload, Wait

Json = dict[str, Any]
Build = Callable[[], Json]

FAQ = """# Frobnicator FAQ

## How often must the brass nozzle be cleaned?

Clean the brass nozzle every 30 days with vinegar. Never use bleach, since it eats the brass.

## Can I run two frobnicators on one cable?

No. Each frobnicator draws 12 amperes, and one cable carries 16.
"""
NOZZLE = "How often must the brass nozzle be cleaned?"
CABLE = "Can I run two frobnicators on one cable?"


@pytest.fixture
def build(client: TestClient, wait: Wait) -> Build:
    """Compiles pairs without the generator, waits, and gives the job's result."""

    def build_and_wait() -> Json:
        response = client.post("/v1/qa-pairs/build", json={"write": 0})
        assert response.status_code == 202, response.text
        job = wait(response.json()["job_id"])
        assert job["state"] == "succeeded", job
        result: Json = job["result"]
        return result

    return build_and_wait


def pairs(client: TestClient, **wanted: object) -> list[Json]:
    response = client.get("/v1/qa-pairs", params=wanted)
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["pairs"]
    return found


def pair_about(client: TestClient, words: str, **wanted: object) -> Json:
    (found,) = pairs(client, text=words, **wanted)
    return found


def ask(client: TestClient, question: str) -> Json:
    response = client.post("/v1/answers", json={"question": question})
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def via(client: TestClient, question: str) -> set[str]:
    response = client.post("/v1/search", json={"question": question})
    assert response.status_code == 200, response.text
    return {way for hit in response.json()["hits"] for way in hit["via"]}


def test_a_question_of_an_faq_is_answered_in_its_words(
    client: TestClient, upload: Upload, build: Build
) -> None:
    document = upload(FAQ, "faq.md", uri="https://docs.example/faq.md")
    assert build()["found"] == 2
    stored = pair_about(client, "nozzle")
    assert (stored["question"], stored["origin"], stored["status"]) == (NOZZLE, "authored", "approved")
    assert list(stored["scores"]) == ["well_formed", "found_again", "new", "safe"]
    answer = ask(client, "How often must I clean the brass nozzle?")
    assert (answer["curated"], answer["origin"], answer["pair_id"]) == (True, "curated", stored["id"])
    assert "every 30 days with vinegar" in answer["text"]
    text = client.get(f"/v1/documents/{document['document_id']}/text").json()["text"]
    for citation in answer["citations"]:
        assert citation["quote"] == text[citation["start"] : citation["end"]]
    assert {sentence["verdict"] for sentence in answer["sentences"]} == {"supported"}
    assert client.get(f"/v1/answers/{answer['id']}").json() == answer


def test_another_question_about_the_same_thing_is_not_answered_in_those_words(
    client: TestClient, upload: Upload, build: Build
) -> None:
    upload(FAQ, "faq.md")
    build()
    for question in ("How often must the steel nozzle be cleaned?", "Who cleaned the brass nozzle?"):
        assert not ask(client, question)["curated"]


def test_a_conversation_is_not_answered_in_a_pairs_words(
    client: TestClient, upload: Upload, build: Build
) -> None:
    upload(FAQ, "faq.md")
    build()
    turns = [{"question": "What is a frobnicator?", "answer": "A machine."}]
    response = client.post("/v1/answers", json={"question": NOZZLE, "conversation": turns})
    assert not response.json()["curated"]


def test_a_refused_pair_leaves_search_and_answers_at_once(
    client: TestClient, upload: Upload, build: Build
) -> None:
    upload(FAQ, "faq.md")
    build()
    assert "qa" in via(client, NOZZLE)
    for pair in pairs(client):
        body = {"ids": [pair["id"]], "decision": "reject", "by": "Ann", "note": "outdated"}
        assert client.post("/v1/qa-pairs/review", json=body).status_code == 200
    assert "qa" not in via(client, NOZZLE)
    assert not ask(client, NOZZLE)["curated"]
    refused = client.get(f"/v1/qa-pairs/{pairs(client)[0]['id']}").json()
    assert (refused["status"], refused["reason"], refused["reviewed_by"]) == ("rejected", "outdated", "Ann")
    assert [(event["by"], event["action"]) for event in refused["events"]] == [("Ann", "reject")]
    assert refused["events"][0]["before"]["status"] == "approved"
    build()
    assert {pair["status"] for pair in pairs(client)} == {"rejected"}, "a build must not revive it"


def test_a_review_of_many_is_done_whole_or_not_at_all(
    client: TestClient, upload: Upload, build: Build
) -> None:
    upload(FAQ, "faq.md")
    build()
    ids = [pair["id"] for pair in pairs(client)]
    response = client.post("/v1/qa-pairs/review", json={"ids": [*ids, "qa_none"], "decision": "reject"})
    assert response.status_code == 404
    assert response.json()["type"].endswith("qa-pair-not-found")
    assert {pair["status"] for pair in pairs(client)} == {"approved"}


def test_a_pair_whose_words_change_goes_stale_and_others_move_with_theirs(
    client: TestClient, upload: Upload, build: Build
) -> None:
    upload(FAQ, "faq.md", uri="https://docs.example/faq.md")
    build()
    kept, lost = pair_about(client, "cable"), pair_about(client, "vinegar")
    changed = FAQ.replace("# Frobnicator FAQ", "# Frobnicator FAQ\n\nRead this first.").replace("30", "45")
    upload(changed, "faq.md", uri="https://docs.example/faq.md")
    assert "qa" in via(client, CABLE)
    stale = client.get(f"/v1/qa-pairs/{lost['id']}").json()
    assert stale["status"] == "stale"
    assert not ask(client, NOZZLE)["curated"]
    moved = client.get(f"/v1/qa-pairs/{kept['id']}").json()
    (before,), (after,) = kept["evidence"], moved["evidence"]
    assert (moved["status"], after["version"]) == ("approved", 2)
    assert (after["quote"], after["start"] > before["start"]) == (before["quote"], True)
    refusal = client.post("/v1/qa-pairs/review", json={"ids": [lost["id"]], "decision": "approve"})
    assert refusal.json()["type"].endswith("invalid-evidence")
    build()
    fresh = pair_about(client, "45 days")
    assert (fresh["question"], fresh["id"] != lost["id"]) == (NOZZLE, True)


def test_deleting_a_document_takes_its_pairs_along(client: TestClient, upload: Upload, build: Build) -> None:
    body = upload(FAQ, "faq.md")
    upload("# Other\n\nThe hose is 20 metres long.", "other.md")
    build()
    assert ask(client, CABLE)["curated"]
    assert client.delete(f"/v1/documents/{body['document_id']}").status_code == 202
    assert pairs(client) == []
    assert "qa" not in via(client, CABLE)
    assert not ask(client, CABLE)["curated"]


def test_an_administrators_answer_is_its_own_evidence(client: TestClient, upload: Upload, wait: Wait) -> None:
    upload(FAQ, "faq.md")
    body = {"question": "Where do I return a frobnicator?", "answer": "Send it to depot 7.", "by": "Ann"}
    created = client.post("/v1/qa-pairs", json=body)
    assert created.status_code == 201, created.text
    wait(created.json()["job_id"])
    pair_id = created.json()["pair"]["id"]
    answer = ask(client, "Where do I return a frobnicator?")
    assert (answer["curated"], answer["pair_id"]) == (True, pair_id)
    assert answer["citations"][0]["quote"] == "Send it to depot 7."
    edited = client.patch(f"/v1/qa-pairs/{pair_id}", json={"answer": "Send it to depot 9.", "by": "Bob"})
    assert edited.status_code == 200, edited.text
    for job in client.get("/v1/jobs").json()["jobs"]:
        wait(job["id"])
    again = ask(client, "Where do I return a frobnicator?")
    assert "depot 9" in again["text"]
    assert again["citations"][0]["quote"] == "Send it to depot 9."
    history = client.get(f"/v1/qa-pairs/{pair_id}").json()["events"]
    assert [(event["by"], event["before"]["answer"]) for event in history] == [("Bob", "Send it to depot 7.")]


def test_evidence_that_is_not_there_is_refused(client: TestClient, upload: Upload) -> None:
    document_id = upload(FAQ, "faq.md")["document_id"]
    for evidence in (
        {"document_id": "doc_none", "version": 1, "start": 0, "end": 9},
        {"document_id": document_id, "version": 2, "start": 0, "end": 9},
        {"document_id": document_id, "version": 1, "start": 90_000, "end": 90_009},
    ):
        body = {"question": "Why?", "answer": "Because.", "evidence": [evidence]}
        response = client.post("/v1/qa-pairs", json=body)
        assert response.status_code == 422
        assert response.json()["type"].endswith("invalid-evidence"), response.text
    assert pairs(client) == []


def test_rows_of_a_table_become_pairs_and_bad_rows_are_told(
    client: TestClient, wait: Wait, upload: Upload
) -> None:
    upload(FAQ, "faq.md", uri="https://docs.example/faq.md")
    table = (
        "Question,Answer,uri\r\n"
        'How heavy is the crate?,"It weighs 40 kg, with\nthe lid.",\r\n'
        "Who paints the hull?,,\r\n"
        'Does the cable carry two?,"Each frobnicator draws 12 amperes, and one cable carries 16.",'
        "https://docs.example/faq.md\r\n"
    )
    response = client.post("/v1/qa-pairs/import", files={"file": ("staff.csv", table.encode("utf-8-sig"))})
    assert response.status_code == 202, response.text
    body = response.json()
    assert (body["rows"], body["located"], body["documents"]) == (2, 1, 1)
    (problem,) = body["problems"]
    assert problem.startswith("staff.csv, line 4:")
    for job_id in body["jobs"]:
        assert wait(job_id)["state"] == "succeeded"
    crate, cable = pair_about(client, "crate"), pair_about(client, "two?", origin="authored")
    assert crate["evidence"][0]["uri"] == "pairs:staff.csv"
    assert cable["evidence"][0]["uri"] == "https://docs.example/faq.md"
    assert cable["evidence"][0]["quote"].startswith("Each frobnicator draws 12 amperes")
    assert ask(client, "How heavy is the crate?")["curated"]


def test_a_table_without_the_columns_stores_nothing(client: TestClient) -> None:
    response = client.post("/v1/qa-pairs/import", files={"file": ("a.csv", b"topic,text\nfoo,bar\n")})
    assert response.status_code == 422
    assert "topic" in response.json()["detail"]
    assert client.get("/v1/documents").json()["documents"] == []


def test_the_same_question_with_two_answers_is_kept_twice_and_flagged(
    client: TestClient, wait: Wait, build: Build
) -> None:
    rows = "question,answer\nHow long is the hose?,It is 20 metres long.\n"
    others = "question,answer\nHow long is the hose?,The red one measures 35 feet and the blue one 12.\n"
    for name, table in (("a.csv", rows), ("b.csv", others)):
        body = client.post("/v1/qa-pairs/import", files={"file": (name, table.encode())}).json()
        for job_id in body["jobs"]:
            wait(job_id)
    first, second = pairs(client, text="hose")
    assert first["conflicts_with"] == [second["id"]]
    assert second["conflicts_with"] == [first["id"]]
    assert {first["status"], second["status"]} == {"approved", "pending"}
    assert first["split"] == second["split"]
    assert {pair["id"] for pair in pairs(client, conflicting=True)} == {first["id"], second["id"]}


def test_the_same_pair_from_two_places_is_merged_and_lends_its_evidence(
    client: TestClient, upload: Upload, build: Build
) -> None:
    upload(FAQ, "faq.md", uri="https://docs.example/faq.md")
    other = "# Handbook\n\nA book.\n\n" + FAQ.split("\n", 2)[2].split("## Can I", maxsplit=1)[0]
    twin = upload(other, "handbook.md", uri="https://docs.example/handbook.md")
    build()
    found = pairs(client, text="vinegar")
    assert {pair["status"] for pair in found} == {"approved", "duplicate"}
    (original,) = [pair for pair in found if pair["status"] == "approved"]
    (double,) = [pair for pair in found if pair["status"] == "duplicate"]
    assert double["duplicate_of"] == original["id"]
    gone = {pair["id"]: pair["evidence"][0]["document_id"] for pair in found}[original["id"]]
    assert client.delete(f"/v1/documents/{gone}").status_code == 202
    build()
    (left,) = pairs(client, text="vinegar")
    assert (left["id"], left["status"], left["duplicate_of"]) == (double["id"], "approved", None)
    assert twin["document_id"]


def test_personal_data_is_gone_before_anything_is_stored(client: TestClient, wait: Wait) -> None:
    secret = "jane.roe@corp-mail.net"
    table = f"question,answer\nWho repairs the pump?,Write to {secret} and wait a day for the reply.\n"
    body = client.post("/v1/qa-pairs/import", files={"file": ("a.csv", table.encode())}).json()
    for job_id in body["jobs"]:
        wait(job_id)
    pair = pair_about(client, "repairs")
    assert "[email]" in pair["answer"]
    assert (pair["status"], pair["scores"]["safe"] < 1) == ("pending", True)
    document_id = pair["evidence"][0]["document_id"]
    assert secret not in client.get(f"/v1/documents/{document_id}/text").text
    assert secret not in client.get("/v1/qa-pairs/export").text


def test_gaps_group_what_went_badly_by_meaning(client: TestClient, upload: Upload) -> None:
    upload(FAQ, "faq.md", uri="https://docs.example/faq.md")
    for question in (
        "Which insurance covers a broken Zyx400 screen?",
        "Does any insurance cover a broken Zyx400 screen?",
        "Who won the world cup of 1954 in Bern?",
    ):
        assert ask(client, question)["status"] == "abstained"
    (first, second) = client.get("/v1/qa-pairs/gaps").json()["gaps"]
    assert (first["count"], first["refused"], len(first["wordings"])) == (2, 2, 2)
    assert second["count"] == 1
    assert first["documents"][0]["uri"] == "https://docs.example/faq.md"


def test_a_thumb_down_makes_a_gap_of_an_answered_question(client: TestClient, upload: Upload) -> None:
    upload(FAQ, "faq.md")
    answer = ask(client, "How many amperes does each frobnicator draw?")
    assert client.get("/v1/qa-pairs/gaps").json()["gaps"] == []
    body = {"answer_id": answer["id"], "thumb": "down", "comment": "Which cable?"}
    assert client.post("/v1/interactions", json=body).status_code == 201
    (gap,) = client.get("/v1/qa-pairs/gaps").json()["gaps"]
    assert (gap["question"], gap["disliked"]) == ("How many amperes does each frobnicator draw?", 1)
    missing = client.post("/v1/interactions", json={"answer_id": "ans_none", "thumb": "up"})
    assert missing.status_code == 404


def test_pages_and_statistics(client: TestClient, upload: Upload, build: Build) -> None:
    upload(FAQ, "faq.md")
    build()
    first = client.get("/v1/qa-pairs", params={"limit": 1}).json()
    second = client.get("/v1/qa-pairs", params={"limit": 1, "after": first["next"]}).json()
    assert {first["pairs"][0]["question"], second["pairs"][0]["question"]} == {NOZZLE, CABLE}
    counted = client.get("/v1/qa-pairs/statistics").json()
    assert counted["by_origin"] == {"authored": {"approved": 2}}
    assert sum(counted["approved_by_split"].values()) == 2


def test_an_export_read_back_into_an_empty_home_is_the_same(
    client: TestClient, upload: Upload, build: Build, wait: Wait
) -> None:
    body = {"question": "Where do I return a frobnicator?", "answer": "Send it to depot 7.", "by": "Ann"}
    wait(client.post("/v1/qa-pairs", json=body).json()["job_id"])
    table = "question,answer\nHow long is the hose?,It is 20 metres long.\n"
    imported = client.post("/v1/qa-pairs/import", files={"file": ("a.csv", table.encode())}).json()
    for job_id in imported["jobs"]:
        wait(job_id)
    client.post("/v1/qa-pairs/review", json={"ids": [pairs(client)[0]["id"]], "decision": "reject"})
    export = client.get("/v1/qa-pairs/export").content
    for document in client.get("/v1/documents").json()["documents"]:
        client.delete(f"/v1/documents/{document['id']}")
    assert pairs(client) == []
    restored = client.post("/v1/qa-pairs/import", files={"file": ("pairs.jsonl", export)})
    assert restored.json()["problems"] == []
    for job_id in restored.json()["jobs"]:
        wait(job_id)
    again = client.get("/v1/qa-pairs/export").content

    def comparable(lines: bytes) -> list[Json]:
        rows = [json.loads(line) for line in lines.splitlines()]
        for row in rows:
            for evidence in row.get("pair", {}).get("evidence", []):
                del evidence["document_id"]
        return rows

    assert comparable(again) == comparable(export)

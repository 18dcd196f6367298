"""Asking over HTTP with the real encoder and a real, small generator."""

import json
from typing import Any

from fastapi.testclient import TestClient

from tests.app.conftest import Upload

KETTLE = """# Kettle K2

The kettle K2 boils one litre of water in 140 seconds. Its cable is 75 cm long.

## Descaling

Descale the kettle K2 every 60 days with citric acid. Rinse it twice afterwards.
"""
PAGE = "<script>alert(1)</script>"


def check_footnotes(client: TestClient, answer: dict[str, Any]) -> None:
    """Every footnote opens at the text it claims, and every sentence has one."""
    assert answer["sentences"]
    numbers = [citation["n"] for citation in answer["citations"]]
    assert numbers == list(range(1, len(numbers) + 1))
    for sentence in answer["sentences"]:
        assert sentence["verdict"] == "supported"
        assert sentence["citations"]
        assert set(sentence["citations"]) <= set(numbers)
        assert answer["text"][sentence["start"] : sentence["end"]].strip()
    for citation in answer["citations"]:
        address = f"/v1/documents/{citation['document_id']}/text"
        text = client.get(address, params={"version": citation["document_version"]}).json()["text"]
        assert citation["quote"] == text[citation["start"] : citation["end"]]


def test_an_answer_carries_footnotes_and_is_on_record(client: TestClient, upload: Upload) -> None:
    upload(KETTLE, uri="https://docs.example/kettle")
    response = client.post("/v1/answers", json={"question": "How often should I descale the kettle K2?"})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["status"] == "answered"
    assert "60 days" in answer["text"]
    check_footnotes(client, answer)
    assert set(answer["versions"]) == {"release", "index", "retriever", "reranker", "generator", "prompt"}
    assert client.get(f"/v1/answers/{answer['id']}").json() == answer


def test_a_streamed_answer_is_the_sum_of_its_sentences(client: TestClient, upload: Upload) -> None:
    upload(KETTLE, uri="https://docs.example/kettle")
    question = {"question": "How long does the kettle K2 need to boil water?", "stream": True}
    with client.stream("POST", "/v1/answers", json=question) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names[0] == "search_results"
    assert names[-1] == "final_answer"
    sentences = [part for name, part in zip(names, data, strict=True) if name == "sentence"]
    assert "".join(part["text"] for part in sentences) == data[-1]["text"]
    assert [part["sentence"] for part in sentences] == data[-1]["sentences"]
    check_footnotes(client, data[-1])


def test_a_question_that_the_documents_do_not_answer_is_refused_honestly(
    client: TestClient, upload: Upload
) -> None:
    upload(KETTLE, uri="https://docs.example/kettle")
    answer = client.post("/v1/answers", json={"question": "Who won the football world cup in 1998?"}).json()
    assert answer["status"] == "abstained"
    assert (answer["sentences"], answer["citations"], answer["confidence"]) == ([], [], 0)
    assert "Kettle K2" in answer["text"]  # what was found


def test_an_empty_index_refuses_and_no_index_says_so(client: TestClient, upload: Upload) -> None:
    early = client.post("/v1/answers", json={"question": "Anything?"})
    assert early.status_code == 503
    assert early.json()["type"] == "urn:footnote:problem:not-ready"
    only = upload(KETTLE)
    client.delete(f"/v1/documents/{only['document_id']}")
    answer = client.post("/v1/answers", json={"question": "How often should I descale the kettle K2?"}).json()
    assert answer["status"] == "abstained"


def test_a_conversation_is_part_of_what_is_searched_for(client: TestClient, upload: Upload) -> None:
    upload(KETTLE, uri="https://docs.example/kettle")
    upload("# Toaster T1\n\nClean the toaster T1 every 90 days.", uri="https://docs.example/toaster")
    turns = [{"question": "What is the kettle K2 descaled with?", "answer": "With citric acid."}]
    question = "And how often?"
    assert first_uri(client, {"question": question, "conversation": turns}) == "https://docs.example/kettle"
    turns = [{"question": "How is the toaster T1 cleaned?", "answer": "With a brush."}]
    assert first_uri(client, {"question": question, "conversation": turns}) == "https://docs.example/toaster"


def first_uri(client: TestClient, body: dict[str, object]) -> str:
    """Address of the best passage that a streamed answer says it found."""
    with client.stream("POST", "/v1/answers", json={**body, "stream": True}) as response:
        data = next(line for line in response.iter_lines() if line.startswith("data: "))
    uri: str = json.loads(data.removeprefix("data: "))["hits"][0]["uri"]
    return uri


def test_a_footnote_opens_as_a_page_without_the_documents_markup(client: TestClient, upload: Upload) -> None:
    body = upload(f"# Safety\n\nNever paste `{PAGE}` into the console.", uri="https://docs.example/safety")
    address = f"/documents/{body['document_id']}"
    text = client.get(f"/v1/documents/{body['document_id']}/text").json()["text"]
    start = text.index("Never")
    page = client.get(address, params={"version": 1, "start": start, "end": start + 5})
    assert page.status_code == 200
    assert '<mark id="cited">Never</mark>' in page.text
    assert PAGE not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_readiness_follows_models_and_index(client: TestClient, upload: Upload) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    upload(KETTLE)
    client.post("/v1/answers", json={"question": "How often should I descale the kettle K2?"})
    assert client.get("/readyz").json()["status"] == "ready"

"""Delete means gone: hidden at once, purged at the next build, receipted, and looked for."""

from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import MetaData, select

from app.cli.program import app
from app.db.deletions import DeletionNotFound, Place
from app.db.documents import DocumentNotFound
from app.db.evaluation_runs import add_evaluation
from app.db.tables import Document
from app.diagnosis import Level, diagnose_deletions
from app.evaluations.drafts import DraftStore
from app.evaluations.runs import describe_questions
from app.models import Models
from app.settings import load_settings
from app.wiring import Services, build_services
from finetune.suites import Question
from generator.models import Message
from tests.app.conftest import Run, Upload, Wait

SECRET = "zyxophrenum"
GUIDE = f"""# The {SECRET} guide

## How often is it cleaned?

The {SECRET} is cleaned every 30 days with vinegar and a soft brass brush.

## Installing

Install the {SECRET} with two screws on the north wall of the kitchen.
"""
KETTLE = "# Kettle\n\nThe kettle boils water in two minutes. Descale it with vinegar.\n"
QUESTION = "How often is it cleaned?"  # also that of a pair: readers' words are kept, so not the secret


def holds(value: bytes) -> bool:
    """Whether bytes hold the secret, plainly or in base64, as the job engine keeps results."""
    encoded = [b64encode(b"-" * shift + SECRET.encode())[4:-4] for shift in range(3)]
    return any(form in value for form in (SECRET.encode(), *encoded))


def tables_with_secret(services: Services) -> set[str]:
    """Every table with a row that holds it, the job engine's own tables too."""
    engine = services.database.engine
    tables = MetaData()
    for schema in ("dbos", None) if engine.dialect.name == "postgresql" else (None,):
        tables.reflect(engine, schema=schema)
    with engine.connect() as connection:
        return {
            table.name
            for table in tables.tables.values()
            for row in connection.execute(select(table))
            if any(holds(one if isinstance(one, bytes) else str(one).encode()) for one in row)
        }


def files_with_secret(home: Path) -> set[str]:
    """Every file whose bytes or name hold it."""
    files = (path for path in home.rglob("*") if path.is_file())
    return {path.name for path in files if holds(path.read_bytes()) or SECRET in path.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A document that left traces everywhere."""

    document_id: str
    answer_id: str


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


@pytest.fixture
def used(client: TestClient, services: Services, upload: Upload, wait: Wait) -> Used:
    upload(KETTLE, uri="https://docs.example/kettle")
    uri = f"https://docs.example/{SECRET}"
    document_id = upload(GUIDE, f"{SECRET}.md", uri=uri)["document_id"]
    upload(GUIDE + "\nIt may be painted.\n", f"{SECRET}-2.md", uri=uri)  # a second version
    broken = upload(b"%PDF-1.7\nnothing follows", f"{SECRET}.pdf", uri=uri)
    assert SECRET in str(broken["job"]["result"])
    wait(client.post("/v1/qa-pairs/build", json={"write": 0}).json()["job_id"])
    (pair,) = [one for one in client.get("/v1/qa-pairs").json()["pairs"] if one["question"] == QUESTION]
    client.patch(f"/v1/qa-pairs/{pair['id']}", json={"answer": f"The {SECRET}: every 30 days.", "by": "Bob"})
    wait(client.post("/v1/indexes").json()["job_id"])
    answer_id, hit = use(client, document_id)
    leave_evaluation(services, uri, hit)
    services.search_log.flush()
    return Used(document_id=document_id, answer_id=answer_id)


def use(client: TestClient, document_id: str) -> tuple[str, dict[str, Any]]:
    """An answer, a follow-up that gives it back, and a search with a click; the answer's id, and the hit."""
    answer = client.post("/v1/answers", json={"question": QUESTION}).json()
    assert answer["curated"], answer
    assert SECRET in answer["text"]
    turn = {"question": QUESTION, "answer": answer["text"]}
    refused = {"question": "Who wrote the opera about a flying Dutchman?", "conversation": [turn]}
    assert client.post("/v1/answers", json=refused).json()["status"] == "abstained"
    search = client.post("/v1/search", json={"question": QUESTION, "k": 5}).json()
    hit: dict[str, Any] = next(one for one in search["hits"] if one["document_id"] == document_id)
    click = {"search_id": search["search_id"], "passage_id": hit["passage_id"]}
    assert client.post("/v1/interactions", json=click).status_code == 201
    return answer["id"], hit


def leave_evaluation(services: Services, uri: str, hit: dict[str, Any]) -> None:
    """A report and a draft, as evaluations leave them."""
    asked = describe_questions([Question(id="q1", question=QUESTION, gold_documents=(uri,))])
    report = {
        "asked": [one.model_dump(mode="json") for one in asked],
        "worst": [{"id": "q1", "rank": 2, "found": [hit]}],
    }
    with services.database.writing() as session:
        add_evaluation(session, suite="s", subject={}, report=report, now=datetime.now(UTC))
    folder = services.settings.home / "evaluations"
    with closing(DraftStore(folder, lambda: datetime.now(UTC))) as drafts:
        drafts.add("g", {(Message("user", "q"),): f"The {SECRET} is cleaned."}, max_new_tokens=9)


def test_a_deleted_document_is_hidden_at_once_and_gone_after_the_next_build(
    client: TestClient, models: Models, wait: Wait, services: Services, used: Used
) -> None:
    settings, address = services.settings, f"/v1/documents/{used.document_id}"
    before = {"documents", "document_versions", "qa_pairs", "qa_events", "answers", "evaluation_runs"}
    on_server = settings.database_url is not None
    jobs = {"operation_outputs"} if on_server else set()
    assert before | jobs <= tables_with_secret(services)
    files = {"drafts.sqlite", "vocab.index.json"} | (set() if on_server else {"footnote.db", "jobs.db"})
    assert files <= {name.removesuffix("-wal") for name in files_with_secret(settings.home)}
    with closing(build_services(settings, models)) as other:  # another server on the same database
        assert SECRET in str(other.search(QUESTION, k=5))
        started = client.delete(address)
        assert SECRET not in str(other.search(QUESTION, k=5))
        assert SECRET not in str(other.ask(QUESTION))
    assert started.status_code == 202
    check_hidden(client, used)
    receipt = client.get(f"/v1/deletions/{started.json()['deletion_id']}").json()
    assert receipt["state"] == "open"
    assert "records of jobs: 1" in diagnose_deletions(settings)[0].found

    assert wait(client.post("/v1/indexes").json()["job_id"])["state"] == "succeeded"
    receipt = client.get(f"/v1/deletions/{receipt['id']}").json()
    assert client.get("/v1/deletions").json()["deletions"] == [receipt]
    assert receipt["state"] == "complete", receipt
    assert all(one["gone_at"] for one in receipt["places"])
    empty = {one["place"] for one in receipt["places"] if not one["found"]} - {Place.FREED_PAGES}
    assert empty == {Place.NEAR_DUPLICATES, Place.TRAINING}
    assert SECRET not in str(receipt)
    assert tables_with_secret(services) == set()
    assert files_with_secret(settings.home) == set()
    assert diagnose_deletions(settings)[0].level is Level.FINE
    assert client.get(f"/v1/answers/{used.answer_id}").json()["citations"] == []
    assert client.post("/v1/search", json={"question": "kettle"}).json()["hits"]


def check_hidden(client: TestClient, used: Used) -> None:
    """No address gives any of it, before any build."""
    address = f"/v1/documents/{used.document_id}"
    for gone in (address, f"{address}/text", f"/documents/{used.document_id}"):
        assert client.get(gone).status_code == 404
    for path in ("/v1/search", "/v1/answers"):
        assert SECRET not in client.post(path, json={"question": QUESTION}).text
    for path in (f"/v1/answers/{used.answer_id}", "/v1/qa-pairs", "/v1/documents"):
        assert SECRET not in client.get(path).text
    assert client.delete(address).json()["type"] == "urn:footnote:problem:document-not-found"
    assert client.get("/v1/deletions/del_none").json()["type"] == "urn:footnote:problem:deletion-not-found"


def test_the_command_line_deletes_and_shows_the_receipt(run: Run, tmp_path: Path) -> None:
    (tmp_path / "guide.md").write_text(GUIDE)
    run("ingest", str(tmp_path / "guide.md"))
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        document_id = session.scalars(select(Document.id)).one()
    receipt = run("documents", "delete", document_id, "--json")
    assert (receipt["document_id"], receipt["state"]) == (document_id, "open")
    with pytest.raises(DocumentNotFound, match=document_id):
        run("documents", "delete", document_id)
    assert app(["doctor", "--deletions"], standalone_mode=False) == 1  # it waits for the build
    run("reindex")
    assert run("deletions", "show", receipt["id"], "--json")["state"] == "complete"
    assert "complete" in run("deletions", "list")
    (finding,) = run("doctor", "--deletions", "--json")
    assert finding["level"] == "fine"
    with pytest.raises(DeletionNotFound, match="del_none"):
        run("deletions", "show", "del_none")

"""What Prometheus scrapes, beside a run whose every request was counted by hand."""

import errno
import json
import re
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.db.session import Database, migrate, open_engine
from app.job_runs import JobRuns, StepFailed
from app.jobs import JobQueue
from app.main import create_app
from app.metrics import Metrics
from app.models import Models
from app.settings import Settings
from app.wiring import Services, build_services
from app.workflows import Stopping
from tests.app.conftest import Upload
from tests.app.processes import footnote, start_command, wait_until

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
NOTE = "# Kettle K2\n\nDescale the kettle K2 every 60 days with citric acid.\n"
QUESTION = {"question": "How often should I descale the kettle K2?"}
UNKNOWN = {"question": "Who won the football world cup in 1998?"}


def scrape(client: TestClient) -> dict[str, Metric]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def value(metrics: Mapping[str, Metric], sample: str, **labels: str) -> float:
    """The value of the one sample with these labels, among others that it may have."""
    found = [
        one.value
        for family in metrics.values()
        for one in family.samples
        if one.name == sample and labels.items() <= one.labels.items()
    ]
    assert len(found) == 1, (sample, labels, found)
    return found[0]


def test_it_counts_what_was_done(client: TestClient, upload: Upload) -> None:
    before = scrape(client)
    assert value(before, "footnote_ready") == 0
    assert "footnote_index_items" not in before
    upload(NOTE)
    search = client.post("/v1/search", json=QUESTION).json()
    told = client.post("/v1/answers", json=QUESTION).json()
    refused = client.post("/v1/answers", json=UNKNOWN).json()
    assert (told["status"], refused["status"]) == ("answered", "abstained")
    client.post("/v1/answers", json={"question": ""})
    for path in ("/v1/documents/doc_one", "/v1/documents/doc_two", "/what/somebody/typed"):
        assert client.get(path).status_code == 404
    assert client.request("INVENTED", "/v1/documents").status_code == 405
    metrics = scrape(client)

    ask, stages = {"method": "POST", "route": "/v1/answers"}, "footnote_stage_duration_seconds"
    steps = "footnote_job_step_duration_seconds"
    counted: list[tuple[str, dict[str, str], float]] = [
        ("http_requests_total", {**ask, "status": "200"}, 2),
        ("http_requests_total", {**ask, "status": "422"}, 1),
        ("http_requests_total", {"route": "/v1/documents/{document_id}", "status": "404"}, 2),
        ("http_requests_total", {"route": "unmatched", "status": "404"}, 1),
        ("http_requests_total", {"method": "OTHER", "status": "405"}, 1),
        ("http_request_duration_seconds_count", ask, 3),
        (f"{stages}_count", {"stage": "encode"}, 3),  # one search, two answers
        (f"{stages}_count", {"stage": "search"}, 3),
        (f"{stages}_count", {"stage": "check"}, 2),
        (f"{stages}_count", {"stage": "generate"}, 1),  # nothing was written for the refusal
        (f"{stages}_sum", {"stage": "generate"}, told["timings_ms"]["generate"] / 1000),
        ("footnote_answers_total", {"status": "answered", "origin": told["origin"]}, 1),
        ("footnote_answers_total", {"status": "abstained", "origin": "none"}, 1),
        ("footnote_answers_in_progress", {}, 0),
        ("footnote_questions_turned_away_total", {}, 0),
        *(
            (f"{steps}_count", {"kind": "ingest", "step": step, "outcome": "ended"}, 1.0)
            for step in ("renew", "parse", "embed", "near_duplicates", "index", "outcome")
        ),
        ("footnote_ready", {}, 1),
        ("footnote_database_up", {}, 1),
        ("footnote_documents", {"state": "ready"}, 1),
        ("footnote_documents", {"state": "failed"}, 0),
        ("footnote_jobs", {"kind": "ingest", "state": "waiting"}, 0),
        ("footnote_jobs", {"kind": "qa", "state": "failed"}, 0),
        ("footnote_index_items", {"kind": "documents"}, 1),
        ("footnote_index_items", {"kind": "passages"}, len(search["hits"])),
        ("footnote_live_info", {"release": "none", **_named(told["versions"])}, 1),
    ]
    found = [value(metrics, sample, **labels) for sample, labels, _ in counted]
    assert found == pytest.approx([expected for *_, expected in counted], abs=1e-6)
    assert 0 < value(metrics, "footnote_index_age_seconds") < 600
    _check_documented(metrics)
    _check_timings(told["timings_ms"])


def _named(versions: dict[str, str]) -> dict[str, str]:
    return {name: versions[name] for name in ("index", "retriever", "generator", "prompt")}


def _check_documented(metrics: Mapping[str, Metric]) -> None:
    """docs/operations.md lists every metric of ours, and no other."""
    documented = set(re.findall(r"^\| `((?:http|footnote)_\w+)`", OPERATIONS.read_text(), re.MULTILINE))
    assert documented == {
        family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        for family in metrics.values()
        if family.name.startswith(("http_", "footnote_"))
    }


def _check_timings(spent: Mapping[str, float]) -> None:
    """Stages lie within what they are stages of; all in milliseconds, rounded to a tenth."""
    assert 0 < spent["generate"] < spent["generate"] + spent["check"] <= spent["generation"] + 0.2
    assert 0 < spent["encode"] <= spent["search"] < spent["total"]


def test_nothing_that_somebody_typed_becomes_a_label(client: TestClient, upload: Upload) -> None:
    upload(NOTE)
    secret = "PERSIMMON"
    for path in (f"/{secret}", f"/v1/documents/{secret}", f"/v1/jobs/{secret}"):
        client.get(path, headers={"X-Request-ID": secret})
    client.request(secret, "/healthz")
    client.post("/v1/search", json={"question": f"What is a {secret}?"})
    assert secret not in client.get("/metrics").text


def test_a_question_too_many_is_counted(short_answers: Settings, models: Models) -> None:
    settings = short_answers.model_copy(update={"waiting_answers": 1})
    with TestClient(create_app(settings, models), raise_server_exceptions=False) as client:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        assert services._asking.acquire(blocking=False)
        response = client.post("/v1/answers", json=QUESTION)
        assert response.json()["type"] == "urn:footnote:problem:busy"
        assert value(scrape(client), "footnote_questions_turned_away_total") == 1


def test_two_applications_in_one_process_count_for_themselves(settings: Settings, models: Models) -> None:
    other = settings.model_copy(update={"home": settings.home / "other", "database_url": None})
    with TestClient(create_app(other, models)) as one:
        one.get("/healthz")
        assert value(scrape(one), "http_requests_total", route="/healthz") == 1
    with TestClient(create_app(other, models)) as two:
        assert not scrape(two)["http_requests"].samples


def test_a_scrape_outlives_the_database(client: TestClient) -> None:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    with services.database.writing() as session:
        session.connection().exec_driver_sql("ALTER TABLE index_versions RENAME TO gone")
    metrics = scrape(client)
    assert value(metrics, "footnote_database_up") == value(metrics, "footnote_ready") == 0
    assert "footnote_jobs" not in metrics
    with services.database.writing() as session:
        session.connection().exec_driver_sql("ALTER TABLE gone RENAME TO index_versions")
    assert value(scrape(client), "footnote_database_up") == 1


def test_a_worker_tells_of_its_steps(settings: Settings, tmp_path: Path) -> None:
    with closing(build_services(settings)) as services, closing(JobQueue(services)) as queue:
        worker = start_command(settings, tmp_path, "worker", "--metrics-port", "0", "--json")
        printed = tmp_path / "stdout"
        wait_until(lambda: printed.read_text().endswith("}\n") if printed.exists() else False)
        port = json.loads(printed.read_text())["metrics_port"]
        job = queue.reindex()
        wait_until(lambda: queue.get(job).state == "succeeded")
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        worker.terminate()
        worker.join(60)
    assert worker.exitcode == 0
    metrics = {family.name: family for family in text_string_to_metric_families(text)}
    step = {"kind": "ingest", "step": "index", "outcome": "ended"}
    assert value(metrics, "footnote_job_step_duration_seconds_count", **step) == 1
    assert value(metrics, "process_resident_memory_bytes") > 0


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_worker_says_that_its_port_is_taken(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = footnote(settings.home, "worker", "--metrics-port", str(port))
    assert done.returncode == 1
    assert f"can't serve metrics on 127.0.0.1:{port} (Address already in use); give another" in " ".join(
        done.stderr.split()
    )


def test_steps_that_fail_are_told_from_those_that_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.failures.PAUSES_SECONDS", (0.01,))
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    with closing(Database(engine)) as database:
        metrics = Metrics()
        runs = JobRuns(database, metrics)
        tries = iter([OSError(errno.EIO, "Input/output error"), None])

        def work() -> None:
            if (problem := next(tries)) is not None:
                raise problem

        with runs.begin("job_1", "ingest") as run:
            run.step("parse", work)
            with pytest.raises(StepFailed):
                run.step("index", lambda: 1 // 0)
            run.stop()
            with pytest.raises(Stopping):
                run.step("outcome", lambda: None)
    text = metrics.render()[0].decode()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    for step, outcome in (("parse", "ended"), ("index", "failed"), ("outcome", "stopped")):
        labels = {"kind": "ingest", "step": step, "outcome": outcome}
        assert value(found, "footnote_job_step_duration_seconds_count", **labels) == 1
    assert value(found, "footnote_job_steps_retried_total", kind="ingest", step="parse") == 1

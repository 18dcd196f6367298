"""``footnote evaluate`` and ``/v1/evaluations``, with the real encoder on both databases."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import typer
from fastapi.testclient import TestClient
from safetensors.numpy import load_file, save_file
from sqlalchemy import func, select, update

from app.db.evaluation_runs import EvaluationNotFound, add_evaluation
from app.db.tables import Document, Embedding, Product, QAPair
from app.db.training_runs import begin_run, end_run
from app.evaluations.questions import pair_questions
from app.main import create_app
from app.model_folders import tuned_folder, write_manifest
from app.models import Models
from app.settings import Settings
from app.wiring import Services, build_services
from finetune.comparison import NotComparable
from tests.app.conftest import Run
from tests.conftest import ENCODER
from tests.evaluation_runs import make_run

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PUMP = """# Pump P3

## How often must the pump P3 be oiled?

Oil the pump P3 every 90 days with machine oil of grade 32.

## How much water does the pump move?

The pump moves 12 litres of water a minute at 3 bar.
"""
HOSE = """# Hose

## How long is the garden hose?

The garden hose is 20 metres long and 13 millimetres wide.
"""
TABLE = "question,answer\nHow heavy is the crate?,It weighs 40 kg with its lid.\n"


@pytest.fixture
def pairs(run: Run, services: Services, tmp_path: Path) -> list[str]:
    """A home with three pairs of documents and one of a table, all of the split dev; ids of the three."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text(PUMP)
    (docs / "hose.md").write_text(HOSE)
    (tmp_path / "staff.csv").write_text(TABLE)
    run("ingest", str(docs), "--uri-prefix", "https://docs.example/")
    run("qa", "import", str(tmp_path / "staff.csv"))
    with services.database.writing() as session:
        session.execute(update(QAPair).values(split="dev"))
        rows = session.execute(select(QAPair.id, QAPair.question, QAPair.status)).all()
    assert {row.status for row in rows} == {"approved"}
    return sorted(row.id for row in rows if "crate" not in row.question)


def tune(settings: Settings, services: Services) -> str:
    """A training run of this home that is done, with weights of its own."""
    models = settings.models_folder
    with services.database.writing() as session:
        run_id = begin_run(session, "retriever", base="base", report={}, now=NOW)
        end_run(session, run_id, state="done", fingerprint="f", now=NOW)
    folder = tuned_folder(models, run_id)
    shutil.copytree(models / ENCODER, folder)
    (folder / "manifest.json").unlink()
    weights = load_file(folder / "model.safetensors")
    generator = np.random.default_rng(0)
    key = "embeddings.word_embeddings.weight"
    weights[key] = weights[key] + generator.normal(0, 0.5, weights[key].shape).astype(weights[key].dtype)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_manifest(folder, "a test")
    return run_id


def count_embeddings(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Embedding)) or 0


def test_pairs_are_asked_of_both_encoders_and_every_run_is_kept(
    run: Run, pairs: list[str], services: Services, own_models: Settings, tmp_path: Path
) -> None:
    tuned = tune(own_models, services)
    page = tmp_path / "page.html"
    first, second = run("evaluate", "--json", "--html", str(page))["runs"]
    assert [one["subject"]["encoder"] for one in (first, second)] == [ENCODER, f"run:{tuned}"]
    assert first["subject"]["encoder_fingerprint"] != second["subject"]["encoder_fingerprint"]
    assert first["suite"] == "pairs dev"
    assert first["subject"]["index"]["questions"] == 0, "what is asked is not in the index"
    report = first["report"]
    assert sorted(question["id"] for question in report["asked"]) == pairs
    assert report["left_out"] == 1, "the pair of the table finds itself"
    for variant in ("fused", "dense", "bm25"):
        assert report["variants"][variant]["measures"]["hit@10"]["mean"] == 1
        assert report["variants"][variant]["measures"]["passage hit@10"]["mean"] == 1
    (comparison,) = second["report"]["comparisons"]
    assert comparison["run"] == first["id"]
    assert list(comparison["variants"]) == ["fused", "dense"]
    means = [one["report"]["variants"]["dense"]["measures"]["mrr@10"]["mean"] for one in (first, second)]
    difference = comparison["variants"]["dense"]["differences"]["mrr@10"]
    assert difference["mean"] == pytest.approx(means[1] - means[0])
    assert difference["better"] + difference["worse"] + difference["equal"] == 3
    assert f"run:{tuned}, fused" in page.read_text()


def test_runs_are_listed_shown_compared_and_exported(
    run: Run, pairs: list[str], services: Services, own_models: Settings, tmp_path: Path
) -> None:
    tuned = tune(own_models, services)
    page = tmp_path / "page.html"
    first, second = run("evaluate", "--json", "--html", str(page))["runs"]
    (comparison,) = second["report"]["comparisons"]
    embedded = count_embeddings(services)
    (again,) = run("evaluate", "--encoder", f"run:{tuned}", "--against", first["id"], "--json")["runs"]
    assert count_embeddings(services) == embedded, "vectors were kept"
    assert again["report"]["comparisons"][0]["variants"] == comparison["variants"]

    listed = run("evaluate", "list", "--json")
    assert [one["id"] for one in listed] == [again["id"], second["id"], first["id"]]
    assert listed[2]["summary"]["fused"]["hit@10"] == 1
    assert run("evaluate", "list", "--suite", "other", "--json") == []
    assert f"{first['id']}  {first['created_at'][:10]}" in run("evaluate", "list")
    assert run("evaluate", "show", second["id"], "--json") == second
    compared = run("evaluate", "compare", first["id"], second["id"], "--json")
    assert compared == comparison
    exported = tmp_path / "run.json"
    run("evaluate", "export", second["id"], str(exported))
    assert json.loads(exported.read_text()) == second
    run("evaluate", "export", second["id"], str(tmp_path / "run.html"))
    assert (tmp_path / "run.html").read_text() == page.read_text()
    shown = run("evaluate", "show", second["id"], "--worst", "20")
    assert "passage mrr@10" in shown
    assert f"run:{tuned} ({second['id']}) minus {ENCODER}" in " ".join(shown.split())


def test_pairs_are_asked_in_an_order_of_their_words(pairs: list[str], services: Services) -> None:
    turned = pairs[::-1]  # ids are drawn anew in every home
    with services.database.writing() as session:
        for place, pair_id in enumerate(turned):
            session.execute(update(QAPair).where(QAPair.id == pair_id).values(question=f"What is {place}?"))
    asked = pair_questions(services.database, services.settings, "dev")
    assert [one.id for one in asked.questions] == turned


def test_what_can_not_be_done_is_told(run: Run, pairs: list[str], services: Services) -> None:
    with pytest.raises(typer.BadParameter, match="not both"):
        run("evaluate", "--suite", "a", "--pairs", "dev")
    with pytest.raises(typer.BadParameter, match=r"page\.pdf must end in \.json or \.html"):
        run("evaluate", "export", "evl_none", "page.pdf")
    with pytest.raises(EvaluationNotFound, match="evl_none"):
        run("evaluate", "show", "evl_none")
    (before,) = run("evaluate", "--json")["runs"]
    with services.database.writing() as session:
        session.execute(update(QAPair).where(QAPair.id == pairs[0]).values(split="train"))
    with pytest.raises(NotComparable, match="1 of its questions are not asked now, 0 are new, 0 have other"):
        run("evaluate", "--against", before["id"])
    (after,) = run("evaluate", "--json")["runs"]
    with pytest.raises(NotComparable, match=f"run {before['id']}"):
        run("evaluate", "compare", before["id"], after["id"])
    assert len(run("evaluate", "list", "--json")) == 2, "what was refused was not kept"


def write_suite(folder: Path) -> Path:
    for name, text in (("p/pump.md", PUMP), ("p/deep/hose.md", HOSE), ("index.md", "# Index\n\nThe start.")):
        path = folder / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    manifest = {
        "name": "tiny",
        "documents": "documents",
        "uri_prefix": "https://d/",
        "products": {"p": "Pump", "p/deep": "Hose"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    oil = {"uri": "https://d/p/pump.md", "quote": "every 90 days with   machine oil"}
    near = {"uri": "https://d/index.md", "quote": "The start."}
    nowhere = {"uri": "https://d/p/deep/hose.md", "quote": "words that stand nowhere"}
    questions: list[dict[str, object]] = [
        {
            "id": "1",
            "question": "How do I oil the pump?",
            "gold_passages": [oil],
            "answers": ["Every 90 days."],
            "product": "Pump",
        },
        {"id": "2", "question": "Length of the hose?", "gold_passages": [nowhere], "product": "Hose"},
        {"id": "3", "question": "Where is the key?", "gold_documents": ["https://d/lost.md"]},
        {"id": "4", "question": "Who paints the hull?", "answerable": False, "shown_passages": [near]},
    ]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    return folder


def test_a_suite_is_ingested_with_its_products_and_asked(
    run: Run, own_models: Settings, tmp_path: Path
) -> None:
    suite = write_suite(tmp_path / "suite")
    table = run("evaluate", "--suite", str(suite), "--worst", "1")
    assert "1 questions can't be answered" in table
    assert "Where is the key?" in table
    assert "not among the documents found" in table
    (found,) = run("evaluate", "--suite", str(suite), "--json")["runs"]
    report = found["report"]
    assert (found["suite"], len(report["asked"]), report["unanswerable"]) == ("tiny", 3, 1)
    assert (report["not_located"], report["missing_documents"]) == (1, ["https://d/lost.md"])
    fused = report["variants"]["fused"]
    outcomes = {outcome["id"]: outcome for outcome in fused["outcomes"]}
    assert (outcomes["1"]["rank"], outcomes["1"]["passage_rank"]) == (1, 1)
    assert "passage hit@10" not in outcomes["2"]["values"]
    assert fused["measures"]["hit@10"]["mean"] == pytest.approx(2 / 3)
    assert [miss["id"] for miss in fused["worst"]] == ["3"]
    assert fused["worst"][0]["found"][0]["uri"].startswith("https://d/")
    assert {name: group["questions"] for name, group in fused["by_product"].items()} == {"Hose": 1, "Pump": 1}
    inside = build_services(Settings(home=own_models.home / "evaluations" / "tiny", database_url=None))
    with inside.database.reading() as session:
        products = session.execute(
            select(Document.uri, Product.name).outerjoin(Product, Product.id == Document.product_id)
        ).all()
    inside.close()
    assert {row.uri: row.name for row in products} == {
        "https://d/p/pump.md": "Pump",
        "https://d/p/deep/hose.md": "Hose",
        "https://d/index.md": None,
    }


@pytest.fixture
def page_client(settings: Settings, models: Models) -> Iterator[TestClient]:
    with TestClient(create_app(settings, models), raise_server_exceptions=False) as client:
        yield client


def test_runs_are_read_over_http(page_client: TestClient, settings: Settings) -> None:
    hostile = "<script>alert(1)</script>"
    services = build_services(settings)
    ids: list[str] = []
    for day in (1, 2):
        earlier = [make_run(one, {f"q{n}": n for n in range(12)}, hostile) for one in ids]
        made = make_run("any", {f"q{n}": n for n in range(12)}, hostile, *earlier)
        with services.database.writing() as session:
            run_id = add_evaluation(
                session,
                suite=made.suite,
                subject=made.subject.model_dump(mode="json"),
                report=made.report.model_dump(mode="json"),
                now=NOW.replace(day=day),
            )
        ids.append(run_id)
    services.close()
    listed = page_client.get("/v1/evaluations").json()["evaluations"]
    assert [one["id"] for one in listed] == list(reversed(ids))
    assert (listed[0]["suite"], listed[0]["summary"]) == (hostile, {"questions": 12})
    assert "report" not in listed[0]
    assert page_client.get("/v1/evaluations", params={"suite": "none"}).json() == {"evaluations": []}
    body = page_client.get(f"/v1/evaluations/{ids[1]}").json()
    assert body["report"]["variants"]["fused"]["outcomes"][3]["rank"] == 3
    assert body["report"]["comparisons"][0]["run"] == ids[0]
    page = page_client.get(f"/v1/evaluations/{ids[1]}/page")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert ids[0] in page.text, "the run that it was compared with stands beside it"
    for path in ("evl_none", "evl_none/page"):
        missing = page_client.get(f"/v1/evaluations/{path}")
        assert (missing.status_code, missing.json()["type"]) == (
            404,
            "urn:footnote:problem:evaluation-not-found",
        )
    assert page_client.get("/v1/evaluations", params={"limit": 0}).status_code == 422

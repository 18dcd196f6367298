"""``footnote tune reranker`` on a small home, and a server that uses what came out, on both databases."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import load_file

from app.catalogue import ModelUnavailable
from app.cli.documents import ingest_files
from app.db.training_runs import TrainingRunView
from app.evaluations.questions import Asked
from app.evaluations.runs import evaluate_encoder
from app.learning.corpus import read_corpus
from app.learning.examples import Gathered
from app.learning.reranker import WEIGHTS, TuneReranker, choose_weight, draw_examples, tune_reranker
from app.learning.retrieval import Retrieval, open_retrieval
from app.learning.runs import Material
from app.main import create_app
from app.model_folders import open_model, write_manifest
from app.models import Models
from app.settings import Settings
from app.wiring import NotReady, Services, build_services
from finetune.configuration import OptimizerConfig, RerankerConfig
from finetune.examples import Example, read_example_lines
from finetune.suites import Question
from finetune.trainable_reranker import TrainableReranker
from retriever.errors import RerankerUnusable
from tests.conftest import ENCODER

QUESTION = "how do I clean a pump?"
PARTS = ["pump", "hose", "valve", "filter", "motor", "switch", "sensor", "nozzle", "gasket", "lever"]
DEEDS = ["clean", "replace", "order", "store", "test", "measure"]
WANTED = TuneReranker(
    config=RerankerConfig(batch_size=15, negatives=1),
    optimizer=OptimizerConfig(learning_rate=5e-5, steps_per_checkpoint=1),
)


class Killed(Exception):
    pass


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


def _kill(what: str, done: int, _total: int) -> None:
    if what == "Tuning" and done == 2:
        raise Killed


def test_a_server_is_not_ready_while_its_reranker_is_missing(settings: Settings, models: Models) -> None:
    wanted = settings.model_copy(update={"reranker": "path:/nowhere"})
    with closing(build_services(wanted, Models(wanted, loaded=models))) as services:
        with pytest.raises(ModelUnavailable):
            services.warm_up()
        with pytest.raises(NotReady, match="/nowhere"):
            services.check_ready()
        _ = services.encoder, services.generator
        with pytest.raises(NotReady, match="/nowhere"):
            services.check_ready()


def test_examples_are_drawn_by_the_seed() -> None:
    examples = [
        Example(id=str(n), question=f"q{n}", rows=(n,), relevance=1, source="file") for n in range(100)
    ]
    drawn = draw_examples(examples, 30, seed=1)
    assert drawn == draw_examples(examples, 30, seed=1) != draw_examples(examples, 30, seed=2)
    assert len({one.id for one in drawn}) == 30
    assert drawn == sorted(drawn, key=lambda one: int(one.id))
    assert draw_examples(examples, None, seed=1) == draw_examples(examples, 100, seed=1) == examples


@pytest.fixture
def services(settings: Settings, models: Models, tmp_path: Path) -> Iterator[Services]:
    folder, own = tmp_path / "parts", tmp_path / "models"
    folder.mkdir()
    own.mkdir()
    for name in (settings.encoder, settings.generator):
        (own / name).symlink_to((settings.models_folder / name).resolve())
    for part in PARTS:
        sections = [f"## How to {deed} it\n\nAlways {deed} the {part} with care.\n" for deed in DEEDS]
        (folder / f"{part}.md").write_text(f"# The {part}\n\n" + "\n".join(sections))
    services = build_services(settings.model_copy(update={"models": own, "passage_tokens": 32}), models)
    ingest_files(services, [folder], uri_prefix="https://d/", progress=_ignore)
    yield services
    services.close()


def _tune(services: Services) -> TrainingRunView:
    """Tune, killed once in between."""
    lines = [
        json.dumps(
            {
                "question": f"how do I {deed} a {part}?",
                "uri": f"https://d/{part}.md",
                "quote": f"Always {deed} the {part}",
            }
        )
        for part in PARTS
        for deed in DEEDS
    ]
    wanted = replace(WANTED, lines=read_example_lines(lines))
    steps: list[int] = []

    def count(what: str, done: int, _total: int) -> None:
        if what == "Tuning":
            steps.append(done)

    with pytest.raises(Killed):
        tune_reranker(services, wanted, _kill)
    run = tune_reranker(services, wanted, count)
    assert steps == [3, 4], "the steps before it was killed are not done again"
    return run


def test_from_examples_to_a_server_that_reranks(services: Services) -> None:
    run = _tune(services)
    assert (run.kind, run.state, len(run.report["losses"])) == ("reranker", "done", 4)
    assert run.report["rerank_weight"] == 0.3  # there are no pairs of dev to choose with
    model = open_model(services.settings.models_folder, f"run:{run.id}")
    assert model.rerank_weight == 0.3
    assert run.fingerprint == model.fingerprint
    assert list(load_file(model.folder / "model.safetensors")["classifier.weight"].shape) == [1, 384]

    chosen = services.settings.model_copy(update={"reranker": f"run:{run.id}", "rerank_budget": 60_000})
    loaded = Models(chosen)
    _check_served(services, chosen, loaded)
    _check_evaluated(services, loaded)
    write_manifest(model.folder, "here", rerank_weight=0.0)  # as where it does not pay
    assert Models(chosen).reranker is None
    with pytest.raises(RerankerUnusable, match="outputs instead of 1"):
        _ = Models(chosen.model_copy(update={"reranker": chosen.encoder})).reranker


def _check_served(services: Services, chosen: Settings, loaded: Models) -> None:
    assert loaded.reranker is not None
    before = {hit.passage_id: hit.score for hit in services.search(QUESTION, k=20).hits}
    with TestClient(create_app(chosen, loaded), raise_server_exceptions=False) as client:
        hits = client.post("/v1/search", json={"question": QUESTION, "k": 5}).json()["hits"]
        answer = client.post("/v1/answers", json={"question": QUESTION}).json()
    assert answer["versions"]["reranker"] == loaded.reranker.fingerprint
    gains = np.array([hit["score"] - before[hit["passage_id"]] for hit in hits])
    assert len(hits) == 5
    assert ((gains > 0) & (gains < 0.3)).all()
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def _check_evaluated(services: Services, loaded: Models) -> None:
    assert loaded.reranker is not None
    asked = Asked(
        name="parts",
        sha256="s",
        split=None,
        questions=(Question(id="q", question=QUESTION, gold_documents=("https://d/pump.md",)),),
        unanswerable=(),
        left_out=0,
        gold_passages={},
        not_located=0,
        missing_documents=(),
    )
    subject, report = evaluate_encoder(services.database, asked, ENCODER, loaded, _ignore)
    assert list(report.variants)[-1] == "reranked"
    assert subject.search["reranked"]["reranker"] == loaded.reranker.fingerprint
    assert report.variants["reranked"].measures["hit@10"].mean == 1


def test_the_weight_is_chosen_on_held_out_questions(services: Services, tmp_path: Path) -> None:
    with open_retrieval(services, _ignore) as retrieval:
        _check_weight(services, retrieval, tmp_path)


def _check_weight(services: Services, retrieval: Retrieval, folder: Path) -> None:
    corpus = read_corpus(services.database, retrieval.live)
    dev = [
        Example(id=str(row), question=text, rows=(row,), relevance=1, source="pair")
        for row, text in enumerate(corpus.corpus.texts[:25])
    ]
    gathered = Gathered(train=[], dev=dev, skipped={})
    base = open_model(services.settings.models_folder, ENCODER)
    material = Material(base=base, retrieval=retrieval, corpus=corpus, gathered=gathered)
    TrainableReranker(base.folder, torch.device("cpu"), seed=1).save(folder / "untrained")
    chosen = choose_weight(material, folder / "untrained", 1, _ignore)
    trials = {one["weight"]: one["mrr@10"] for one in chosen["rerank_trials"]}
    assert list(trials) == list(WEIGHTS)
    assert trials[0.0] > 0.9  # each question is the text of its passage
    best = max(trials.values())
    assert chosen["rerank_weight"] == min(weight for weight, value in trials.items() if value == best)
    assert 0 < chosen["milliseconds"]["p50"] <= chosen["milliseconds"]["p95"]

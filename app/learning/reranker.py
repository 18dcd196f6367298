"""``footnote tune reranker``: from this home's examples to a reranker weighed on held-out pairs."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.db.training_runs import TrainingRunView
from app.downloads import Progress
from app.learning.retrieval import Home
from app.learning.runs import (
    LEAST_DEV,
    Material,
    begin,
    describe_material,
    end,
    mine,
    open_material,
    publish,
    work_folder,
)
from app.observability import logger
from finetune.configuration import (
    RERANKER_LEARNING_RATE,
    DeviceName,
    MiningConfig,
    OptimizerConfig,
    RerankerConfig,
)
from finetune.devices import choose_device
from finetune.examples import Example, ExampleLine
from finetune.reranker_tuning import RerankerTask
from finetune.retriever_tuning import describe_run, run_key
from finetune.trainable_reranker import TrainableReranker
from finetune.training import run_training
from retriever.cross_encoder import load_cross_encoder
from retriever.metrics import reciprocal_rank_at
from retriever.reranking import RerankConfig, reorder
from retriever.search import rank_documents
from retriever.writing import write_whole

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)
MOST_DEV = 300  # held-out questions; each takes as long as a question in service
DEPTH = 10
SEARCHED = 100  # passages: enough for ten documents


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReranker:
    """What a run is to do.

    Attributes:
        config: How the reranker is tuned.
        optimizer: How weights move.
        mining: How negatives are chosen.
        device: Where it runs.
        lines: Examples of a file.
        limit: Most examples, drawn by the optimizer's seed; None for all.
    """

    config: RerankerConfig = field(default_factory=RerankerConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=RERANKER_LEARNING_RATE)
    )
    mining: MiningConfig = field(default_factory=MiningConfig)
    device: DeviceName = "auto"
    lines: Sequence[ExampleLine] = ()
    limit: int | None = None


def tune_reranker(home: Home, wanted: TuneReranker, progress: Progress) -> TrainingRunView:
    """Tune a reranker from the configured encoder's weights; the run, whose model is ``run:<its id>``.

    It begins, goes on after being killed, and fails as `app.learning.retriever.tune_retriever` does.
    """
    with open_material(home, wanted.lines, progress) as material:
        return _tune(home, material, wanted, progress)


def _tune(home: Home, material: Material, wanted: TuneReranker, progress: Progress) -> TrainingRunView:
    train = draw_examples(material.gathered.train, wanted.limit, seed=wanted.optimizer.seed)
    negatives = mine(material, train, wanted.mining, progress)
    base, corpus = material.base, material.corpus.corpus
    described = describe_run(
        corpus,
        train,
        negatives,
        wanted.config,
        wanted.optimizer,
        base=base.fingerprint,
        device=choose_device(wanted.device),
    )
    described |= {"key": run_key(described), "mining": asdict(wanted.mining)}
    described |= describe_material(home, material)
    run_id = begin(home, "reranker", base.fingerprint, described)
    with work_folder(home, run_id) as work:
        began, tuned = time.monotonic(), work / "tuned"
        reranker = TrainableReranker(base.folder, choose_device(wanted.device), seed=wanted.optimizer.seed)
        task = RerankerTask(reranker, corpus, train, negatives, wanted.config, seed=wanted.optimizer.seed)
        losses = run_training(
            task,
            wanted.optimizer,
            folder=work,
            key=described["key"],
            report=lambda done, total, _loss: progress("Tuning", done, total),
        )
        if not tuned.is_dir():
            write_whole(tuned, reranker.save)
        report = described | {
            "losses": [round(loss, 5) for loss in losses],
            "seconds": round(time.monotonic() - began, 1),
        }
        report |= choose_weight(material, tuned, wanted.optimizer.seed, progress)
        fingerprint = publish(home, run_id, tuned, rerank_weight=report["rerank_weight"])
        logger().info("reranker_tuned", run=run_id, examples=len(train))
        return end(home, run_id, report=report, fingerprint=fingerprint)


def draw_examples(examples: Sequence[Example], limit: int | None, *, seed: int) -> list[Example]:
    """At most ``limit`` examples, drawn by the seed, in the order given."""
    if limit is None:
        return list(examples)
    drawn = np.random.default_rng(seed).permutation(len(examples))[:limit]
    return [examples[place] for place in np.sort(drawn)]


def choose_weight(material: Material, folder: Path, seed: int, progress: Progress) -> dict[str, Any]:
    """What a reranker is worth beside the search, tried on held-out pairs.

    Returns:
        For the report: ``rerank_weight``, the weight with the largest MRR@10 over documents, of equal ones
        the smallest, 0 where it does not pay; ``rerank_trials``, the measure of every weight, empty where
        there are too few pairs, the weight then being that of `RerankConfig`; and ``milliseconds``, the
        ``p50`` and ``p95`` of reading the first passages, without a budget.
    """
    asked = draw_examples(material.gathered.dev, MOST_DEV, seed=seed)
    if len(asked) < LEAST_DEV:
        return {"rerank_weight": RerankConfig().weight, "rerank_trials": [], "milliseconds": None}
    reranker = load_cross_encoder(folder, weights_sha256=folder.name)
    corpus, depth = material.corpus, RerankConfig().passages
    queries = material.retrieval.encoder.encode_queries([one.question for one in asked])  # (asked, dimension)
    gold = [{corpus.corpus.documents[row]: 1.0 for row in one.rows} for one in asked]
    rankings: dict[float, list[list[str]]] = {weight: [] for weight in WEIGHTS}
    seconds = []
    for place, example in enumerate(asked):
        progress("Weighing", place, len(asked))
        found = material.retrieval.find(example.question, queries[place], k=SEARCHED, uses_pairs=True)
        hits = [hit for hit in found if hit.passage_id in corpus.rows]
        texts = [corpus.corpus.texts[corpus.rows[hit.passage_id]] for hit in hits[:depth]]
        began = time.perf_counter()
        scores = reranker.score(example.question, texts)
        seconds.append(time.perf_counter() - began)
        for weight in WEIGHTS:
            rankings[weight].append(rank_documents(reorder(hits, scores, weight=weight)))
    progress("Weighing", len(asked), len(asked))
    trials = [
        {"weight": weight, "mrr@10": float(reciprocal_rank_at(found, gold, DEPTH).mean())}
        for weight, found in rankings.items()
    ]
    return {
        "rerank_weight": min(trials, key=lambda one: (-one["mrr@10"], one["weight"]))["weight"],
        "rerank_trials": trials,
        "milliseconds": {f"p{p}": round(float(np.percentile(seconds, p) * 1000), 1) for p in (50, 95)},
    }

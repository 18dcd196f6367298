"""Tuning beside the trainer of sentence-transformers with its defaults: time, memory, quality.

    FOOTNOTE_HOME=<home> python -m benchmarks.tuning [--examples FILE] [--suite FOLDER] [--count N]

All get the same examples of a home, the same base encoder and the same number of epochs, one after the other
in processes of their own: Footnote's trainer without and with mined negatives, and the library's. Quality is
MRR@10 of vectors alone on the home's held-out pairs, and on the questions of a suite about the home's
documents, over the same samples of passages. The library's trainer needs the package ``datasets``, which
Footnote does not.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.cli.tuning import read_lines
from app.learning.corpus import LearningCorpus
from app.learning.runs import mine, open_material
from app.settings import load_settings
from app.wiring import build_services
from finetune.configuration import MiningConfig, OptimizerConfig, RetrieverConfig
from finetune.devices import choose_device
from finetune.examples import Corpus, Example, read_example_lines
from finetune.pool import Pool, make_pool, score_pool
from finetune.retriever_tuning import RetrieverTask
from finetune.suites import load_suite
from finetune.trainable_encoder import TrainableEncoder
from finetune.training import run_training
from retriever.encoder import Encoder
from retriever.sentence_transformer_encoder import load_encoder

CONTENDERS = ("ours", "ours, mined negatives", "library")
GOLD_PASSAGES = 3  # of each gold document: those nearest to the question


def main() -> None:
    """Run all, and print figures and ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=Path, help="JSON lines, as for footnote tune retriever")
    parser.add_argument("--suite", type=Path, help="a suite's folder whose documents this home holds")
    parser.add_argument("--count", type=int, default=640, help="examples that all learn")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        _run_one(arguments.run, arguments.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        base, pools = _prepare(work, arguments)
        results: dict[str, dict[str, Any]] = {"base": quality(base, pools)}
        for name in CONTENDERS:
            command = [sys.executable, "-m", "benchmarks.tuning", "--run", name, "--work", str(work)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[name] = json.loads(done.stdout.splitlines()[-1]) | quality(work / name, pools)
            print(name, results[name], file=sys.stderr)
        results["ours / library"] = {
            figure: round(results["ours"][figure] / results["library"][figure], 3)
            for figure in ("seconds", "processor_seconds", "megabytes")
        }
        print(json.dumps(results, indent=2))


def _prepare(work: Path, arguments: argparse.Namespace) -> tuple[Path, dict[str, Pool]]:
    """Write what all learn; the base encoder, and the samples that all are judged on."""
    settings = load_settings()
    services = build_services(settings)
    lines = [] if arguments.examples is None else read_example_lines(read_lines(arguments.examples))
    with open_material(services, lines, report_nothing) as material:
        corpus, encoder, gathered = material.corpus, material.retrieval.encoder, material.gathered
        kept = gathered.train[:: max(1, len(gathered.train) // arguments.count)][: arguments.count]
        negatives = mine(material, kept, MiningConfig(), report_nothing)
    pools = {"pairs": sampled(gathered.dev, corpus, encoder)}
    if arguments.suite is not None:
        pools["suite"] = sampled(suite_examples(arguments.suite, corpus, encoder), corpus, encoder)
    base = settings.models_folder / settings.encoder
    facts: dict[str, Any] = {
        "base": str(base),
        "epochs": arguments.epochs,
        "examples": [asdict(one) for one in kept],
        "negatives": negatives,
        "texts": list(corpus.corpus.texts),
        "documents": list(corpus.corpus.documents),
    }
    (work / "facts.json").write_text(json.dumps(facts))
    services.close()
    return base, pools


def report_nothing(_stage: str, _done: int, _total: int) -> None:
    """Progress of what is quick beside what is measured."""


def sampled(asked: Sequence[Example], corpus: LearningCorpus, encoder: Encoder) -> Pool:
    """The sample of passages that encoders are compared on for some questions."""
    questions = encoder.encode_queries([one.question for one in asked])
    return make_pool(asked, corpus.corpus, questions=questions, passages=corpus.vectors, seed=1)


def suite_examples(folder: Path, corpus: LearningCorpus, encoder: Encoder) -> list[Example]:
    """A suite's questions with the nearest passages of their gold documents."""
    rows: dict[str, list[int]] = {}
    for row, place in enumerate(corpus.places):
        rows.setdefault(place.uri, []).append(row)
    asked = []
    for question in load_suite(folder).questions:
        gold = [row for uri in question.gold_uris for row in rows.get(uri, [])]
        if not gold:
            continue
        scores = corpus.vectors[gold] @ encoder.encode_queries([question.question])[0]
        nearest = tuple(gold[place] for place in np.argsort(-scores)[:GOLD_PASSAGES])
        asked.append(
            Example(id=question.id, question=question.question, rows=nearest, relevance=1, source="file")
        )
    return asked


def quality(folder: Path, pools: dict[str, Pool]) -> dict[str, float]:
    """MRR@10 of an encoder's folder on each pool."""
    encoder = load_encoder(folder, weights_sha256=folder.name)
    return {
        f"mrr@10, {name}": round(score_pool(encoder, pool).reciprocal_rank, 4) for name, pool in pools.items()
    }


def _run_one(name: str, work: Path) -> None:
    facts = json.loads((work / "facts.json").read_text())
    began = time.monotonic()
    if name == "library":
        _run_library(facts, work / name)
    else:
        _run_ours(facts, work / name, negatives=int(name != "ours"))
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {"seconds": seconds, "processor_seconds": used.ru_utime, "megabytes": used.ru_maxrss / 1000}
    print(json.dumps({name: round(value) for name, value in figures.items()}))


def _run_ours(facts: dict[str, Any], folder: Path, *, negatives: int) -> None:
    corpus = Corpus(
        ids=[str(row) for row in range(len(facts["texts"]))],
        documents=facts["documents"],
        texts=facts["texts"],
    )
    examples = [Example(**(one | {"rows": tuple(one["rows"])})) for one in facts["examples"]]
    train_encoder(
        Path(facts["base"]),
        corpus,
        examples,
        [tuple(rows) for rows in facts["negatives"]],
        RetrieverConfig(epochs=facts["epochs"], negatives=negatives),
        folder=folder,
    )


def train_encoder(
    base: Path,
    corpus: Corpus,
    examples: Sequence[Example],
    negatives: Sequence[tuple[int, ...]],
    config: RetrieverConfig,
    *,
    folder: Path,
) -> None:
    """Tune the encoder of a folder with Footnote's trainer, and save it to another."""
    encoder, optimizer = TrainableEncoder(base, choose_device("cpu")), OptimizerConfig()
    task = RetrieverTask(encoder, corpus, examples, negatives, config, seed=optimizer.seed)
    checkpoints = folder.with_name(f"{folder.name} checkpoints")
    run_training(task, optimizer, folder=checkpoints, key="benchmark", report=lambda *_step: None)
    encoder.save(folder)


def _run_library(facts: dict[str, Any], folder: Path) -> None:
    try:
        import pyarrow as pa  # type: ignore[import-not-found]  # noqa: PLC0415
        from datasets import Dataset  # type: ignore[import-not-found]  # noqa: PLC0415 - only for this
    except ImportError:
        sys.exit("error: the package datasets is missing; install it beside Footnote for this measurement")
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer  # noqa: PLC0415
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.losses import (  # noqa: PLC0415
        MultipleNegativesRankingLoss,
    )

    model = SentenceTransformer(facts["base"], device="cpu")
    rows = {
        "anchor": [one["question"] for one in facts["examples"]],
        "positive": [facts["texts"][one["rows"][0]] for one in facts["examples"]],
    }
    trainer = SentenceTransformerTrainer(
        model=model,
        args=Arguments(
            output_dir=str(folder.with_name("library-checkpoints")),
            num_train_epochs=facts["epochs"],
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=Dataset(pa.table(rows), fingerprint="examples"),  # hashing it by itself fails
        loss=MultipleNegativesRankingLoss(model),
    )
    trainer.train()
    model.save(str(folder), create_model_card=False)


if __name__ == "__main__":
    main()

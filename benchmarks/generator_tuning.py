"""Tuning a generator beside TRL's SFT trainer: tokens a second, memory, loss.

    FOOTNOTE_HOME=<home> python -m benchmarks.generator_tuning [--count N] [--epochs E]

Both get the same examples of a home, the same base model, and a LoRA adapter of the same shape on the same
layers, one after the other in processes of their own. TRL runs as its configuration has it, with completions
as the only targets, and without gradient checkpointing, which would only slow it down here. What is learnt
is judged by the mean loss on the same held-out examples. TRL needs the packages ``trl`` and ``datasets``,
which Footnote does not.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from app.learning.answers import gather_answers, search_evidence
from app.learning.generator import SEARCHED, open_base
from app.learning.retrieval import open_retrieval
from app.settings import load_settings
from app.wiring import build_services
from benchmarks.tuning import report_nothing
from finetune.answer_examples import AnswerExample, compose_examples
from finetune.configuration import (
    GENERATOR_LEARNING_RATE,
    AnswerExampleConfig,
    GeneratorConfig,
    OptimizerConfig,
)
from finetune.generator_tuning import GeneratorTask
from finetune.trainable_generator import AdapterShape, TrainableGenerator
from finetune.training import run_training
from generator.models import Message

CONTENDERS = ("ours", "trl")
HELD_OUT = 16


def main() -> None:
    """Run both, and print figures and ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=48, help="examples that both learn")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--run", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        _run_one(arguments.run, arguments.work)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _prepare(work, arguments.count, arguments.epochs)
        results: dict[str, dict[str, float]] = {}
        for name in CONTENDERS:
            command = [
                sys.executable,
                "-m",
                "benchmarks.generator_tuning",
                "--run",
                name,
                "--work",
                str(work),
            ]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[name] = json.loads(done.stdout.splitlines()[-1])
            print(name, results[name], file=sys.stderr)
        results["ours / trl"] = {
            figure: round(results["ours"][figure] / results["trl"][figure], 3)
            for figure in ("tokens_per_second", "processor_seconds", "megabytes")
        }
        print(json.dumps(results, indent=2))


def _prepare(work: Path, count: int, epochs: int) -> None:
    """Write what both learn, and what both are judged on."""
    settings = load_settings()
    services = build_services(settings)
    base, config = open_base(settings), GeneratorConfig(epochs=epochs)
    shape = AdapterShape(rank=config.rank, scale=config.scale, layers=config.layers)
    counter = TrainableGenerator(base.folder, torch.device("cpu"), shape, seed=1)
    with open_retrieval(services, report_nothing) as retrieval:
        asked = gather_answers(services.database, retrieval.encoder, most_train=count, most_dev=HELD_OUT)
        made = {}
        for split, questions in (("train", asked.train), ("dev", asked.dev)):
            found = search_evidence(
                services.database, retrieval, questions, k=SEARCHED, report=lambda *_counts: None
            )
            examples, _left_out = compose_examples(
                questions, found, counter.count_tokens, AnswerExampleConfig(), seed=1
            )
            made[split] = [_plain(one) for one in examples]
    services.close()
    facts = {"base": str(base.folder), "config": asdict(config)} | made
    (work / "facts.json").write_text(json.dumps(facts))


def _plain(example: AnswerExample) -> dict[str, Any]:
    return {"messages": [asdict(message) for message in example.messages], "target": example.target}


def _run_one(name: str, work: Path) -> None:
    facts = json.loads((work / "facts.json").read_text())
    config = GeneratorConfig(**facts["config"])
    generator = TrainableGenerator(
        Path(facts["base"]),
        torch.device("cpu"),
        AdapterShape(rank=config.rank, scale=config.scale, layers=config.layers),
        seed=1,
    )
    examples = [_example(row) for row in facts["train"]]
    tokens = sum(len(generator.tokenize(one.messages, one.target).ids) for one in examples) * config.epochs
    used, began = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.monotonic()
    if name == "ours":
        optimizer = OptimizerConfig(learning_rate=GENERATOR_LEARNING_RATE)
        task = GeneratorTask(generator, examples, config, seed=optimizer.seed)
        run_training(task, optimizer, folder=work / "work", key="b", report=lambda *_step: None)
    else:
        _run_trl(generator, facts, work)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    with torch.no_grad():
        held_out = [_example(row) for row in facts["dev"]]
        losses = [float(generator.losses([generator.tokenize(one.messages, one.target)])) for one in held_out]
    figures = {
        "examples": len(examples),
        "tokens": tokens,
        "seconds": round(seconds),
        "tokens_per_second": round(tokens / seconds, 1),
        "processor_seconds": round(after.ru_utime - used),
        "megabytes": round(after.ru_maxrss / 1000),
        "held_out_loss": round(sum(losses) / len(losses), 4),
    }
    print(json.dumps(figures))


def _example(row: dict[str, Any]) -> AnswerExample:
    return AnswerExample(
        id="",
        messages=tuple(Message(**message) for message in row["messages"]),
        target=row["target"],
        weight=1.0,
        refuses=False,
        question="",
        evidence=(),
        subjects=(),
    )


def _run_trl(generator: TrainableGenerator, facts: dict[str, Any], work: Path) -> None:
    try:
        import pyarrow as pa  # type: ignore[import-not-found]  # noqa: PLC0415 - only for this
        from datasets import Dataset  # type: ignore[import-not-found]  # noqa: PLC0415
        from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]  # noqa: PLC0415
    except ImportError as error:
        sys.exit(f"error: {error}; install trl and datasets beside Footnote for this measurement")
    config = GeneratorConfig(**facts["config"])
    chats = [generator.tokenize(_example(row).messages, row["target"]) for row in facts["train"]]
    rows = {
        "input_ids": [list(chat.ids) for chat in chats],
        "completion_mask": [[int(place >= chat.answer) for place in range(len(chat.ids))] for chat in chats],
    }
    trainer = SFTTrainer(
        model=generator.module,  # with its adapter, of the same shape and first weights
        args=SFTConfig(
            output_dir=str(work / "trl"),
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.batch_size,
            learning_rate=GENERATOR_LEARNING_RATE,
            completion_only_loss=True,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            max_length=None,
        ),
        train_dataset=Dataset(pa.table(rows), fingerprint="examples"),
        processing_class=generator.tokenizer,
    )
    trainer.train()


if __name__ == "__main__":
    main()

"""``footnote tune generator``: from this home's pairs to an adapter that was chosen on held-out pairs."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from app.catalogue import ModelUnavailable
from app.db.training_runs import TrainingRunView
from app.downloads import Progress
from app.learning.answers import GatheredAnswers, gather_answers, search_evidence
from app.learning.retrieval import Home, Retrieval, open_retrieval
from app.learning.runs import LEAST_DEV, begin, end, publish, work_folder
from app.model_folders import Model, open_adapter_base, open_model
from app.observability import logger
from app.settings import Settings
from finetune.answer_examples import AnswerExample, compose_examples, describe_answer_examples
from finetune.configuration import (
    GENERATOR_LEARNING_RATE,
    AnswerExampleConfig,
    DeviceName,
    GeneratorConfig,
    OptimizerConfig,
)
from finetune.devices import choose_device
from finetune.examples import TooFewExamples
from finetune.generator_tuning import GeneratorTask
from finetune.grounding import grounded_score
from finetune.retriever_tuning import run_key
from finetune.trainable_generator import AdapterShape, TrainableGenerator
from finetune.training import run_training
from generator.adapter_base import AdapterBase
from retriever.writing import write_whole

LEAST_EXAMPLES = 20
"""Fewer teach a generator nothing but themselves; a run refuses to begin."""

SEARCHED = 8  # passages per question that distractors are taken from
SCALES = (0.5,)  # shares of what the adapter adds that are tried beside the whole
ANSWER_TOKENS = 160  # of a held-out answer
SCORE = "score.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneGenerator:
    """What a run is to do.

    Attributes:
        config: How the adapter is tuned.
        making: How examples are made.
        optimizer: How weights move.
        device: Where it runs.
        most_examples: Questions that are learnt from; the most different ones where there are more.
        most_dev: Held-out questions that epochs and scales are chosen on.
    """

    config: GeneratorConfig = field(default_factory=GeneratorConfig)
    making: AnswerExampleConfig = field(default_factory=AnswerExampleConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=GENERATOR_LEARNING_RATE)
    )
    device: DeviceName = "auto"
    most_examples: int = 300
    most_dev: int = 32


def tune_generator(home: Home, wanted: TuneGenerator, progress: Progress) -> TrainingRunView:
    """Tune an adapter of the configured generator on this home; the run, whose model is ``run:<its id>``.

    If the configured generator is a tuned one already, its adapter is learnt further. The same call again
    after being killed goes on where it was, if nothing that it reads has changed. Nothing goes live.

    Raises:
        TooFewExamples: If there is too little to learn from.
        AlreadyTuning: If another process is at the same run.
        ModelUnavailable: If the generator is not here, or is on a server.
        DeviceUnavailable, TrainingDiverged, ModelFolderInvalid: See there.
        OSError: If the disk is full; checkpoints stay, and the same call goes on.
    """
    with open_retrieval(home, progress) as retrieval:
        gathered = gather_answers(
            home.database, retrieval.encoder, most_train=wanted.most_examples, most_dev=wanted.most_dev
        )
        return tune_on(home, retrieval, gathered, wanted, progress)


def tune_on(
    home: Home,
    retrieval: Retrieval,
    gathered: GatheredAnswers,
    wanted: TuneGenerator,
    progress: Progress,
) -> TrainingRunView:
    """Tune an adapter on questions whose distractors some index returns; see `tune_generator`."""
    base = open_base(home.settings)
    began = time.monotonic()
    seed = wanted.optimizer.seed
    generator = TrainableGenerator(
        base.folder,
        choose_device(wanted.device),
        AdapterShape(rank=wanted.config.rank, scale=wanted.config.scale, layers=wanted.config.layers),
        seed=seed,
        adapter=base.adapter,
    )
    examples: dict[str, list[AnswerExample]] = {}
    not_carried = 0
    for split, asked in (("train", gathered.train), ("dev", gathered.dev)):
        found = search_evidence(
            home.database,
            retrieval,
            asked,
            k=SEARCHED,
            report=lambda done, total: progress("Searching", done, total),
        )
        examples[split], lost = compose_examples(
            asked, found, generator.count_tokens, wanted.making, seed=seed
        )
        not_carried += lost
    if len(examples["train"]) < LEAST_EXAMPLES:
        raise too_few_answers(len(examples["train"]), not_carried)
    described: dict[str, Any] = {
        "base": base.model.fingerprint,
        "examples": describe_answer_examples(examples["train"]),
        "dev": describe_answer_examples(examples["dev"]),
        "config": asdict(wanted.config),
        "making": asdict(wanted.making),
        "optimizer": asdict(wanted.optimizer),
        "torch": torch.__version__,
        "device": str(generator.device),
    }
    described |= {
        "key": run_key(described),
        "skipped": {**gathered.skipped, "no sentence is carried by what is shown": not_carried},
        "generator": home.settings.generator,
    }
    run_id = begin(home, "generator", base.model.fingerprint, described)
    with work_folder(home, run_id) as work:
        run = _Run(
            generator=generator, wanted=wanted, train=examples["train"], dev=examples["dev"], work=work
        )
        report = described | run.learn(described["key"], progress)
        report["seconds"] = round(time.monotonic() - began, 1)
        chosen = work / "chosen"
        if not chosen.is_dir():
            write_whole(chosen, lambda folder: _save(generator, base.record, folder))
        fingerprint = publish(home, run_id, chosen)
        logger().info("generator_tuned", run=run_id, examples=len(examples["train"]))
        return end(home, run_id, report=report, fingerprint=fingerprint)


def too_few_answers(found: int, not_carried: int) -> TooFewExamples:
    """What is said where fewer than `LEAST_EXAMPLES` answers can be learnt."""
    return TooFewExamples(
        found,
        skipped=not_carried,
        why="have no sentence that their passages carry",
        least=LEAST_EXAMPLES,
        other_source="",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorBase:
    """What a run begins from.

    Attributes:
        model: The configured generator.
        folder: Of the whole model.
        adapter: Of the adapter that is learnt further, or None for a new one.
        record: What the new adapter belongs to.
    """

    model: Model
    folder: Path
    adapter: Path | None
    record: AdapterBase


def open_base(settings: Settings) -> GeneratorBase:
    """The configured generator, ready to be tuned.

    Raises:
        ModelUnavailable: If it is not here, or is on a server, whose weights are out of reach.
    """
    if settings.generator_address is not None:
        raise ModelUnavailable(
            f"the generator is on a server ({settings.generator_address}), where it can't be tuned; "
            "unset FOOTNOTE_GENERATOR_ADDRESS and name a model of the catalogue with FOOTNOTE_GENERATOR"
        )
    model = open_model(settings.models_folder, settings.generator)
    if model.base is None:
        record = AdapterBase(reference=model.reference, fingerprint=model.fingerprint)
        return GeneratorBase(model=model, folder=model.folder, adapter=None, record=record)
    below = open_adapter_base(settings.models_folder, model)
    return GeneratorBase(model=model, folder=below.folder, adapter=model.folder, record=model.base)


def _save(generator: TrainableGenerator, record: AdapterBase, folder: Path) -> None:
    generator.save(folder)
    record.write(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run under way; its files are in ``work``."""

    generator: TrainableGenerator
    wanted: TuneGenerator
    train: Sequence[AnswerExample]
    dev: Sequence[AnswerExample]
    work: Path

    def learn(self, key: str, progress: Progress) -> dict[str, Any]:
        """Learn epoch by epoch until held-out answers get worse; leaves the best weights in the generator.

        Returns:
            For the report: ``losses``, ``tokens`` of all examples, ``scores`` of the epochs, of which 0 is
            the generator as it was, the ``epoch`` and the ``scale`` that were kept.
        """
        config = self.wanted.config
        task = GeneratorTask(self.generator, self.train, config, seed=self.wanted.optimizer.seed)
        minutes = task.measure_seconds() / 60
        logger().info("generator_tuning_begins", examples=len(self.train), about_minutes=round(minutes))
        stage = f"Tuning, about {minutes:.0f} minutes"
        losses: list[float] = []
        scores = [self._score("epoch-0", progress)]
        for epoch in range(1, config.epochs + 1):
            losses = run_training(
                task,
                self.wanted.optimizer,
                folder=self.work,
                key=key,
                report=lambda done, total, _loss: progress(stage, done, total),
                until=epoch * task.steps_per_epoch,
            )
            scores.append(self._score(f"epoch-{epoch}", progress))
            if scores[-1] < max(scores[:-1]):
                break
        best, scale, scales = len(scores) - 1, 1.0, dict[float, float]()
        if self._can_tell:
            best = max(range(len(scores)), key=lambda epoch: (scores[epoch], -epoch))
            self.generator.load(self.work / f"epoch-{best}")
            scales = {1.0: scores[best]}
            for one in SCALES if best else ():
                self.generator.scale(one)
                scales[one] = self._score(f"scale-{one}", progress)
            scale = max(scales, key=lambda one: (scales[one], one))
            self.generator.scale(scale)
        return {
            "losses": [round(loss, 5) for loss in losses],
            "tokens": task.tokens,
            "scores": scores if self._can_tell else [],
            "scales": {str(one): score for one, score in scales.items()},
            "epoch": best,
            "scale": scale,
        }

    @property
    def _can_tell(self) -> bool:
        """Whether there are enough held-out questions to choose with; without them all epochs are learnt."""
        return len(self.dev) >= LEAST_DEV

    def _score(self, name: str, progress: Progress) -> float:
        """The mean grounded score of held-out answers with the weights of this moment, which are kept.

        What was scored before the run was killed is read again; 0 where there are too few to tell.
        """
        folder = self.work / name
        if not folder.is_dir():
            progress("Answering held-out questions", 0, len(self.dev))
            score = self._answer() if self._can_tell else 0.0

            def save(beside: Path) -> None:
                self.generator.save(beside)
                (beside / SCORE).write_text(json.dumps(score))

            write_whole(folder, save)
            progress("Answering held-out questions", len(self.dev), len(self.dev))
        return float(json.loads((folder / SCORE).read_text()))

    def _answer(self) -> float:
        writer = self.generator.writer("held-out")
        drafts = writer.complete([one.messages for one in self.dev], max_new_tokens=ANSWER_TOKENS)
        return fmean(
            grounded_score(draft, one, support=self.wanted.making.support)
            for draft, one in zip(drafts, self.dev, strict=True)
        )

"""``footnote tune retriever``: from this home's examples to an encoder that was chosen on held-out pairs."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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
from finetune.configuration import DeviceName, MiningConfig, OptimizerConfig, RetrieverConfig
from finetune.devices import choose_device
from finetune.examples import ExampleLine
from finetune.interpolation import FACTORS, Trial, choose_factor, mixture_name, try_factors
from finetune.pool import Pool, digest_pool, make_pool, score_pool
from finetune.retriever_tuning import RetrieverTask, Teacher, describe_run, run_key
from finetune.trainable_encoder import TrainableEncoder
from finetune.training import run_training
from retriever.sentence_transformer_encoder import load_encoder
from retriever.writing import write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRetriever:
    """What a run is to do.

    Attributes:
        config: How the encoder is tuned.
        optimizer: How weights move.
        mining: How negatives are chosen.
        device: Where it runs.
        lines: Examples of a file.
        general: A pool of general questions that must not be forgotten, or None.
    """

    config: RetrieverConfig = field(default_factory=RetrieverConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    mining: MiningConfig = field(default_factory=MiningConfig)
    device: DeviceName = "auto"
    lines: Sequence[ExampleLine] = ()
    general: Pool | None = None


def tune_retriever(home: Home, wanted: TuneRetriever, progress: Progress) -> TrainingRunView:
    """Tune the configured encoder on this home; the run, whose model is ``run:<its id>``.

    The same call again after being killed goes on where it was, if nothing that it reads has changed.
    Nothing goes live.

    Raises:
        TooFewExamples: If there is too little to learn from.
        AlreadyTuning: If another process is at the same run.
        DeviceUnavailable, TrainingDiverged, EncoderUnusable: See there.
        OSError: If the disk is full; checkpoints stay, and the same call goes on.
    """
    with open_material(home, wanted.lines, progress) as material:
        return tune_on_material(home, material, wanted, progress)


def tune_on_material(
    home: Home,
    material: Material,
    wanted: TuneRetriever,
    progress: Progress,
    *,
    teachers: Sequence[Teacher | None] | None = None,
) -> TrainingRunView:
    """Tune an encoder on what was gathered; see `tune_retriever`.

    Args:
        home: Where it is recorded.
        material: What is learnt.
        wanted: How.
        progress: Told how far it is.
        teachers: Per example what another model makes of some rows; see
            `finetune.retriever_tuning.RetrieverTask`.
    """
    train = material.gathered.train
    negatives: list[tuple[int, ...]] = [()] * len(train)
    if wanted.config.negatives:
        negatives = mine(material, train, wanted.mining, progress)
    described = describe_run(
        material.corpus.corpus,
        train,
        negatives,
        wanted.config,
        wanted.optimizer,
        base=material.base.fingerprint,
        device=choose_device(wanted.device),
        teachers=teachers,
    )
    described |= {"key": run_key(described), "mining": asdict(wanted.mining)}
    described |= describe_material(home, material)
    described["general"] = None if wanted.general is None else digest_pool(wanted.general)
    run_id = begin(home, "retriever", material.base.fingerprint, described)
    with work_folder(home, run_id) as work:
        run = _Run(material=material, wanted=wanted, progress=progress, work=work, teachers=teachers)
        report = described | run.train(negatives, described["key"])
        fingerprint = publish(home, run_id, Path(report["chosen"]))
        logger().info("retriever_tuned", run=run_id, examples=len(train))
        return end(home, run_id, report=report, fingerprint=fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run under way; its files are in ``work``."""

    material: Material
    wanted: TuneRetriever
    progress: Progress
    work: Path
    teachers: Sequence[Teacher | None] | None

    def train(self, negatives: Sequence[tuple[int, ...]], key: str) -> dict[str, Any]:
        """Tune, and choose how far to go; what the report says, with ``chosen`` the folder to keep."""
        began = time.monotonic()
        tuned = self.work / "tuned"
        losses = self._tune(tuned, negatives, key)
        seconds = time.monotonic() - began
        trials = self._try_mixtures(tuned) if len(self.material.gathered.dev) >= LEAST_DEV else []
        factor = choose_factor(trials) if trials else 1.0
        chosen = {0.0: self.material.base.folder, 1.0: tuned}.get(factor, self.work / mixture_name(factor))
        return {
            "losses": [round(loss, 5) for loss in losses],
            "seconds": round(seconds, 1),
            "trials": [asdict(trial) for trial in trials],
            "factor": factor,
            "chosen": str(chosen),
        }

    def _tune(self, tuned: Path, negatives: Sequence[tuple[int, ...]], key: str) -> list[float]:
        wanted = self.wanted
        encoder = TrainableEncoder(self.material.base.folder, choose_device(wanted.device))
        task = RetrieverTask(
            encoder,
            self.material.corpus.corpus,
            self.material.gathered.train,
            negatives,
            wanted.config,
            seed=wanted.optimizer.seed,
            teachers=self.teachers,
        )
        losses = run_training(
            task,
            wanted.optimizer,
            folder=self.work,
            key=key,
            report=lambda done, total, _loss: self.progress("Tuning", done, total),
        )
        if not tuned.is_dir():
            write_whole(tuned, encoder.save)
        return losses

    def _try_mixtures(self, tuned: Path) -> list[Trial]:
        """What the base model and mixtures are worth on held-out pairs and on general questions."""
        dev, general = self.material.gathered.dev, self.wanted.general
        pool = make_pool(
            dev,
            self.material.corpus.corpus,
            questions=self.material.retrieval.encoder.encode_queries([example.question for example in dev]),
            passages=self.material.corpus.vectors,
            seed=self.wanted.optimizer.seed,
        )
        tried = 0

        def score(folder: Path) -> tuple[float, float | None]:
            nonlocal tried
            self.progress("Trying mixtures", tried, 1 + len(FACTORS))
            encoder = load_encoder(folder, weights_sha256=folder.name)
            scores = (
                score_pool(encoder, pool).reciprocal_rank,
                None if general is None else score_pool(encoder, general).hit,
            )
            tried += 1
            self.progress("Trying mixtures", tried, 1 + len(FACTORS))
            return scores

        return try_factors(self.material.base.folder, tuned, self.work, score)

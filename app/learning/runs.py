"""What the runs of every kind of tuning share: their material, their record, and where their models go."""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.db.training_runs import Kind, TrainingRunView, begin_run, end_run, get_run, list_runs
from app.downloads import Progress
from app.learning.corpus import LearningCorpus, read_corpus
from app.learning.examples import Gathered, gather_examples
from app.learning.retrieval import Home, Retrieval, open_retrieval
from app.model_folders import MANIFEST, Model, open_model, tuned_folder, write_manifest
from finetune.configuration import MiningConfig
from finetune.examples import LEAST_EXAMPLES, Example, ExampleLine, TooFewExamples, describe_examples
from finetune.negatives import mine_negatives
from retriever.writing import write_whole

LEAST_DEV = 20
"""Fewer held-out questions can't tell one choice from another."""


class AlreadyTuning(Exception):
    """Another process is at the same run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"the training run {run_id} is under way in another process; wait for it, or end it")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What a run reads.

    Attributes:
        base: The configured encoder.
        retrieval: An index of this encoder.
        corpus: Its passages.
        gathered: Examples, at least `finetune.examples.LEAST_EXAMPLES`.
    """

    base: Model
    retrieval: Retrieval
    corpus: LearningCorpus
    gathered: Gathered


@contextmanager
def open_material(home: Home, lines: Sequence[ExampleLine], progress: Progress) -> Iterator[Material]:
    """Index the corpus as it is now, and gather what there is to learn from.

    Raises:
        TooFewExamples: If there is too little.
    """
    base = open_model(home.settings.models_folder, home.settings.encoder)
    with open_retrieval(home, progress) as retrieval:
        corpus = read_corpus(home.database, retrieval.live)
        gathered = gather_examples(home.database, corpus, retrieval.encoder, lines=lines)
        if len(gathered.train) < LEAST_EXAMPLES:
            raise TooFewExamples(len(gathered.train), skipped=sum(gathered.skipped.values()))
        yield Material(base=base, retrieval=retrieval, corpus=corpus, gathered=gathered)


def describe_material(home: Home, material: Material) -> dict[str, Any]:
    """What a report says of a run beside what decides its steps."""
    return {
        "skipped": dict(material.gathered.skipped),
        "encoder": home.settings.encoder,
        "dev": describe_examples(material.gathered.dev, material.corpus.corpus),
    }


def mine(
    material: Material, examples: Sequence[Example], mining: MiningConfig, progress: Progress
) -> list[tuple[int, ...]]:
    """Hard negatives of each example by a real search; see `finetune.negatives.mine_negatives`."""
    retrieval, corpus = material.retrieval, material.corpus
    vectors = retrieval.encoder.encode_queries([example.question for example in examples])
    places = {example.question: place for place, example in enumerate(examples)}
    done = 0

    def find(question: str) -> list[int]:
        nonlocal done
        done += 1
        progress("Mining negatives", done, len(examples))
        hits = retrieval.find(question, vectors[places[question]], k=mining.depth)
        return list(corpus.rows_of([hit.passage_id for hit in hits]))

    return mine_negatives(
        examples,
        corpus.corpus,
        find,
        questions=vectors,
        passages=corpus.vectors,
        config=mining,
    )


def begin(home: Home, kind: Kind, base: str, described: dict[str, Any]) -> str:
    """The id of a new run, or of one that was stopped and would do the very same."""
    with home.database.writing() as session:
        for run in list_runs(session, kind=kind, limit=500):
            if run.state != "done" and run.report.get("key") == described["key"]:
                return run.id
        return begin_run(session, kind, base=base, report=described, now=datetime.now(UTC))


def end(home: Home, run_id: str, *, report: dict[str, Any], fingerprint: str) -> TrainingRunView:
    """Record that a run is done; the run."""
    with home.database.writing() as session:
        end_run(session, run_id, state="done", report=report, fingerprint=fingerprint, now=datetime.now(UTC))
        return get_run(session, run_id)


@contextmanager
def work_folder(home: Home, run_id: str) -> Iterator[Path]:
    """The folder of a run under way; it is removed at the end, and stays if the run fails.

    A failure is recorded.

    Raises:
        AlreadyTuning: If another process is in it.
    """
    work = home.settings.home / "training" / run_id
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyTuning(run_id) from None
        try:
            yield work
        except Exception as error:
            with home.database.writing() as session:
                end_run(session, run_id, state="failed", error=str(error), now=datetime.now(UTC))
            raise
        shutil.rmtree(work, ignore_errors=True)


def publish(home: Home, run_id: str, chosen: Path, **facts: object) -> str:
    """Move the chosen weights to where ``run:<id>`` looks; the model's fingerprint.

    The folder appears whole or not at all; its manifest says the facts.
    """
    folder = tuned_folder(home.settings.models_folder, run_id)
    if not folder.is_dir():

        def save(beside: Path) -> None:
            shutil.copytree(chosen, beside, ignore=shutil.ignore_patterns(MANIFEST))
            write_manifest(beside, f"tuned here, run {run_id}", **facts)

        folder.parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder, save)
    return open_model(home.settings.models_folder, f"run:{run_id}").fingerprint

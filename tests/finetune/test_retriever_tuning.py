"""A tuning's batches against brute force, and that tuning teaches what it is told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.configuration import OptimizerConfig, RetrieverConfig
from finetune.examples import Corpus, Example
from finetune.retriever_tuning import RetrieverTask, Teacher, describe_run, run_key
from finetune.trainable_encoder import WEIGHTS, TrainableEncoder
from finetune.training import run_training

SUBJECTS = [
    "apple",
    "bridge",
    "candle",
    "desert",
    "engine",
    "forest",
    "garden",
    "harbor",
    "island",
    "jungle",
    "kitchen",
    "ladder",
]
CORPUS = Corpus(
    ids=[f"p{row}" for row in range(24)],
    documents=[f"d{row // 4}" for row in range(24)],
    texts=[f"All about the {SUBJECTS[row % 12]} and how it works." for row in range(24)],
)
# Each subject has two passages of the same text, in other documents. Questions ask with a made-up word.
EXAMPLES = [
    Example(id=str(n), question=f"zz{chr(97 + n)} question", rows=(n,), relevance=1, source="file")
    for n in range(12)
]
CONFIG = RetrieverConfig(epochs=2, batch_size=6, negatives=1)
OPTIMIZER = OptimizerConfig(learning_rate=5e-3, seed=4, steps_per_checkpoint=2)


def _task(
    folder: Path,
    config: RetrieverConfig = CONFIG,
    negatives: Sequence[tuple[int, ...]] | None = None,
    teachers: Sequence[Teacher | None] | None = None,
) -> tuple[RetrieverTask, TrainableEncoder]:
    encoder = TrainableEncoder(folder, torch.device("cpu"))
    mined = negatives or [()] * len(EXAMPLES)
    return RetrieverTask(encoder, CORPUS, EXAMPLES, mined, config, seed=4, teachers=teachers), encoder


def test_passages_of_one_document_or_text_are_no_negatives_of_each_other(small_encoder: Path) -> None:
    negatives = [((n + 2) % 12, (n + 4) % 12) for n in range(12)]
    task, _encoder = _task(small_encoder, negatives=negatives)
    forbidden = allowed_same_page = 0
    for step in range(task.steps):
        batch = task._batch(step)
        for line, place in enumerate(batch.places):
            example = EXAMPLES[place]
            assert batch.rows[batch.positives[line]] == example.rows[0]
            for column, row in enumerate(batch.rows):
                same_text = CORPUS.texts[row] == CORPUS.texts[example.rows[0]]
                same_page = CORPUS.documents[row] == CORPUS.documents[example.rows[0]]
                mined = row in negatives[place]
                if batch.allowed[line, column]:
                    assert not same_text
                    assert not same_page or mined
                    allowed_same_page += same_page
                else:
                    assert same_text or same_page
                    forbidden += 1
    assert forbidden > 20
    assert allowed_same_page > 0


def test_every_example_is_seen_once_an_epoch(small_encoder: Path) -> None:
    task, _encoder = _task(small_encoder)
    assert task.steps == 4
    seen = [place for step in range(4) for place in task._batch(step).places]
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12] != seen[12:]


def _ranks(encoder: TrainableEncoder) -> list[int]:
    questions = encoder.encode(encoder.tokenize([one.question for one in EXAMPLES], "query"))
    passages = encoder.encode(encoder.tokenize(CORPUS.texts[:12], "passage"))
    order = np.argsort(-(questions @ passages.T), axis=1)
    return [int(np.flatnonzero(order[n] == n)[0]) for n in range(12)]


def test_tuning_finds_what_it_was_shown(small_encoder: Path, tmp_path: Path) -> None:
    task, encoder = _task(small_encoder, replace(CONFIG, epochs=40))
    before = _ranks(encoder)
    losses = run_training(task, OPTIMIZER, folder=tmp_path, key="k", report=lambda *_step: None)
    after = _ranks(encoder)
    assert losses[-1] < losses[0] / 3
    assert sum(rank == 0 for rank in after) >= 11 > sum(rank == 0 for rank in before)


def test_the_same_seed_gives_the_same_bytes_killed_or_not(small_encoder: Path, tmp_path: Path) -> None:
    def kill(done: int, _total: int, _loss: float) -> None:
        if done == 3:
            raise InterruptedError

    written, steps = [], list[int]()
    for name, killed in (("whole", False), ("again", False), ("killed", True)):
        if killed:
            task, _ = _task(small_encoder)
            with pytest.raises(InterruptedError):
                run_training(task, OPTIMIZER, folder=tmp_path / name, key="k", report=kill)
        task, encoder = _task(small_encoder)
        steps.clear()
        run_training(
            task,
            OPTIMIZER,
            folder=tmp_path / name,
            key="k",
            report=lambda done, _total, _loss: steps.append(done),
        )
        encoder.save(tmp_path / f"saved-{name}")
        written.append((tmp_path / f"saved-{name}" / WEIGHTS).read_bytes())
    assert steps == [3, 4], "the killed one went on at its checkpoint"
    assert written[0] == written[1] == written[2]
    assert written[0] != (small_encoder / WEIGHTS).read_bytes()


def test_a_teacher_moves_the_encoder_to_its_order(small_encoder: Path, tmp_path: Path) -> None:
    # The teacher prefers another passage than the example: its word weighs more.
    teachers: list[Teacher | None] = [{(n + 5) % 12: 5.0, n: 0.0} for n in range(12)]
    config = replace(CONFIG, epochs=40, distillation=20.0)
    task, encoder = _task(small_encoder, config, teachers=teachers)
    run_training(task, OPTIMIZER, folder=tmp_path, key="k", report=lambda *_step: None)
    questions = encoder.encode(encoder.tokenize([one.question for one in EXAMPLES], "query"))
    passages = encoder.encode(encoder.tokenize(CORPUS.texts[:12], "passage"))
    scores = questions @ passages.T
    assert sum(scores[n, (n + 5) % 12] > scores[n, n] for n in range(12)) >= 10


def test_a_key_names_all_that_decides_the_weights() -> None:
    def key(
        config: RetrieverConfig = CONFIG,
        optimizer: OptimizerConfig = OPTIMIZER,
        base: str = "base",
        negatives: Sequence[tuple[int, ...]] = ((1,),),
        device: str = "cpu",
    ) -> str:
        where = torch.device(device)
        return run_key(describe_run(CORPUS, EXAMPLES, negatives, config, optimizer, base=base, device=where))

    keys = {
        key(),
        key(replace(CONFIG, temperature=0.1)),
        key(optimizer=replace(OPTIMIZER, seed=5)),
        key(base="other"),
        key(negatives=((2,),)),
        key(device="cuda"),
    }
    assert len(keys) == 6
    assert key() == key()

"""A reranker's batches against brute force, and that tuning teaches what it is told."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.configuration import OptimizerConfig, RerankerConfig
from finetune.examples import Corpus, Example
from finetune.reranker_tuning import RerankerTask, listwise_loss
from finetune.trainable_reranker import TokenizedPair, TrainableReranker
from finetune.training import run_training
from retriever.cross_encoder import load_cross_encoder, open_classifier
from retriever.errors import EncoderUnusable

COLOURS = ["red", "green", "blue", "white", "black", "yellow", "brown", "pink"]
CORPUS = Corpus(
    ids=[f"p{n}" for n in range(16)],
    documents=[f"d{n // 2}" for n in range(16)],
    texts=[f"the {COLOURS[n % 8]} one is {'here' if n < 8 else 'there'}" for n in range(16)],
)
EXAMPLES = [
    Example(id=str(n), question=f"where is {COLOURS[n]}", rows=(n,), relevance=(n + 1) / 8, source="file")
    for n in range(8)
]
NEGATIVES = [tuple((n + k) % 8 for k in range(1, 5)) for n in range(8)]
CONFIG = RerankerConfig(epochs=2, batch_size=3, negatives=3)
OPTIMIZER = OptimizerConfig(learning_rate=5e-3, seed=4, steps_per_checkpoint=2)


def _task(
    folder: Path, config: RerankerConfig = CONFIG, negatives: Sequence[tuple[int, ...]] = NEGATIVES
) -> tuple[RerankerTask, TrainableReranker]:
    reranker = TrainableReranker(folder, torch.device("cpu"), seed=4)
    return RerankerTask(reranker, CORPUS, EXAMPLES, negatives, config, seed=4), reranker


def _ignore(_done: int, _total: int, _loss: float) -> None:
    return


def test_the_loss_is_that_of_a_table_worked_by_hand() -> None:
    scores = torch.tensor([1.0, 1.0, 0.0, float(np.log(3)), 2.0])
    loss = listwise_loss(scores, [2, 2, 1], torch.tensor([1.0, 0.5, 1.0]))
    assert float(loss) == pytest.approx(np.log(2) + 0.5 * np.log(4))


def test_parts_of_a_batch_add_up_to_the_whole(encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.trainable_reranker.mixed_precision", lambda _device: nullcontext())
    gradients, losses = [], []
    for most in (100_000, 1):
        monkeypatch.setattr("finetune.reranker_tuning.PART_TOKENS", most)
        task, reranker = _task(encoder_folder, RerankerConfig(batch_size=8))
        losses.append(task.backward(0))
        gradients.append([one.grad for one in reranker.module.parameters() if one.grad is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-5)
    assert max(float(one.abs().max()) for one in gradients[0]) > 1e-3


def test_lists_hold_what_was_mined_and_random_passages_of_other_documents(small_encoder: Path) -> None:
    mined: list[tuple[int, ...]] = [(5, 6, 7), (6,), (), *NEGATIVES[3:]]
    task, _reranker = _task(small_encoder, negatives=mined)
    for epoch in range(6):
        lists = task._lists(epoch)
        assert [len(rows) for rows in lists] == [3] * 8
        for place, rows in enumerate(lists):
            assert len(set(rows)) == 3
            assert place not in rows
            foreign = [row for row in rows if row not in mined[place]]
            assert len(foreign) == max(0, 3 - len(mined[place]))
            assert all(CORPUS.documents[row] != CORPUS.documents[place] for row in foreign)


def test_every_example_is_seen_once_an_epoch(small_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, _reranker = _task(small_encoder)
    seen: list[int] = []
    pairs = task._pairs

    def watched(place: int, rows: Sequence[int]) -> list[TokenizedPair]:
        seen.append(place)
        return pairs(place, rows)

    monkeypatch.setattr(task, "_pairs", watched)
    assert task.steps == 6
    for step in range(6):
        task.backward(step)
    assert sorted(seen[:8]) == sorted(seen[8:]) == list(range(8))
    assert seen[:8] != seen[8:]


def _first(reranker: TrainableReranker) -> int:
    """For how many questions the right passage gets the best score of all eight."""
    right = 0
    for example in EXAMPLES:
        with torch.no_grad():
            scores = reranker.score([reranker.tokenize(example.question, text) for text in CORPUS.texts[:8]])
        right += int(scores.argmax()) == example.rows[0]
    return right


@pytest.fixture(scope="module")
def tuned(
    encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainableReranker, Path, int]:
    """The real encoder's transformer, taught a made-up order, and saved."""
    folder = tmp_path_factory.mktemp("tuned")
    task, reranker = _task(encoder_folder, RerankerConfig(epochs=8, batch_size=4))
    before = _first(reranker)
    optimizer = OptimizerConfig(learning_rate=2e-4, seed=4)
    losses = run_training(task, optimizer, folder=folder, key="k", report=_ignore)
    assert np.mean(losses[-2:]) < np.mean(losses[:2]) / 3
    reranker.save(folder / "saved")
    return reranker, folder / "saved", before


def test_tuning_puts_the_right_passage_first(tuned: tuple[TrainableReranker, Path, int]) -> None:
    assert _first(tuned[0]) >= 7 > tuned[2]


def test_what_is_saved_is_what_was_trained(tuned: tuple[TrainableReranker, Path, int]) -> None:
    reranker, folder, _before = tuned
    question, texts = EXAMPLES[0].question, CORPUS.texts
    opened, _tokenizer = open_classifier(folder, torch.float32)
    states = [one.state_dict() for one in (opened, reranker.module)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
    with torch.no_grad():
        own = reranker.score([reranker.tokenize(question, text) for text in texts]).numpy()
    served = load_cross_encoder(folder, weights_sha256="w").score(question, texts)
    assert np.corrcoef(own, served)[0, 1] > 0.999
    assert served.argmax() % 8 == 0


def test_a_killed_run_ends_with_the_same_weights(small_encoder: Path, tmp_path: Path) -> None:
    def kill(done: int, _total: int, _loss: float) -> None:
        if done == 5:
            raise InterruptedError

    written, steps = [], list[int]()
    for name in ("whole", "killed"):
        if name == "killed":
            with pytest.raises(InterruptedError):
                run_training(_task(small_encoder)[0], OPTIMIZER, folder=tmp_path / name, key="k", report=kill)
        task, reranker = _task(small_encoder)
        steps.clear()
        run_training(
            task,
            OPTIMIZER,
            folder=tmp_path / name,
            key="k",
            report=lambda done, _total, _loss: steps.append(done),
        )
        reranker.save(tmp_path / f"saved-{name}")
        written.append((tmp_path / f"saved-{name}" / "model.safetensors").read_bytes())
    assert steps == [5, 6], "the killed one went on at its checkpoint"
    assert written[0] == written[1]


def test_a_folder_without_a_transformer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnusable, match=r"config\.json is missing"):
        TrainableReranker(tmp_path, torch.device("cpu"), seed=1)

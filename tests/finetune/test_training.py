"""The loop: the same weights whether killed or not, and checkpoints that are whole or not there."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.configuration import OptimizerConfig
from finetune.training import CHECKPOINT, CheckpointForeign, TrainingDiverged, run_training, schedule

CONFIG = OptimizerConfig(learning_rate=0.05, steps_per_checkpoint=3, seed=1)


class Regression:
    """Fits a line; ten steps, each with numbers of its own."""

    steps = 10

    def __init__(self) -> None:
        torch.manual_seed(5)
        self.module = torch.nn.Linear(3, 1)
        self.done: list[int] = []

    def backward(self, step: int) -> float:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss = (self.module(x) - x.sum(dim=1, keepdim=True)).square().mean()
        loss.backward()
        self.done.append(step)
        return float(loss.detach())


class Killed(Exception):
    pass


def _kill_after(step: int) -> Callable[[int, int, float], None]:
    def report(done: int, _total: int, _loss: float) -> None:
        if done == step:
            raise Killed

    return report


def _ignore(_done: int, _total: int, _loss: float) -> None:
    return


@pytest.mark.parametrize("killed_after", range(1, 11))
def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, killed_after: int) -> None:
    whole = Regression()
    expected = run_training(whole, CONFIG, folder=tmp_path / "whole", key="k", report=_ignore)
    with pytest.raises(Killed):
        run_training(Regression(), CONFIG, folder=tmp_path / "cut", key="k", report=_kill_after(killed_after))
    resumed = Regression()
    losses = run_training(resumed, CONFIG, folder=tmp_path / "cut", key="k", report=_ignore)
    assert losses == expected
    assert torch.equal(resumed.module.weight, whole.module.weight)
    assert len(resumed.done) == 10 - (killed_after if killed_after == 10 else killed_after // 3 * 3)


def test_it_learns(tmp_path: Path) -> None:
    task = Regression()
    losses = run_training(task, OptimizerConfig(learning_rate=0.3), folder=tmp_path, key="k", report=_ignore)
    assert losses[-1] < losses[0] / 5


def test_a_checkpoint_of_other_inputs_is_refused(tmp_path: Path) -> None:
    run_training(Regression(), CONFIG, folder=tmp_path, key="k", report=_ignore)
    with pytest.raises(CheckpointForeign, match=r"checkpoint\.pt belongs to a run with other examples"):
        run_training(Regression(), CONFIG, folder=tmp_path, key="other", report=_ignore)


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        run_training(Regression(), CONFIG, folder=tmp_path, key="k", report=_kill_after(4))
    before = (tmp_path / CHECKPOINT).read_bytes()
    save = torch.save

    def full(value: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match=r"the disk is full, and .*checkpoint.* could not be written"):
        run_training(Regression(), CONFIG, folder=tmp_path, key="k", report=_ignore)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    monkeypatch.setattr(torch, "save", save)
    assert len(run_training(Regression(), CONFIG, folder=tmp_path, key="k", report=_ignore)) == 10


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    task = Regression()
    with torch.no_grad():
        task.module.weight.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="loss of step 0"):
        run_training(task, CONFIG, folder=tmp_path, key="k", report=_ignore)


def test_the_learning_rate_rises_and_falls() -> None:
    # 10 steps, 2 of them warm-up: up to 1 in two, then down by eighths.
    expected = [0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert [schedule(step, 10, 0.2) for step in range(10)] == pytest.approx(expected)
    assert schedule(0, 1, 0.1) == 1.0

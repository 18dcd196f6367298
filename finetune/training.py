"""The loop of every tuning: steps, learning rate, checkpoints; goes on where it was when it was killed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from finetune.configuration import OptimizerConfig
from retriever.writing import telling_full_disk

Report = Callable[[int, int, float], None]
"""Called after each step with steps done, steps in all, and the loss."""

CHECKPOINT = "checkpoint.pt"


class CheckpointForeign(Exception):
    """The folder holds the checkpoint of another run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to a run with other examples or another configuration; "
            "name another folder, or delete this one to begin anew"
        )


class TrainingDiverged(Exception):
    """The loss is not a number any more."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss of step {step} is not a number; lower the learning rate and begin anew")


class Task(Protocol):
    """What is learnt."""

    @property
    def module(self) -> torch.nn.Module:
        """The weights that move."""
        ...

    @property
    def steps(self) -> int:
        """How many steps there are, at least 1."""
        ...

    def backward(self, step: int) -> float:
        """Add the gradient of a step's loss to the weights; the loss.

        It depends on the weights and the step alone: a run that was killed does the step again.
        """
        ...


def run_training(
    task: Task,
    config: OptimizerConfig,
    *,
    folder: Path,
    key: str,
    report: Report,
    until: int | None = None,
) -> list[float]:
    """Do all steps that were not done yet; the loss of every step.

    The same task, configuration and machine give the same weights, killed in between or not.

    Args:
        task: What is learnt; its weights are changed.
        config: How.
        folder: Of the checkpoint, which is left there; it is created.
        key: Names inputs and configuration; a checkpoint of another key is refused.
        report: Called after each step.
        until: Stop once so many steps are done, to go on with a later call; None for all.

    Raises:
        CheckpointForeign: If the folder has a checkpoint of another key.
        TrainingDiverged: If a loss is not a number; the last checkpoint stays.
        OSError: If a checkpoint can't be written, for instance on a full disk; the last one stays whole.

    Source: AdamW, Loshchilov & Hutter, ICLR 2019.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parameters = [one for one in task.module.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    losses = _resume(folder / CHECKPOINT, key, task.module, optimizer)
    with _repeatable(config.seed):
        last = task.steps if until is None else min(until, task.steps)
        for step in range(len(losses), last):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * schedule(step, task.steps, config.warmup)
            optimizer.zero_grad()
            loss = task.backward(step)
            if not loss < float("inf"):
                raise TrainingDiverged(step)
            torch.nn.utils.clip_grad_norm_(parameters, config.most_gradient)
            optimizer.step()
            losses.append(loss)
            if (step + 1) % config.steps_per_checkpoint == 0 or step + 1 == last:
                _save(folder / CHECKPOINT, key, task.module, optimizer, losses)
            report(step + 1, task.steps, loss)
    return losses


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the full learning rate at a step (from 0), in (0, 1]: up linearly, then down linearly."""
    rising = int(steps * warmup)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def _resume(path: Path, key: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    """Put a checkpoint back; the losses of the steps that were done."""
    if not path.is_file():
        return []
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["key"] != key:
        raise CheckpointForeign(path)
    with torch.no_grad():
        for name, weight in _moving(module).items():
            weight.copy_(state["module"][name])
    optimizer.load_state_dict(state["optimizer"])
    losses: list[float] = state["losses"]
    return losses


def _moving(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that are learnt; those that stay as they are need no checkpoint."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def _save(
    path: Path, key: str, module: torch.nn.Module, optimizer: torch.optim.Optimizer, losses: list[float]
) -> None:
    """Write beside the old checkpoint, then take its place: there is always a whole one."""
    beside = path.with_suffix(".writing")
    state = {
        "key": key,
        "module": {name: weight.detach() for name, weight in _moving(module).items()},
        "optimizer": optimizer.state_dict(),
        "losses": losses,
    }
    try:
        with telling_full_disk(path), beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    beside.replace(path)


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """The same sums in the same order every time."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before)

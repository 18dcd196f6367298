"""Between two models: weights by hand, and the choice by a table."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from finetune.interpolation import Trial, choose_factor, interpolate_weights, try_factors
from finetune.trainable_encoder import WEIGHTS, TrainableEncoder


@pytest.fixture
def tuned(small_encoder: Path, tmp_path: Path) -> Path:
    encoder = TrainableEncoder(small_encoder, torch.device("cpu"))
    with torch.no_grad():
        for parameter in encoder.module.parameters():
            parameter.add_(1.0)
    encoder.save(tmp_path / "tuned")
    return tmp_path / "tuned"


def test_each_weight_lies_on_the_line_between(small_encoder: Path, tuned: Path, tmp_path: Path) -> None:
    interpolate_weights(small_encoder, tuned, 0.25, tmp_path / "mixed")
    before, mixed = load_file(small_encoder / WEIGHTS), load_file(tmp_path / "mixed" / WEIGHTS)
    moved = 0
    for name, value in before.items():
        if value.is_floating_point():
            torch.testing.assert_close(mixed[name], 0.75 * value + 0.25 * load_file(tuned / WEIGHTS)[name])
            moved += int(not torch.equal(mixed[name], value))
    assert moved > 10


def test_every_factor_is_scored_once(small_encoder: Path, tuned: Path, tmp_path: Path) -> None:
    seen: list[Path] = []

    def score(folder: Path) -> tuple[float, float | None]:
        seen.append(folder)
        return len(seen) / 10, None

    trials = try_factors(small_encoder, tuned, tmp_path / "mixtures", score, factors=(0.5, 1.0))
    assert [trial.factor for trial in trials] == [0.0, 0.5, 1.0]
    assert seen[0] == small_encoder
    assert seen[2] == tuned
    assert (seen[1] / WEIGHTS).is_file()


def test_a_mixture_that_was_half_written_is_made_anew(
    small_encoder: Path, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any, **_options: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    def score(folder: Path) -> tuple[float, float | None]:
        return float((folder / WEIGHTS).is_file()), None

    with monkeypatch.context() as patched:
        patched.setattr("finetune.trainable_encoder.save_file", full)
        with pytest.raises(OSError, match="the disk is full"):
            try_factors(small_encoder, tuned, tmp_path / "mixtures", score, factors=(0.5,))
    trials = try_factors(small_encoder, tuned, tmp_path / "mixtures", score, factors=(0.5,))
    assert [trial.in_domain for trial in trials] == [1, 1]


def _trial(factor: float, in_domain: float, general: float | None) -> Trial:
    return Trial(factor=factor, in_domain=in_domain, general=general)


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([(0, 0.5, 0.9), (0.5, 0.6, 0.9), (1, 0.7, 0.9)], 1),  # the best
        ([(0, 0.5, 0.9), (0.5, 0.6, 0.895), (1, 0.7, 0.88)], 0.5),  # the best forgets too much
        ([(0, 0.5, 0.9), (0.5, 0.6, 0.89), (1, 0.7, 0.88)], 0.5),  # a fall of exactly a point is allowed
        ([(0, 0.5, 0.9), (0.5, 0.4, 0.9), (1, 0.3, 0.9)], 0),  # tuning only harmed
        ([(0, 0.5, None), (0.5, 0.7, None), (1, 0.7, None)], 0.5),  # equal: the smaller step
        ([(0, 0.5, 0.9), (0.5, 0.7, 0.5), (1, 0.7, 0.5)], 0),
    ],
)
def test_the_best_that_forgets_little_is_chosen(
    trials: list[tuple[float, float, float]], chosen: float
) -> None:
    assert choose_factor([_trial(*trial) for trial in trials]) == chosen


def test_the_base_model_must_be_tried() -> None:
    with pytest.raises(ValueError, match="base model"):
        choose_factor([_trial(1, 0.5, None)])

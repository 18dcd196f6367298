"""Between a base model and its tuned self: how far to go, tried on questions of both worlds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from safetensors.torch import load_file

from finetune.trainable_encoder import WEIGHTS, save_weights
from retriever.writing import write_whole

FACTORS = (0.25, 0.5, 0.75, 1.0)
MOST_GENERAL_FALL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one mixture is worth.

    Attributes:
        factor: Share of the tuned weights, in [0, 1]; 0 is the base model.
        in_domain: Score on questions of the domain, in [0, 1].
        general: Score on general questions, in [0, 1]; None where there are none.
    """

    factor: float
    in_domain: float
    general: float | None


def interpolate_weights(base: Path, tuned: Path, factor: float, folder: Path) -> None:
    """Write the encoder whose weights are ``(1 - factor) * base + factor * tuned``.

    Args:
        base: The encoder's folder before tuning.
        tuned: The same after tuning; its other files are taken.
        factor: In [0, 1].
        folder: A place that does not exist yet.

    Source: Wortsman et al., WiSE-FT, 2109.01903; for encoders Xiao et al., LM-Cocktail, 2311.13534.
    """
    before, after = load_file(base / WEIGHTS), load_file(tuned / WEIGHTS)
    mixed = {
        name: (before[name].lerp(value, factor) if value.is_floating_point() else value)
        for name, value in after.items()
    }
    save_weights(tuned, folder, mixed)


def try_factors(
    base: Path,
    tuned: Path,
    folder: Path,
    score: Callable[[Path], tuple[float, float | None]],
    *,
    factors: Sequence[float] = FACTORS,
) -> list[Trial]:
    """Score the base model and each mixture.

    Args:
        base: The encoder's folder before tuning.
        tuned: The same after tuning.
        folder: Where mixtures are written, each below a name of its factor; it is created.
        score: From an encoder's folder to its score in the domain and in general.
        factors: Shares of the tuned weights to try, each in (0, 1].
    """
    folder.mkdir(parents=True, exist_ok=True)
    trials = [_trial(0.0, score(base))]
    for factor in factors:
        mixture = tuned if factor == 1 else folder / mixture_name(factor)
        if factor < 1 and not mixture.exists():
            write_whole(mixture, partial(interpolate_weights, base, tuned, factor))
        trials.append(_trial(factor, score(mixture)))
    return trials


def mixture_name(factor: float) -> str:
    """Folder of a mixture, such as ``mixture-0.50``."""
    return f"mixture-{factor:.2f}"


def _trial(factor: float, scores: tuple[float, float | None]) -> Trial:
    return Trial(factor=factor, in_domain=scores[0], general=scores[1])


def choose_factor(trials: Sequence[Trial], *, most_general_fall: float = MOST_GENERAL_FALL) -> float:
    """The factor that is best in the domain among those that forget little.

    Args:
        trials: The base model (factor 0) and mixtures.
        most_general_fall: How much of the base model's general score may be lost.

    Returns:
        A factor; 0 if no mixture is better than the base model. Of equal ones the smallest.

    Raises:
        ValueError: If the base model was not tried.
    """
    base = next((trial for trial in trials if trial.factor == 0), None)
    if base is None:
        raise ValueError("the base model must be among the trials")
    allowed = [
        trial
        for trial in trials
        if trial.general is None
        or base.general is None
        or trial.general >= base.general - most_general_fall - 1e-9
    ]
    return min(allowed, key=lambda trial: (-trial.in_domain, trial.factor)).factor

"""Adapters: a few weights beside a model's own, which were tuned for one base model."""

import warnings
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PreTrainedModel

from generator.errors import ModelFolderInvalid

ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


def merge_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """A model with an adapter's weights added to its own, as fast as the model alone.

    Args:
        model: The adapter's base; it is changed.
        folder: Of the adapter.

    Raises:
        ModelFolderInvalid: If the adapter is missing, damaged, or of another model.
    """
    try:
        peft: Any = get_peft_model(model, read_adapter_config(folder))
    except ValueError as error:  # no layer has the names that it adds to
        raise ModelFolderInvalid(folder=folder, reason=f"its adapter does not fit: {error}") from error
    load_adapter_weights(peft, folder)
    merged: PreTrainedModel = peft.merge_and_unload()
    merged.train(mode=False)
    return merged


def read_adapter_config(folder: Path) -> Any:
    """The shape of an adapter, as the library has it.

    Raises:
        ModelFolderInvalid: If it is missing or broken.
    """
    try:
        return LoraConfig.from_pretrained(str(folder))
    except (OSError, TypeError, ValueError) as error:
        raise ModelFolderInvalid(folder=folder, reason=f"{ADAPTER_CONFIG} is unusable: {error}") from error


def load_adapter_weights(model: PeftModel, folder: Path) -> None:
    """Put an adapter's weights into a model that has an adapter of the same shape.

    Raises:
        ModelFolderInvalid: If a weight is missing, too many, or of another shape.
    """
    try:
        weights = load_file(folder / ADAPTER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded: Any = set_peft_model_state_dict(model, weights)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelFolderInvalid(folder=folder, reason=f"its adapter does not fit: {error}") from error
    lost = [name for name in loaded.missing_keys if "lora_" in name] + list(loaded.unexpected_keys)
    if lost:
        raise ModelFolderInvalid(folder=folder, reason=f"its adapter does not fit: {lost[0]} has no partner")

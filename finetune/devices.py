"""Where training runs, and in which numbers."""

from contextlib import AbstractContextManager, nullcontext

import torch

from finetune.configuration import DeviceName
from retriever.sentence_transformer_encoder import computes_in_bfloat16


class DeviceUnavailable(Exception):
    """The device that was asked for is not in this machine."""


def choose_device(name: DeviceName) -> torch.device:
    """The device of a name; ``auto`` is a GPU where there is one.

    Raises:
        DeviceUnavailable: If ``cuda`` is asked for and torch sees none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable(
            "no CUDA device is usable here; use --device cpu, or auto to take what there is"
        )
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 for matrix products where the device computes in it, else nothing; weights stay float32."""
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else computes_in_bfloat16()
    return torch.autocast(device.type, dtype=torch.bfloat16) if native else nullcontext()

"""GGUF files to the folders that the in-process backend loads."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def convert_gguf(file: Path, folder: Path) -> None:
    """Read a GGUF file once and keep it as bfloat16 safetensors with configuration and tokenizer.

    Reading unpacks every quantised tensor and rebuilds the tokenizer, which takes 15 to 40 s for half a
    billion parameters; the folder loads in a tenth of that. bfloat16 on every machine, whatever it
    computes in, so that the same model has the same fingerprint everywhere.

    Args:
        file: A GGUF file of an architecture that transformers reads.
        folder: Created; gets ``config.json``, ``model.safetensors`` and the tokenizer.

    Raises:
        OSError, ValueError: If the file is damaged or of an unknown architecture.
    """
    source = str(file.parent)
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=file.name, dtype=torch.bfloat16, local_files_only=True
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=file.name, local_files_only=True).save_pretrained(folder)

"""GGUF files to the folders that the in-process backend loads."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

SAME_MATRIX_COSINE = 0.99  # two quantisations of one matrix agree to 0.999, unrelated ones to about 0


def convert_gguf(file: Path, folder: Path) -> None:
    """Read a GGUF file once and keep it as bfloat16 safetensors with configuration and tokenizer.

    Reading unpacks every quantised tensor and rebuilds the tokenizer, which takes 15 to 40 s for half a
    billion parameters; the folder loads in a tenth of that. bfloat16 on every machine, whatever it
    computes in, so that the same model has the same fingerprint everywhere.

    A GGUF file keeps a tied matrix twice, the embedding quantised more coarsely than the output; they are
    tied again here, which saves a fifth of the default model's memory.

    Args:
        file: A GGUF file of an architecture that transformers reads.
        folder: Created; gets ``config.json``, ``model.safetensors`` and the tokenizer.

    Raises:
        OSError, ValueError: If the file is damaged or of an unknown architecture.
    """
    source = str(file.parent)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the caller shows its own
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=file.name, dtype=torch.bfloat16, local_files_only=True
    )
    _tie_embeddings(model)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=file.name, local_files_only=True).save_pretrained(folder)


def _tie_embeddings(model: PreTrainedModel) -> None:
    """Make the input embedding the output matrix, if both are quantisations of the same one."""
    embedding: Any = model.get_input_embeddings()
    output: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if output is None or output.weight is embedding.weight or output.weight.shape != embedding.weight.shape:
        return
    rows = slice(0, None, 97)  # a sample: some 1,500 of 150,000 rows
    cosine = torch.nn.functional.cosine_similarity(
        embedding.weight[rows].float().flatten(), output.weight[rows].float().flatten(), dim=0
    )
    if cosine > SAME_MATRIX_COSINE:
        embedding.weight = output.weight
        model.config.tie_word_embeddings = True
        model.tie_weights()

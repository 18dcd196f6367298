"""A reranker whose weights move: the same tokens as in serving, with gradients."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune.devices import mixed_precision
from retriever.cross_encoder import PairTokenizer
from retriever.errors import EncoderUnusable
from retriever.sentence_transformer_encoder import quiet_loading

TokenizedPair = Any
"""What `PairTokenizer.encode` gives; its package has no types."""


class TrainableReranker:
    """An encoder's transformer with a new head of one output, in float32; dropout stays off.

    Args:
        folder: A sentence-transformers folder whose transformer lies at its root.
        device: Where it runs.
        seed: Of the head's first weights.

    Raises:
        EncoderUnusable: If the folder holds no transformer.
    """

    def __init__(self, folder: Path, device: torch.device, *, seed: int) -> None:
        if not (folder / "config.json").is_file():
            raise EncoderUnusable(folder=folder, reason="config.json is missing")
        torch.manual_seed(seed)
        with quiet_loading():
            self._model: Any = AutoModelForSequenceClassification.from_pretrained(
                str(folder), num_labels=1, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
            self._source = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self._model.to(device).eval()
        self._tokenizer = PairTokenizer(self._source)
        self.device = device

    @property
    def module(self) -> torch.nn.Module:
        """What the optimizer moves."""
        model: torch.nn.Module = self._model
        return model

    def tokenize(self, question: str, text: str) -> TokenizedPair:
        """One pair as the reranker reads it."""
        return self._tokenizer.encode(question, text)

    def score(self, pairs: Sequence[TokenizedPair]) -> Tensor:
        """(n,) float32 logits, with gradients where torch records them."""
        features = {name: value.to(self.device) for name, value in self._tokenizer.pad(pairs).items()}
        with mixed_precision(self.device):
            logits: Tensor = self._model(**features).logits[:, 0]  # (n,)
        return logits.float()

    def save(self, folder: Path) -> None:
        """Write a folder that `retriever.cross_encoder.load_cross_encoder` opens.

        Raises:
            OSError: If the disk is full; what was written is left to the caller to remove.
        """
        with quiet_loading():
            self._model.save_pretrained(str(folder))
            self._source.save_pretrained(str(folder))

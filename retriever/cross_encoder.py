"""The reranker that runs in this process: a transformer with one output, on the CPU."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from tokenizers import Encoding, Tokenizer  # type: ignore[import-untyped]
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from retriever.arrays import Scores
from retriever.errors import RerankerUnusable
from retriever.sentence_transformer_encoder import BATCH_TOKENS, computes_in_bfloat16, quiet_loading
from retriever.token_batches import group_by_length

MAX_TOKENS = 256
"""Tokens of question and passage together; the passage is cut to fit.

A question longer than half of it is cut too, which nothing that a person types is.
"""

_PROBE = "Which passage answers this question?"


class PairTokenizer:
    """Question and passage to what a model reads; never changed, so that threads may share it.

    Args:
        tokenizer: A transformers tokenizer with a fast backend.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_padding()
        limit = min(MAX_TOKENS, int(tokenizer.model_max_length))
        self._backend.enable_truncation(max_length=limit, strategy="longest_first")
        self._padding = int(tokenizer.pad_token_id)
        self._with_types = "token_type_ids" in tokenizer.model_input_names
        self.unknown = tokenizer.unk_token_id

    def encode(self, question: str, text: str) -> Encoding:
        """One pair, with special tokens, cut to `MAX_TOKENS`."""
        return self._backend.encode(question, text)

    def pad(self, encodings: Sequence[Encoding]) -> dict[str, Tensor]:
        """A model's arguments, each (n, longest)."""
        longest = max(len(one.ids) for one in encodings)
        ids = torch.full((len(encodings), longest), self._padding)  # (n, longest)
        types, mask = torch.zeros_like(ids), torch.zeros_like(ids)  # (n, longest)
        for row, one in enumerate(encodings):
            length = len(one.ids)
            ids[row, :length] = torch.tensor(one.ids)
            types[row, :length] = torch.tensor(one.type_ids)
            mask[row, :length] = 1
        features = {"input_ids": ids, "attention_mask": mask}
        return features | {"token_type_ids": types} if self._with_types else features


class CrossEncoder:
    """Scores passages for a question with a tokenizer and a model, without a library's overhead per call.

    Any number of threads may score at once: a forward pass in evaluation mode changes nothing.

    Attributes:
        fingerprint: Hash of the weights' checksum, length limit and number format.
    """

    def __init__(self, model: Any, tokenizer: PairTokenizer, *, weights_sha256: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        decisive = {"weights": weights_sha256, "length": MAX_TOKENS, "number_format": str(model.dtype)}
        self.fingerprint = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def score(self, question: str, texts: Sequence[str]) -> Scores:
        """(n,) one logit per text, in the order given; larger is better."""
        encodings = [self._tokenizer.encode(question, text) for text in texts]
        scores = np.empty(len(texts), dtype=np.float32)
        for places in group_by_length([len(one.ids) for one in encodings], most_tokens=BATCH_TOKENS):
            scores[places] = self._forward([encodings[place] for place in places])
        return scores

    @torch.inference_mode()
    def _forward(self, encodings: Sequence[Encoding]) -> Scores:
        logits: Scores = self._model(**self._tokenizer.pad(encodings)).logits[:, 0].float().numpy()  # (n,)
        return logits


def load_cross_encoder(folder: Path, *, weights_sha256: str) -> CrossEncoder:
    """Load a reranker from a folder, without network, progress bars or load reports.

    bfloat16 is used where the CPU computes in it; elsewhere float32.

    Args:
        folder: What ``save_pretrained`` of a sequence classifier with one label and its tokenizer write.
        weights_sha256: Checksum of the weights; the caller has checked it.

    Raises:
        RerankerUnusable: If the folder is missing, incomplete or of another kind.
    """
    number_format = torch.bfloat16 if computes_in_bfloat16() else torch.float32
    model, tokenizer = open_classifier(folder, number_format)
    return CrossEncoder(model, tokenizer, weights_sha256=weights_sha256)


def open_classifier(folder: Path, number_format: torch.dtype) -> tuple[Any, PairTokenizer]:
    """Model, in evaluation mode, and tokenizer of a reranker's folder; raises `RerankerUnusable`."""
    if not (folder / "config.json").is_file():
        raise RerankerUnusable(folder=folder, reason="config.json is missing")
    try:
        with quiet_loading():
            model, report = AutoModelForSequenceClassification.from_pretrained(
                str(folder),
                local_files_only=True,
                use_safetensors=True,
                dtype=number_format,
                output_loading_info=True,
            )
            tokenizer = PairTokenizer(AutoTokenizer.from_pretrained(str(folder), local_files_only=True))
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, SafetensorError) as error:
        raise RerankerUnusable(folder=folder, reason=str(error)) from error
    if model.config.num_labels != 1:
        raise RerankerUnusable(folder=folder, reason=f"it has {model.config.num_labels} outputs instead of 1")
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"]))
        raise RerankerUnusable(folder=folder, reason=f"its weights lack {missing}")
    encoding = tokenizer.encode(_PROBE, _PROBE)
    words = [
        one for one, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if not special
    ]
    if set(words) <= {tokenizer.unknown}:
        raise RerankerUnusable(folder=folder, reason="its tokenizer knows no word")
    return model.eval(), tokenizer

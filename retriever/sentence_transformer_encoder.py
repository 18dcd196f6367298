"""The encoder that runs in this process: a sentence-transformers folder on the CPU."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding, Tokenizer  # type: ignore[import-untyped]
from transformers.utils import logging as transformers_logging

from retriever.arrays import Vectors
from retriever.errors import EncoderUnusable
from retriever.token_batches import group_by_length

BATCH_TOKENS = 1024
"""Most tokens in one padded batch.

Measured on two cores, 512 to 16,384, all-MiniLM-L6-v2 in float32: 1,024 is quickest or within noise of
it for short passages (40 tokens) and long ones (256); above 2,048 both slow down by a third.
"""

_PASSAGE_PROMPTS = ("document", "passage", "corpus")  # in the order that sentence-transformers tries
_PROBE = "How is one sentence turned into a vector?"
_LEAST_AGREEMENT = 0.995  # cosine of the direct route and the library's own; bfloat16 reaches 0.998


class SentenceTransformerEncoder:
    """Runs a tokenizer and a model directly, which spares the library's own overhead per call.

    Any number of threads may encode at once: the tokenizers are configured once and only read
    afterwards, and the model runs in evaluation mode, where a forward pass changes nothing.

    Attributes:
        dimension: Length of every vector.
        max_tokens: Tokens of a passage that are read, special tokens and the passage prompt not counted.
        fingerprint: Hash of the weights' checksum, length limit, modules, prompts and number format.
    """

    def __init__(self, model: SentenceTransformer, *, folder: Path, weights_sha256: str) -> None:
        self._model = model
        length = int(model.max_seq_length or model.tokenizer.model_max_length)
        self._padding_token = int(model.tokenizer.pad_token_id)
        self._tokenizer, self._offsets = _tokenizers(model, length)
        self._query_prompt = model.prompts.get("query") or ""
        self._passage_prompt = passage_prompt(model)
        self.dimension = int(model.get_embedding_dimension() or 0)
        self.max_tokens = length - len(self._tokenizer.encode(self._passage_prompt).ids)
        self.fingerprint = _fingerprint(model, weights_sha256=weights_sha256, length=length)
        self._check(folder)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """One (n, dimension) float32 unit row per question, in the order given."""
        return self._encode([self._query_prompt + text for text in texts])

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """One (n, dimension) float32 unit row per passage, in the order given."""
        return self._encode([self._passage_prompt + text for text in texts])

    def token_offsets(self, text: str) -> list[int]:
        """Where each token of ``text`` starts, rising, without special tokens and never truncated."""
        return [start for start, _end in self._offsets.encode(text, add_special_tokens=False).offsets]

    def _encode(self, texts: Sequence[str]) -> Vectors:
        encodings = [self._tokenizer.encode(text) for text in texts]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for places in group_by_length([len(one.ids) for one in encodings], most_tokens=BATCH_TOKENS):
            vectors[places] = self._forward([encodings[place] for place in places])
        return vectors

    @torch.inference_mode()
    def _forward(self, encodings: Sequence[Encoding]) -> Vectors:
        longest = max(len(encoding.ids) for encoding in encodings)
        tokens = torch.full((len(encodings), longest), self._padding_token)  # (batch, longest)
        mask = torch.zeros((len(encodings), longest), dtype=torch.long)  # (batch, longest)
        for row, encoding in enumerate(encodings):
            tokens[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding.ids)] = 1
        pooled = self._model({"input_ids": tokens, "attention_mask": mask})["sentence_embedding"]
        unit: Vectors = torch.nn.functional.normalize(pooled.float(), dim=1).numpy()  # (batch, dimension)
        return unit

    def _check(self, folder: Path) -> None:
        """The library must agree: it knows settings of a folder that the direct route does not.

        And the probe must have known words: without its files, a tokenizer is made that knows none.
        """
        library = self._model
        tokens = self._offsets.encode(_PROBE, add_special_tokens=False).ids
        if set(tokens) <= {library.tokenizer.unk_token_id}:
            raise EncoderUnusable(folder=folder, reason="its tokenizer knows no word")
        theirs = (
            library.encode_query(_PROBE, normalize_embeddings=True, show_progress_bar=False),
            library.encode_document(_PROBE, normalize_embeddings=True, show_progress_bar=False),
        )
        ours = self.encode_queries([_PROBE])[0], self.encode_passages([_PROBE])[0]
        if any(float(one @ other) < _LEAST_AGREEMENT for one, other in zip(theirs, ours, strict=True)):
            raise EncoderUnusable(folder=folder, reason="its settings go beyond tokenize, run and pool")


def load_encoder(folder: Path, *, weights_sha256: str) -> SentenceTransformerEncoder:
    """Load an encoder from a folder, without network, progress bars or load reports.

    bfloat16 is used where the CPU computes in it, for three times the speed at a cosine of 0.998 to
    float32; elsewhere float32.

    Args:
        folder: What SentenceTransformer.save writes.
        weights_sha256: Checksum of the weights; the caller has checked it.

    Raises:
        EncoderUnusable: If the folder is missing, incomplete or of an unsupported kind.
    """
    number_format = torch.bfloat16 if computes_in_bfloat16() else torch.float32
    if not (folder / "modules.json").is_file():
        raise EncoderUnusable(folder=folder, reason="modules.json is missing")
    try:
        with quiet_loading():
            model = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": number_format}
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise EncoderUnusable(folder=folder, reason=str(error)) from error
    return SentenceTransformerEncoder(model.eval(), folder=folder, weights_sha256=weights_sha256)


def computes_in_bfloat16() -> bool:
    """Whether this CPU has bfloat16. Native only: where bfloat16 is emulated it is slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "sve_bf16"))


def passage_prompt(model: SentenceTransformer) -> str:
    """What a folder puts before passages; empty where it says nothing."""
    return next((model.prompts[name] for name in _PASSAGE_PROMPTS if name in model.prompts), None) or ""


def _tokenizers(model: SentenceTransformer, length: int) -> tuple[Tokenizer, Tokenizer]:
    """One that adds special tokens and cuts at ``length``, one that does neither. Nobody changes them."""
    template = model.tokenizer.backend_tokenizer.to_str()
    cutting, whole = Tokenizer.from_str(template), Tokenizer.from_str(template)
    for tokenizer in (cutting, whole):
        tokenizer.no_padding()
        tokenizer.no_truncation()
    cutting.enable_truncation(max_length=length)
    return cutting, whole


def _fingerprint(model: SentenceTransformer, *, weights_sha256: str, length: int) -> str:
    after: list[Any] = list(model)[1:]  # pooling, normalising
    modules = [(type(module).__name__, module.get_config_dict()) for module in after]
    decisive = {
        "weights": weights_sha256,
        "length": length,
        "modules": modules,
        "prompts": model.prompts,
        "number_format": str(model.dtype),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Loading draws a progress bar and prints a report of keys, through settings that are global."""
    settings: Any = transformers_logging  # its functions are not typed
    verbosity, bar = settings.get_verbosity(), settings.is_progress_bar_enabled()
    settings.set_verbosity_error()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        settings.set_verbosity(verbosity)
        if bar:
            settings.enable_progress_bar()

"""An encoder whose weights move: the same texts, prompts and pooling as in serving, with gradients."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer  # type: ignore[import-untyped]
from torch import Tensor

from finetune.devices import mixed_precision
from retriever.arrays import Vectors
from retriever.errors import EncoderUnusable
from retriever.sentence_transformer_encoder import passage_prompt, quiet_loading
from retriever.token_batches import group_by_length

WEIGHTS = "model.safetensors"
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # as in old files
PART_TOKENS = 2048
"""Most padded tokens that go through the model at once: texts of like length, so little is padding."""

TokenIds = Sequence[int]
LossOf = Callable[[Tensor, Tensor], Tensor]
"""From unit rows of questions (B, d) and passages (P, d) to a scalar loss."""


class TrainableEncoder:
    """A sentence-transformers folder, opened for training in float32.

    Dropout stays off: a step then depends on nothing but weights and batch, which makes cached gradients
    exact and runs repeatable. Interpolation with the base model is what guards against overfitting.

    Args:
        folder: What SentenceTransformer.save writes, with its weights in one safetensors file.
        device: Where it runs.

    Raises:
        EncoderUnusable: If the folder holds no such encoder.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        if not (folder / WEIGHTS).is_file() or not (folder / "modules.json").is_file():
            raise EncoderUnusable(folder=folder, reason=f"{WEIGHTS} or modules.json is missing")
        self.folder = folder
        self.device = device
        with quiet_loading():
            self._model = SentenceTransformer(
                str(folder), device=str(device), local_files_only=True, model_kwargs={"dtype": torch.float32}
            ).eval()
        length = int(self._model.max_seq_length or self._model.tokenizer.model_max_length)
        self._padding = int(self._model.tokenizer.pad_token_id)
        self._tokenizer = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=length)
        self._prompts = {
            "query": self._model.prompts.get("query") or "",
            "passage": passage_prompt(self._model),
        }

    @property
    def module(self) -> torch.nn.Module:
        """What the optimizer moves."""
        return self._model

    def tokenize(self, texts: Sequence[str], kind: Literal["query", "passage"]) -> list[list[int]]:
        """Token ids as the encoder reads them: with its prompt and special tokens, cut at its length."""
        encodings = self._tokenizer.encode_batch([self._prompts[kind] + text for text in texts])
        return [list(encoding.ids) for encoding in encodings]

    def embed(self, tokens: Sequence[TokenIds]) -> Tensor:
        """(n, dimension) float32 unit rows, with gradients where torch records them."""
        longest = max(map(len, tokens))
        ids = torch.full((len(tokens), longest), self._padding)  # (n, longest)
        mask = torch.zeros((len(tokens), longest), dtype=torch.long)  # (n, longest)
        for row, one in enumerate(tokens):
            ids[row, : len(one)] = torch.tensor(one)
            mask[row, : len(one)] = 1
        features: dict[str, Any] = {"input_ids": ids.to(self.device), "attention_mask": mask.to(self.device)}
        with mixed_precision(self.device):
            pooled = self._model(features)["sentence_embedding"]
        return torch.nn.functional.normalize(pooled.float(), dim=1)

    @torch.no_grad()
    def encode(self, tokens: Sequence[TokenIds]) -> Vectors:
        """(n, dimension) float32 unit rows on the CPU, without gradients."""
        if not tokens:
            return torch.empty(0, int(self._model.get_embedding_dimension() or 0)).numpy()
        groups = list(group_by_length([len(one) for one in tokens], most_tokens=PART_TOKENS))
        rows = torch.cat([self.embed([tokens[place] for place in group]).cpu() for group in groups])
        vectors: Vectors = rows[_inverse(groups)].numpy()
        return vectors

    def backward(
        self,
        questions: Sequence[TokenIds],
        passages: Sequence[TokenIds],
        loss_of: LossOf,
        *,
        most_tokens: int,
    ) -> float:
        """Add the gradient of a batch's loss to the weights; the loss.

        A batch that is larger than ``most_tokens`` goes through in parts twice: once without gradients for
        all vectors, then, with the loss's gradient with respect to these, once more with gradients. That
        costs a third more time, needs memory for one part only, and gives the same gradient.

        Args:
            questions: B questions' tokens.
            passages: P passages' tokens.
            loss_of: The loss of the whole batch.
            most_tokens: Padded tokens whose activations may be kept at once.

        Source: gradient caching, Gao et al., RepL4NLP 2021, 2101.06983.
        """
        parts = [
            ([questions[place] for place in group], group)
            for group in group_by_length([len(one) for one in questions], most_tokens=PART_TOKENS)
        ]
        offset = len(questions)
        parts += [
            ([passages[place] for place in group], [offset + place for place in group])
            for group in group_by_length([len(one) for one in passages], most_tokens=PART_TOKENS)
        ]
        order = _inverse([group for _tokens, group in parts])
        padded = sum(len(tokens) * max(map(len, tokens)) for tokens, _group in parts)
        if padded <= most_tokens:
            rows = torch.cat([self.embed(tokens) for tokens, _group in parts])[order]
            loss = loss_of(rows[:offset], rows[offset:])
            loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())
        with torch.no_grad():
            found = [self.embed(tokens) for tokens, _group in parts]
        rows = torch.cat(found)[order].requires_grad_()
        loss = loss_of(rows[:offset], rows[offset:])
        loss.backward()  # type: ignore[no-untyped-call]
        assert rows.grad is not None
        for tokens, group in parts:
            self.embed(tokens).backward(rows.grad[torch.tensor(group)])  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def save(self, folder: Path) -> None:
        """Write a copy of the folder that was opened, with the weights as they are now.

        Names and formats of the weights are those of the base, so the bytes depend on the values alone.

        Args:
            folder: A place that does not exist yet.

        Raises:
            EncoderUnusable: If the base's file names a weight that the model does not have.
            OSError: If the disk is full; what was written is left to the caller to remove.
        """
        transformer: Any = self._model[0]
        state = transformer.auto_model.state_dict()
        weights = load_file(self.folder / WEIGHTS)
        prefix = f"{transformer.auto_model.base_model_prefix}."
        for name, value in weights.items():
            known = name.removeprefix(prefix)
            for old, new in _OLD_NAMES.items():
                known = known.replace(old, new)
            if known in state:
                weights[name] = state[known].detach().to("cpu", value.dtype).contiguous()
            elif value.is_floating_point():
                raise EncoderUnusable(folder=self.folder, reason=f"its weight {name} is unknown to the model")
        save_weights(self.folder, folder, weights)


def save_weights(base: Path, folder: Path, weights: dict[str, Tensor]) -> None:
    """Write an encoder's folder with other weights; every other file is copied.

    Args:
        base: The encoder to copy.
        folder: A place that does not exist yet.
        weights: One value per name of the base's weights.
    """
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns(WEIGHTS, "manifest.json", ".cache"))
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def _inverse(groups: Sequence[Sequence[int]]) -> Tensor:
    """Where each position went when the groups were laid end to end."""
    order = torch.tensor([place for group in groups for place in group])
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return inverse

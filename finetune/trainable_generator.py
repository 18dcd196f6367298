"""A generator whose adapter moves: the same tokens as in serving, gradients where something is learnt."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor
from torch.nn.functional import cross_entropy

from finetune.devices import mixed_precision
from generator.adapters import ADAPTER_CONFIG, load_adapter_weights, read_adapter_config
from generator.errors import ModelFolderInvalid, PromptTooLong
from generator.models import Message
from generator.transformers_backend import (
    TransformersGenerator,
    encode_messages,
    load_tokenizer,
    render_messages,
)
from generator.weights import best_cpu_dtype, load_weights

_ALIKE = 1e-3  # largest difference of hidden values, relative to their size, that counts as rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedChat:
    """A chat as the model reads it.

    Attributes:
        ids: The prompt, then the message to write with the token that ends it.
        answer: Place of the first token of that message; at least 1.
    """

    ids: tuple[int, ...]
    answer: int

    @property
    def answer_tokens(self) -> int:
        """Tokens of the message to write."""
        return len(self.ids) - self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """What is learnt of a generator; see `finetune.configuration.GeneratorConfig`."""

    rank: int
    scale: float
    layers: int


class TrainableGenerator:
    """A causal model with a LoRA adapter on its last layers. Dropout stays off.

    The layers below the adapter never change, so what they make of a chat can be computed once
    (`read`) and learnt from again and again. Only the answer's positions are turned into logits:
    with 152,000 words these are most of the memory.

    Args:
        folder: A converted model; see `generator.conversion`.
        device: Where it runs.
        shape: Of a new adapter.
        seed: Of the new adapter's first weights.
        adapter: A folder to go on from instead of a new one; its own shape counts then.

    Attributes:
        tokenizer: That of serving.
        device: Where it runs.

    Raises:
        ModelFolderInvalid: A file is missing or cannot be read, or the adapter is of another model.

    Source: LoRA, Hu et al., ICLR 2022, 2106.09685.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        shape: AdapterShape,
        *,
        seed: int,
        adapter: Path | None = None,
    ) -> None:
        dtype = best_cpu_dtype() if device.type == "cpu" else torch.bfloat16
        base: Any = load_weights(folder, dtype=dtype)
        self.tokenizer = load_tokenizer(folder)
        layers = base.get_decoder().layers
        learnt = range(max(0, len(layers) - shape.layers), len(layers))
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=shape.rank,
            lora_alpha=round(shape.rank * shape.scale),
            lora_dropout=0.0,
            target_modules=sorted(_linear_names(layers)),
            layers_to_transform=list(learnt),
        )
        if adapter is not None:
            config = read_adapter_config(adapter)
            config.inference_mode = False  # a saved adapter says True, and none of its weights would move
            learnt = range(min(config.layers_to_transform), len(layers))
        torch.manual_seed(seed)
        self._model: Any = get_peft_model(base, config)
        self._model.to(device).eval()
        if adapter is not None:
            self.load(adapter)
        self._causal: Any = base
        self._decoder: Any = base.get_decoder()
        self._layers, self._split = self._decoder.layers, learnt.start
        self._limit = int(self._causal.config.max_position_embeddings)
        self._factor = 1.0
        self.device = device
        if self._split and not self._halves_agree():
            self._split = 0  # an architecture that does more between its layers: all are computed each time

    @property
    def module(self) -> torch.nn.Module:
        """What the optimizer moves: the adapter's weights; all others are fixed."""
        module: torch.nn.Module = self._model
        return module

    def count_tokens(self, text: str) -> int:
        """The number of tokens in `text`, without any that a chat template adds."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def tokenize(self, messages: Sequence[Message], target: str) -> TokenizedChat:
        """A chat and the message to write, with the token that ends a message.

        Raises:
            PromptTooLong: It does not fit into the model's window.
        """
        prompt = encode_messages(self.tokenizer, messages)
        asked = render_messages(self.tokenizer, messages)
        whole = render_messages(self.tokenizer, [*messages, Message("assistant", target)], opens_answer=False)
        if not whole.startswith(asked):
            raise ModelFolderInvalid(
                folder=Path(str(self.tokenizer.name_or_path)),
                reason="its chat template renders a finished answer in another way than an open one",
            )
        written = self.tokenizer.encode(whole[len(asked) :].rstrip(), add_special_tokens=False)
        if len(prompt) + len(written) > self._limit:
            raise PromptTooLong(tokens=len(prompt) + len(written), limit=self._limit)
        return TokenizedChat(ids=(*prompt, *written), answer=len(prompt))

    @property
    def has_fixed_layers(self) -> bool:
        """Whether `read` saves anything."""
        return self._split > 0

    @torch.no_grad()
    def read(self, chats: Sequence[TokenizedChat]) -> list[Tensor]:
        """What the fixed layers make of each chat: (tokens, dimension), on the CPU; there must be some."""
        hidden = self._run(self._ids(chats), layers=slice(0, self._split))  # (n, longest, dimension)
        return [line[: len(chat.ids)].cpu() for line, chat in zip(hidden, chats, strict=True)]

    def losses(self, chats: Sequence[TokenizedChat], states: Sequence[Tensor] | None = None) -> Tensor:
        """Mean negative log-likelihood of each answer's tokens, with gradients where torch records them.

        Args:
            chats: n chats; they should be of like length, shorter ones are padded.
            states: What `read` gave for them; None to compute it.

        Returns:
            (n,) float32, at least 0.
        """
        with mixed_precision(self.device):
            if states is None:
                hidden = self._run(self._ids(chats), layers=slice(None))
            else:
                hidden = self._run(self._stacked(states), layers=slice(self._split, None))
        return torch.stack(
            [
                self._loss(line[chat.answer - 1 : len(chat.ids) - 1], chat)
                for line, chat in zip(hidden, chats, strict=True)
            ]
        )

    def _loss(self, hidden: Tensor, chat: TokenizedChat) -> Tensor:
        """From (answer, dimension): the state before a token predicts it."""
        with mixed_precision(self.device):
            logits = self._causal.get_output_embeddings()(hidden)  # (answer, vocabulary)
        wanted = torch.tensor(chat.ids[chat.answer :], device=self.device)
        return cross_entropy(logits.float(), wanted)

    def _ids(self, chats: Sequence[TokenizedChat]) -> Tensor:
        """(n, longest); padding stands behind, where no token before it sees it."""
        longest = max(len(chat.ids) for chat in chats)
        ids = torch.zeros((len(chats), longest), dtype=torch.long)
        for row, chat in enumerate(chats):
            ids[row, : len(chat.ids)] = torch.tensor(chat.ids)
        return ids.to(self.device)

    def _stacked(self, states: Sequence[Tensor]) -> Tensor:
        """(n, longest, dimension)."""
        padded = torch.nn.utils.rnn.pad_sequence(list(states), batch_first=True)
        return padded.to(self.device)

    def _run(self, entering: Tensor, *, layers: slice) -> Tensor:
        """Some of the layers: from (n, tokens) ids, or (n, tokens, dimension) states, to states.

        Below the last layer these are what the next layer reads; after it, what the output reads.
        """
        entered = {"input_ids": entering} if entering.dim() == 2 else {"inputs_embeds": entering}  # noqa: PLR2004
        with self._only(layers) as last:
            normed: Tensor = self._decoder(**entered, use_cache=False).last_hidden_state
        return normed if layers.stop is None else last[0]

    @contextmanager
    def _only(self, layers: slice) -> Iterator[list[Tensor]]:
        """Let the decoder have only some of its layers; what the last of them gives is put into the list."""
        kept = self._layers[layers]
        last: list[Tensor] = []

        def keep(_layer: torch.nn.Module, _entered: object, left: Tensor | tuple[Tensor, ...]) -> None:
            last.append(left if isinstance(left, Tensor) else left[0])

        handle = kept[-1].register_forward_hook(keep)
        self._decoder.layers = kept
        try:
            yield last
        finally:
            self._decoder.layers = self._layers
            handle.remove()

    @torch.no_grad()
    def _halves_agree(self) -> bool:
        """Whether the fixed layers and then the others give what all give together."""
        ids = torch.arange(1, 33, device=self.device)[None, :]
        whole = self._run(ids, layers=slice(None))
        halves = self._run(self._run(ids, layers=slice(0, self._split)), layers=slice(self._split, None))
        return bool((whole - halves).abs().max() <= _ALIKE * whole.abs().max())

    def load(self, folder: Path) -> None:
        """Take the weights of an adapter of the same shape that `save` wrote.

        Raises:
            ModelFolderInvalid: If they do not fit.
        """
        load_adapter_weights(self._model, folder)

    def writer(self, name: str) -> TransformersGenerator:
        """The same model as serving has it, with the weights as they are at each moment."""
        return TransformersGenerator(
            model=self._causal, tokenizer=self.tokenizer, name=name, fingerprint=name
        )

    def scale(self, factor: float) -> None:
        """Let the adapter add only a share of what it learnt, in (0, 1]; `save` keeps that."""
        for module in self._model.modules():
            if isinstance(module, LoraLayer):
                module.set_scale("default", factor)
        self._factor = factor

    def save(self, folder: Path) -> None:
        """Write the adapter: `generator.adapters` reads it. The bytes depend on its values alone.

        Raises:
            OSError: If the disk is full; what was written is left to the caller to remove.
        """
        self._model.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        written = json.loads((folder / ADAPTER_CONFIG).read_text())
        written |= {
            "base_model_name_or_path": None,
            "target_modules": sorted(written["target_modules"]),
            "lora_alpha": written["lora_alpha"] * self._factor,
        }
        (folder / ADAPTER_CONFIG).write_text(json.dumps(written, indent=2, sort_keys=True))


def _linear_names(layers: torch.nn.ModuleList) -> set[str]:
    """Last parts of the names of all linear modules of the layers."""
    return {
        name.rsplit(".", 1)[-1]
        for name, module in layers.named_modules()
        if isinstance(module, torch.nn.Linear)
    }

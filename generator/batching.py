"""Several prompts answered together: their common beginning read once, one pass for all next tokens."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel

from generator.decoding import is_looping

# On two AVX2 cores, a pass of the default model takes 0.18 s for 1 row, 0.6 s for 16, 0.95 s for 32.
BATCH_ROWS = 16

# Keys and values of the default model need 25 KB a token as float32: 0.4 GB at most.
BATCH_TOKENS = 16_384

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of every layer, each of shape [rows, heads, tokens, size of a head]."""

Turn = Callable[[], AbstractContextManager[None]]
"""Held around every forward pass; it raises to end the work."""


def likeliest_ids(
    model: PreTrainedModel,
    token_ids: Sequence[Sequence[int]],
    cache: DynamicCache,
    *,
    lengths: Sequence[int] | None = None,
) -> list[int]:
    """Put tokens behind those in the cache; for each row, the id of the likeliest next one.

    Args:
        model: A causal language model.
        token_ids: For each row as many new tokens.
        cache: What came before; gets the new tokens.
        lengths: How many of the last tokens in the cache belong to each row; by default all.
    """
    inputs = torch.tensor(token_ids, device=model.device)
    places = {} if lengths is None else _places(lengths, inputs)
    with torch.inference_mode():
        output = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1, **places)
        return [int(token_id) for token_id in output.logits[:, -1].argmax(dim=-1)]


def _places(lengths: Sequence[int], inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mask and positions of one new token in rows that are padded at the left."""
    own = torch.tensor(lengths, device=inputs.device)[:, None]
    columns = torch.arange(max(lengths) + 1, device=inputs.device)
    return {"attention_mask": (columns >= max(lengths) - own).long(), "position_ids": own}


@dataclass(slots=True)
class _Row:
    """A prompt in work; `number` is its place among the prompts."""

    number: int
    prompt_length: int
    written: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens in the cache: the prompt and all that was written but the last."""
        return self.prompt_length + len(self.written) - 1


@dataclass(frozen=True, slots=True)
class _Beginning:
    """Tokens that prompts have in common, and what the model made of them."""

    ids: tuple[int, ...] = ()
    layers: Layers = field(default_factory=list)


class BatchWriter:
    """Greedy decoding of many prompts at once; gives what decoding each alone gives.

    A pass over the weights costs about the same for one next token as for a few, where reading
    prompts costs the same per token however it is cut. So prompts are read one by one, without
    padding, and then written to together; whenever one is done, the next takes its place.

    Args:
        model: A causal language model in evaluation mode, whose layers all attend to keys and values.
        end_ids: Tokens that end a text.
        slice_tokens: How many tokens of a prompt go through the model in one pass.
    """

    def __init__(self, *, model: PreTrainedModel, end_ids: frozenset[int], slice_tokens: int) -> None:
        self._model = model
        self._end_ids = end_ids
        self._slice_tokens = slice_tokens
        self._kept = _Beginning()

    def write(self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, turn: Turn) -> list[list[int]]:
        """Write on behind every prompt.

        Args:
            prompts: Token ids, at least one each.
            max_new_tokens: How much to write at most.
            turn: Held around every forward pass.

        Returns:
            The new token ids of every prompt, in the order given, without the token that ends them.
        """
        work = _Work(self._model, self._end_ids, max_new_tokens, self._slice_tokens, turn)
        beginning = self._read_beginning(prompts, work)
        waiting = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        while waiting or work.rows:
            while waiting and work.has_room(len(prompts[waiting[-1]])):
                number = waiting.pop()
                work.start(number, prompts[number], beginning)
            work.step()
        return [work.texts[number] for number in range(len(prompts))]

    def _read_beginning(self, prompts: Sequence[Sequence[int]], work: "_Work") -> _Beginning:
        """What all prompts begin with, from what is kept of the last call as far as that goes."""
        ids = common_beginning(prompts)
        kept = self._kept
        known = _shared_length([kept.ids, ids])
        cache = DynamicCache(_cut(kept.layers, known))
        work.read(ids[known:], cache)
        self._kept = _Beginning(ids, _layers(cache))
        return self._kept


class _Work:
    """The rows of one call that are written to, aligned at their last token."""

    def __init__(
        self,
        model: PreTrainedModel,
        end_ids: frozenset[int],
        max_new_tokens: int,
        slice_tokens: int,
        turn: Turn,
    ) -> None:
        self._model = model
        self._end_ids = end_ids
        self._max_new_tokens = max_new_tokens
        self._slice_tokens = slice_tokens
        self._turn = turn
        self._cache = DynamicCache()
        self.rows: list[_Row] = []
        self.texts: dict[int, list[int]] = {}

    def has_room(self, length: int) -> bool:
        """Whether a prompt of so many tokens can join; alone, any can."""
        count = len(self.rows) + 1
        tokens = count * (self._width_with(length) + self._max_new_tokens)
        return not self.rows or (count <= BATCH_ROWS and tokens <= BATCH_TOKENS)

    def read(self, token_ids: Sequence[int], cache: DynamicCache) -> int:
        """Read tokens slice by slice; the likeliest next one."""
        next_id = -1
        for start in range(0, len(token_ids), self._slice_tokens):
            with self._turn():
                step = token_ids[start : start + self._slice_tokens]
                (next_id,) = likeliest_ids(self._model, [step], cache)
        return next_id

    def start(self, number: int, prompt: Sequence[int], beginning: _Beginning) -> None:
        """Read a prompt behind its beginning, and let it join the rows if its text is not over yet."""
        cache = DynamicCache(beginning.layers)
        row = _Row(number, len(prompt))
        if self._goes_on(row, self.read(prompt[len(beginning.ids) :], cache)):
            width = self._width_with(row.length)
            self._cache = DynamicCache(_stack(_layers(self._cache), _layers(cache), width))
            self.rows.append(row)

    def step(self) -> None:
        """Write one token to every row, and drop those whose text is over."""
        if not self.rows:
            return
        with self._turn():
            next_ids = likeliest_ids(
                self._model,
                [[row.written[-1]] for row in self.rows],
                self._cache,
                lengths=[row.length for row in self.rows],
            )
        going = [self._goes_on(row, next_id) for row, next_id in zip(self.rows, next_ids, strict=True)]
        if not all(going):
            self._drop([place for place, goes_on in enumerate(going) if goes_on])

    def _goes_on(self, row: _Row, next_id: int) -> bool:
        """Take a row's next token; false when that ends its text."""
        self.texts[row.number] = row.written
        if next_id in self._end_ids:
            return False
        row.written.append(next_id)
        return len(row.written) < self._max_new_tokens and not is_looping(row.written)

    def _drop(self, places: list[int]) -> None:
        """Keep the rows at some places, and only as many columns as they need."""
        self.rows = [self.rows[place] for place in places]
        width = self._width_with(0)
        self._cache = DynamicCache(
            [(keys[places, :, -width:], values[places, :, -width:]) for keys, values in _layers(self._cache)]
            if places
            else None
        )

    def _width_with(self, length: int) -> int:
        """Tokens of the longest row, were there one more of this length."""
        return max([length, *(row.length for row in self.rows)])


def common_beginning(prompts: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The tokens that all prompts begin with; every prompt has at least one more."""
    length = min(_shared_length(prompts), min(len(prompt) for prompt in prompts) - 1)
    return tuple(prompts[0][:length])


def _shared_length(sequences: Sequence[Sequence[int]]) -> int:
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*sequences, strict=False)))


def _layers(cache: DynamicCache) -> Layers:
    return [(keys, values) for keys, values, _ in cache]


def _cut(layers: Layers, length: int) -> Layers:
    return [(keys[:, :, :length], values[:, :, :length]) for keys, values in layers if length]


def _stack(layers: Layers, row: Layers, width: int) -> Layers:
    """One row more, all padded at the left to the same width."""
    if not layers:
        return row
    return [
        (
            torch.cat([_widen(keys, width), _widen(more_keys, width)]),
            torch.cat([_widen(values, width), _widen(more_values, width)]),
        )
        for (keys, values), (more_keys, more_values) in zip(layers, row, strict=True)
    ]


def _widen(states: torch.Tensor, width: int) -> torch.Tensor:
    return pad(states, (0, 0, width - states.shape[2], 0))

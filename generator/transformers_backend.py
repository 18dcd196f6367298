"""A generator inside this process, on the transformers library."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as PythonGenerator
from pathlib import Path

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerFast

from generator.batching import BatchWriter, likeliest_ids
from generator.decoding import IncrementalDecoder, is_looping
from generator.errors import ModelFolderInvalid, PromptTooLong
from generator.models import Message
from generator.turns import Turns
from generator.weights import best_cpu_dtype, load_weights

# Converted folders do not always name the token that ends a chat message.
_END_OF_MESSAGE = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>")

# Prefill goes in slices so that a request that nobody waits for ends within seconds; 256 tokens and
# more are as fast as one slice (measured on two AVX2 cores).
_PREFILL_TOKENS = 256

_ROUND_TRIP = "Two  spaces,\n\ttab, é, 日本, x[0] = 'a_b'."


class TransformersGenerator:
    """Greedy decoding with a model of the transformers library; see `models.Generator`.

    Args:
        model: A causal language model in evaluation mode; adapters may be part of it.
        tokenizer: The model's tokenizer, with a chat template.
        name: The model's name for people.
        fingerprint: What identifies the weights.
    """

    def __init__(
        self, *, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str, fingerprint: str
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._name = name
        self._fingerprint = fingerprint
        self._end_ids = _end_ids(model, tokenizer)
        self._turn = Turns()
        self._batch_writer = BatchWriter(model=model, end_ids=self._end_ids, slice_tokens=_PREFILL_TOKENS)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        name: str,
        fingerprint: str,
        dtype: torch.dtype | None = None,
        adapter: Path | None = None,
    ) -> "TransformersGenerator":
        """Load a converted model from a local folder, without network.

        Args:
            folder: Configuration, tokenizer and safetensors.
            name: The model's name for people.
            fingerprint: What identifies the weights.
            dtype: Number format in memory; by default what suits this processor.
            adapter: Folder of an adapter that was tuned for this model, or None.

        Raises:
            ModelFolderInvalid: A file is missing, the tokenizer does not give back what it reads, or the
                adapter does not fit.
        """
        model = load_weights(folder, dtype=dtype or best_cpu_dtype())
        if adapter is not None:
            from generator.adapters import merge_adapter  # noqa: PLC0415 - loads much

            model = merge_adapter(model, adapter)
        return cls(
            model=model,
            tokenizer=load_tokenizer(folder),
            name=name,
            fingerprint=fingerprint,
        )

    @property
    def name(self) -> str:
        """The model's name for people."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """What identifies the weights."""
        return self._fingerprint

    def count_tokens(self, text: str) -> int:
        """The number of tokens in `text`, without any that a chat template adds."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> PythonGenerator[str]:
        """Write the next message; see `models.Generator.stream`."""
        prompt_ids = self._encode(messages, max_new_tokens)
        decoder = IncrementalDecoder(self._decode)
        written: list[int] = []
        stop = should_stop or _never
        with self._turn.for_a_person(stop) as mine:
            for token_id in self._token_ids(prompt_ids, stop) if mine else ():
                if token_id in self._end_ids:
                    return
                written.append(token_id)
                if piece := decoder.push(token_id):
                    yield piece
                if len(written) >= max_new_tokens or is_looping(written):
                    return

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Write the next message of several chats; see `models.Generator.complete`.

        `should_stop` is asked before every forward pass, which takes about two seconds at most on two
        CPU cores; whoever comes with `stream` waits no longer than that.
        """
        prompts = [self._encode(messages, max_new_tokens) for messages in chats]
        if not prompts:
            return []
        stop = should_stop or _never
        written = self._batch_writer.write(
            prompts,
            max_new_tokens=max_new_tokens,
            turn=lambda: self._turn.for_background_work(stop),
        )
        return [self._text(token_ids) for token_ids in written]

    def _text(self, token_ids: Sequence[int]) -> str:
        """What `stream` gives out for these tokens."""
        decoder = IncrementalDecoder(self._decode)
        return "".join(decoder.push(token_id) for token_id in token_ids)

    def _encode(self, messages: Sequence[Message], max_new_tokens: int) -> list[int]:
        prompt_ids = encode_messages(self._tokenizer, messages)
        limit = int(self._model.config.max_position_embeddings)
        if len(prompt_ids) + max_new_tokens > limit:
            raise PromptTooLong(tokens=len(prompt_ids) + max_new_tokens, limit=limit)
        return prompt_ids

    def _decode(self, token_ids: Sequence[int]) -> str:
        text = self._tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text)

    def _token_ids(self, prompt_ids: Sequence[int], stop: Callable[[], bool]) -> Iterator[int]:
        """The best next token again and again, without end; ends only when told to stop."""
        cache = DynamicCache(config=self._model.config)
        waiting = list(prompt_ids)
        while not stop():
            step, waiting = waiting[:_PREFILL_TOKENS], waiting[_PREFILL_TOKENS:]
            (token_id,) = likeliest_ids(self._model, [step], cache)
            if not waiting:
                yield token_id
                waiting = [token_id]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a converted folder, exactly as `tokenizer.json` describes it.

    The class that `tokenizer_config.json` names is passed over: for files converted from GGUF it
    can be another family's, which loses every space.

    Raises:
        ModelFolderInvalid: There is none, it has no chat template, or it loses characters.
    """
    if not (folder / "tokenizer.json").is_file():
        raise ModelFolderInvalid(folder=folder, reason="tokenizer.json is missing")
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
        folder, local_files_only=True
    )
    if not tokenizer.chat_template:
        raise ModelFolderInvalid(folder=folder, reason="the tokenizer has no chat template")
    if tokenizer.decode(tokenizer.encode(_ROUND_TRIP, add_special_tokens=False)) != _ROUND_TRIP:
        raise ModelFolderInvalid(folder=folder, reason="the tokenizer does not give back what it reads")
    return tokenizer


def encode_messages(tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]) -> list[int]:
    """A chat as token ids, ending where the assistant's next message begins.

    Args:
        tokenizer: A tokenizer with a chat template.
        messages: The chat.

    Returns:
        Token ids, the same in serving and in training.
    """
    return list(tokenizer.encode(render_messages(tokenizer, messages), add_special_tokens=False))


def render_messages(
    tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message], *, opens_answer: bool = True
) -> str:
    """A chat in the model's own template.

    Args:
        tokenizer: A tokenizer with a chat template.
        messages: The chat.
        opens_answer: Whether the assistant's next message begins at the end.
    """
    chat = [{"role": message.role, "content": message.content} for message in messages]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=opens_answer))


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Every token that ends a message: what the configuration says, and the known ones it forgets."""
    generation = model.generation_config
    configured = generation.eos_token_id if generation is not None else None
    named = configured if isinstance(configured, list) else [configured]
    vocabulary = tokenizer.get_vocab()
    known = [vocabulary.get(token) for token in _END_OF_MESSAGE]
    return frozenset(token_id for token_id in (*named, *known) if token_id is not None)


def _never() -> bool:
    return False

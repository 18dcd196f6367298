import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from generator import batching
from generator.batching import BatchWriter, common_beginning
from generator.errors import PromptTooLong, Stopped
from generator.models import Message
from generator.transformers_backend import TransformersGenerator, encode_messages
from generator.turns import Turns

SYSTEM = Message("system", "You answer in one short sentence, and you never ask back.")
QUESTIONS = [  # their answers end in all three ways: by themselves, at the limit, and in a loop
    "Name three colours of a rainbow in one sentence.",
    # The longest prompt, and the first to end.
    (
        "France is a country with mountains and rivers, and with coasts on two seas. It has many old towns. "
        "What is the capital of France?"
    ),
    "Write the numbers from 1 to 10, separated by commas. Begin with the number 1, leave none of them out.",
    "Repeat the word ha again and again: ha ha ha ha ha ha ha ha ha ha ha ha",
]
LIMIT = 28
CHATS = [[SYSTEM, Message("user", question)] for question in QUESTIONS]


@pytest.fixture(scope="module")
def generator(small_generator_folder: Path) -> TransformersGenerator:
    """In float32 on every machine: bfloat16 rounds so coarsely that a batch may choose another word."""
    return TransformersGenerator.load(
        small_generator_folder, name="small", fingerprint="f1", dtype=torch.float32
    )


@pytest.fixture(scope="module")
def alone(generator: TransformersGenerator) -> list[str]:
    """What each chat gives by itself; checked to be clear choices, not ties that rounding decides."""
    texts = [stream(generator, chat) for chat in CHATS]
    assert min(margin(generator, chat, text) for chat, text in zip(CHATS, texts, strict=True)) > 0.02
    return texts


def stream(generator: TransformersGenerator, chat: list[Message], max_new_tokens: int = LIMIT) -> str:
    return "".join(generator.stream(chat, max_new_tokens=max_new_tokens))


def margin(generator: TransformersGenerator, chat: list[Message], text: str) -> float:
    """By how much the likeliest token leads over the second, at the closest choice on the way."""
    prompt = encode_messages(generator._tokenizer, chat)
    ids = prompt + generator._tokenizer.encode(text, add_special_tokens=False)
    with torch.inference_mode():
        logits = generator._model(input_ids=torch.tensor([ids])).logits[0, len(prompt) - 1 :]
    best = logits.topk(2, dim=-1).values
    return float((best[:, 0] - best[:, 1]).min())


class Pass(NamedTuple):
    """One pass through the model: new tokens in some rows, and the thread that asked for it."""

    rows: int
    tokens: int
    thread: int


@contextmanager
def watched(generator: TransformersGenerator) -> Iterator[list[Pass]]:
    """Every pass through the model."""
    passes: list[Pass] = []

    def note(_module: Any, _arguments: Any, named: dict[str, Any]) -> None:
        rows, tokens = named["input_ids"].shape
        passes.append(Pass(rows, tokens, threading.get_ident()))

    hook = generator._model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield passes
    finally:
        hook.remove()


@pytest.mark.parametrize("rows", [3, 16])
def test_every_chat_gets_the_text_that_it_gets_alone(
    generator: TransformersGenerator, alone: list[str], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH_ROWS", rows)
    lengths = [len(encode_messages(generator._tokenizer, chat)) for chat in CHATS]
    written = [generator.count_tokens(text) for text in alone]
    assert (max(lengths), min(written)) == (lengths[1], written[1])
    with watched(generator) as passes:
        assert generator.complete(CHATS, max_new_tokens=LIMIT) == alone
    assert max(one.rows for one in passes) == min(rows, len(CHATS))


def test_one_chat_gets_what_stream_gives(generator: TransformersGenerator, alone: list[str]) -> None:
    assert generator.complete(CHATS[:1], max_new_tokens=LIMIT) == alone[:1]


def test_equal_chats_and_chats_with_nothing_in_common(
    generator: TransformersGenerator, alone: list[str]
) -> None:
    assert generator.complete([CHATS[1]] * 3, max_new_tokens=LIMIT) == [alone[1]] * 3
    prompts = [[5, 6, 7], encode_messages(generator._tokenizer, CHATS[1])]
    writer = generator._batch_writer
    together = writer.write(prompts, max_new_tokens=8, turn=nullcontext)
    separately = [writer.write([prompt], max_new_tokens=8, turn=nullcontext)[0] for prompt in prompts]
    assert together == separately


def test_logits_in_a_batch_are_those_of_each_prompt_alone(generator: TransformersGenerator) -> None:
    model = generator._model
    prompts = [encode_messages(generator._tokenizer, chat) for chat in (CHATS[1], CHATS[2])]
    layers: batching.Layers = []
    expected = []
    with torch.inference_mode():
        for prompt in prompts:
            cache = DynamicCache()
            model(input_ids=torch.tensor([prompt]), past_key_values=cache, use_cache=True)
            layers = batching._stack(layers, batching._layers(cache), max(map(len, prompts)))
            expected.append(model(input_ids=torch.tensor([[*prompt, 42]])).logits[0, -1])
        inputs = torch.tensor([[42], [42]])
        found = model(
            input_ids=inputs,
            past_key_values=DynamicCache(layers),
            use_cache=True,
            **batching._places([len(prompt) for prompt in prompts], inputs),
        ).logits[:, -1]
    assert len(prompts[0]) != len(prompts[1])
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-3, rtol=1e-4)


def test_the_common_beginning_is_read_once_and_kept(generator: TransformersGenerator) -> None:
    prompts = [encode_messages(generator._tokenizer, chat) for chat in CHATS]
    other = encode_messages(generator._tokenizer, [Message("user", "Something else?")])
    shared, known = shared_length(prompts), shared_length([other, prompts[0]])
    rests = sum(len(prompt) - shared for prompt in prompts)
    assert 0 < known < 20 < shared
    writer = generator._batch_writer
    writer.write([other], max_new_tokens=1, turn=nullcontext)
    for beginning in (shared - known, 0):
        with watched(generator) as passes:
            writer.write(prompts, max_new_tokens=1, turn=nullcontext)
        assert sum(one.tokens for one in passes) == beginning + rests


def shared_length(prompts: list[list[int]]) -> int:
    """Counted the slow way: the longest slice that is the same everywhere."""
    shortest = min(len(prompt) for prompt in prompts)
    return max(n for n in range(shortest + 1) if all(prompt[:n] == prompts[0][:n] for prompt in prompts))


def test_a_pass_reads_no_more_than_a_slice(generator: TransformersGenerator) -> None:
    prompts = [encode_messages(generator._tokenizer, chat) for chat in CHATS[1:3]]
    whole = generator._batch_writer.write(prompts, max_new_tokens=5, turn=nullcontext)
    writer = BatchWriter(model=generator._model, end_ids=generator._end_ids, slice_tokens=7)
    with watched(generator) as passes:
        assert writer.write(prompts, max_new_tokens=5, turn=nullcontext) == whole
    assert max(one.tokens for one in passes) == 7


def test_memory_bounds_the_rows_and_one_row_is_always_possible(
    generator: TransformersGenerator, alone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "BATCH_TOKENS", 10)
    with watched(generator) as passes:
        assert generator.complete(CHATS[:2], max_new_tokens=LIMIT) == alone[:2]
    assert {one.rows for one in passes} == {1}


def test_whoever_waits_for_an_answer_goes_first(generator: TransformersGenerator, alone: list[str]) -> None:
    has_begun, results = threading.Event(), []

    def is_told_to_stop() -> bool:
        has_begun.set()
        return False

    def work() -> None:
        results.append(generator.complete(CHATS, max_new_tokens=LIMIT, should_stop=is_told_to_stop))

    worker = threading.Thread(target=work)
    worker.start()
    assert has_begun.wait(10)
    with watched(generator) as passes:
        assert stream(generator, CHATS[0]) == alone[0]
        assert worker.is_alive()
    threads = [one.thread for one in passes]
    own = [number for number, thread in enumerate(threads) if thread == threading.get_ident()]
    assert own == list(range(own[0], own[-1] + 1))  # no other pass in between
    assert own[0] <= 1  # at most the one that was under way before
    worker.join()
    assert results == [alone]


def test_work_that_is_told_to_stop_stops_within_a_pass(
    generator: TransformersGenerator, alone: list[str]
) -> None:
    asked_by: list[int] = []

    def stop() -> bool:
        asked_by.append(threading.get_ident())
        return len(asked_by) > 9

    with watched(generator) as passes, pytest.raises(Stopped, match="told to stop"):
        generator.complete(CHATS, max_new_tokens=LIMIT, should_stop=stop)
    assert len(passes) == 9
    assert set(asked_by) == {threading.get_ident()}
    assert not generator._turn.locked()
    assert generator.complete(CHATS[:2], max_new_tokens=LIMIT) == alone[:2]


def test_work_stops_also_while_it_waits_for_a_person(generator: TransformersGenerator) -> None:
    with closing(generator.stream(CHATS[0], max_new_tokens=LIMIT)) as pieces:
        next(pieces)
        answers = iter([False, False, True])
        with pytest.raises(Stopped):
            generator.complete(CHATS[:1], max_new_tokens=5, should_stop=lambda: next(answers))
        assert generator._turn.locked()


def test_a_chat_that_does_not_fit_is_refused_before_any_work(generator: TransformersGenerator) -> None:
    long = [Message("user", "word " * 9000)]
    with watched(generator) as passes, pytest.raises(PromptTooLong, match="show less evidence"):
        generator.complete([CHATS[0], long], max_new_tokens=5)
    assert passes == []


def test_no_chats_give_no_texts(generator: TransformersGenerator) -> None:
    assert generator.complete([], max_new_tokens=5) == []


@given(
    st.lists(st.integers(0, 2), max_size=6),
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=4),
)
def test_the_common_beginning_leaves_a_token_to_every_prompt(
    start: list[int], rests: list[list[int]]
) -> None:
    prompts = [start + rest for rest in rests]
    longest = min(len(prompt) for prompt in prompts) - 1
    assert list(common_beginning(prompts)) == prompts[0][: min(shared_length(prompts), longest)]


def test_a_person_who_waits_goes_before_work_that_waited_longer() -> None:
    turns, order = Turns(), []

    def person() -> None:
        with turns.for_a_person(never) as mine:
            assert mine
            order.append("person")

    def work() -> None:
        with turns.for_background_work(never):
            order.append("work")

    with turns.for_a_person(never):
        threads = [start(work, turns, waiting=0), start(person, turns, waiting=1)]
    for thread in threads:
        thread.join()
    assert order == ["person", "work"]
    assert not turns.locked()


def start(target: Callable[[], None], turns: Turns, *, waiting: int) -> threading.Thread:
    """Start a thread, and wait until so many people wait for the turn."""
    thread = threading.Thread(target=target)
    thread.start()
    while turns._people_waiting != waiting:
        pass
    return thread


def never() -> bool:
    return False

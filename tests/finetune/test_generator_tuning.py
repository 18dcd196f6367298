"""A generator's adapter on the real small model: tokens, losses and likelihoods against loops by hand."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finetune.answer_examples import AnswerExample
from finetune.configuration import GeneratorConfig, OptimizerConfig
from finetune.generator_tuning import GeneratorTask, answer_likelihoods, read_alone
from finetune.trainable_generator import AdapterShape, TokenizedChat, TrainableGenerator
from finetune.training import run_training
from generator.adapter_base import AdapterBase, read_base
from generator.adapters import ADAPTER, ADAPTER_CONFIG
from generator.errors import ModelFolderInvalid, PromptTooLong
from generator.evidence import Evidence
from generator.models import Message
from generator.prompt import REFUSAL, build_messages
from generator.transformers_backend import TransformersGenerator, encode_messages, load_tokenizer
from tests.conftest import rounding

SHAPE = AdapterShape(rank=4, scale=2.0, layers=3)
CPU = torch.device("cpu")
EVIDENCE = [
    Evidence(passage_id=name, title="Farm", heading_path=(), text=text, score=0.0)
    for name, text in (
        ("dog", "The dog Zarbax barks at night in the yard."),
        ("hen", "The hen lays an egg every morning."),
        ("tax", "Taxes are due at the end of each quarter."),
    )
]
QUESTION = "What is the name of the dog?"
ANSWER = "The name of the dog is Zarbax."


def _example(number: int, target: str, passages: list[Evidence]) -> AnswerExample:
    return AnswerExample(
        id=str(number),
        messages=tuple(build_messages(QUESTION, passages)),
        target=target,
        weight=1.0 / (1 + number),
        refuses=target == REFUSAL,
        question=QUESTION,
        evidence=tuple(passages),
        subjects=(),
    )


EXAMPLES = [
    _example(0, ANSWER + " [1]", EVIDENCE[:2]),
    _example(1, REFUSAL, EVIDENCE[1:]),
    _example(2, ANSWER + " [2]", [EVIDENCE[2], EVIDENCE[0]]),
]


@pytest.fixture(scope="module")
def generator(small_generator_folder: Path) -> TrainableGenerator:
    return TrainableGenerator(small_generator_folder, CPU, SHAPE, seed=1)


def _fresh(folder: Path, shape: AdapterShape = SHAPE, adapter: Path | None = None) -> TrainableGenerator:
    return TrainableGenerator(folder, CPU, shape, seed=1, adapter=adapter)


def _loss_by_hand(generator: TrainableGenerator, chat: TokenizedChat) -> float:
    """The mean over the answer's tokens of how unlikely each is after all that stands before it."""
    logits = generator.module(input_ids=torch.tensor([chat.ids])).logits[0]  # (tokens, vocabulary)
    total = 0.0
    for place in range(chat.answer, len(chat.ids)):
        before = logits[place - 1].detach().double()
        total -= float(before[chat.ids[place]] - torch.logsumexp(before, dim=0))
    return total / (len(chat.ids) - chat.answer)


def test_the_prompt_is_that_of_serving_and_the_answer_ends_as_a_message_does(
    generator: TrainableGenerator, small_generator_folder: Path
) -> None:
    tokenizer = load_tokenizer(small_generator_folder)
    messages = build_messages(QUESTION, EVIDENCE)
    chat = generator.tokenize(messages, ANSWER)
    assert list(chat.ids[: chat.answer]) == encode_messages(tokenizer, messages)
    assert tokenizer.decode(list(chat.ids[chat.answer :])) == ANSWER + "<|im_end|>"
    assert chat.answer_tokens == len(chat.ids) - chat.answer > 5


def test_losses_are_those_of_a_loop_by_hand_alone_padded_and_from_read_states(
    generator: TrainableGenerator,
) -> None:
    chats = [generator.tokenize(one.messages, one.target) for one in EXAMPLES]
    by_hand = [_loss_by_hand(generator, chat) for chat in chats]
    together = generator.losses(chats).tolist()
    alone = [generator.losses([chat]).item() for chat in chats]
    read = generator.losses(chats, generator.read(chats)).tolist()
    assert generator.has_fixed_layers
    for found in (together, alone, read):
        assert found == pytest.approx(by_hand, rel=rounding())
    assert max(by_hand) - min(by_hand) > 0.1


def test_a_prompt_beyond_the_window_is_refused(generator: TrainableGenerator) -> None:
    with pytest.raises(PromptTooLong):
        generator.tokenize([Message("user", "word " * 10_000)], ANSWER)


def _likelihoods(
    generator: TrainableGenerator, answer: str, passages: Sequence[Evidence], *, most_tokens: int
) -> list[float]:
    chats = [read_alone(generator, QUESTION, answer, one) for one in passages]
    return answer_likelihoods(generator, chats, most_tokens=most_tokens, report=lambda *_counts: None)


def test_likelihoods_follow_the_passages_and_one_that_answers_stands_out(
    generator: TrainableGenerator,
) -> None:
    found = _likelihoods(generator, ANSWER, EVIDENCE, most_tokens=600)
    assert found[0] == max(found)
    assert max(found) < 0
    order = [2, 0, 1]
    permuted = _likelihoods(generator, ANSWER, [EVIDENCE[place] for place in order], most_tokens=1)
    assert permuted == pytest.approx([found[place] for place in order], rel=rounding())
    target = torch.softmax(torch.tensor(found) / 0.1, dim=0)
    entropy = -float((target * target.log()).sum())
    assert entropy < 0.8 * math.log(len(EVIDENCE))


def test_likelihoods_are_those_of_each_alone_and_progress_ends_with_all_tokens(
    generator: TrainableGenerator,
) -> None:
    answers = [ANSWER, "Yes.", " ".join([ANSWER] * 5)]
    chats = [read_alone(generator, QUESTION, answer, one) for answer in answers for one in EVIDENCE]
    counts: list[tuple[int, int]] = []
    found = answer_likelihoods(
        generator, chats, most_tokens=600, report=lambda done, total: counts.append((done, total))
    )
    alone = [-float(generator.losses([chat]).item()) for chat in chats]
    assert found == pytest.approx(alone, rel=rounding())
    total = sum(len(chat.ids) for chat in chats)
    assert counts[0] == (0, total)
    assert counts[-1] == (total, total)
    assert sorted(counts) == counts
    assert len(counts) < 1 + len(chats), "some went through together"


def test_a_long_answer_does_not_underflow(generator: TrainableGenerator) -> None:
    answer = "Zarbax " * 3 + " ".join(f"{chr(97 + n)}{n * 7919 % 1000}{chr(122 - n)}q" for n in range(26))
    found = _likelihoods(generator, answer, EVIDENCE, most_tokens=4000)
    sums = torch.tensor(found) * generator.tokenize([Message("user", QUESTION)], answer).answer_tokens
    assert sums.exp().tolist() == [0.0, 0.0, 0.0]  # what a sum's exponential would make of them
    target = torch.softmax(torch.tensor(found) / 0.01, dim=0)
    assert float(target[0]) == float(target.max()) > 1 / 3 + 1e-2


def test_only_the_adapter_moves_and_it_learns(small_generator_folder: Path, tmp_path: Path) -> None:
    generator = _fresh(small_generator_folder)
    before = {name: one.detach().clone() for name, one in generator.module.named_parameters()}
    task = GeneratorTask(
        generator, EXAMPLES, GeneratorConfig(epochs=4, batch_size=3, layers=3, rank=4), seed=1
    )
    optimizer = OptimizerConfig(learning_rate=5e-3, seed=1)
    losses = run_training(task, optimizer, folder=tmp_path, key="k", report=lambda *_step: None)
    assert (task.steps, task.steps_per_epoch) == (4, 1)
    assert losses[-1] < 0.7 * losses[0]
    moved = {
        name
        for name, one in generator.module.named_parameters()
        if not torch.equal(one.detach(), before[name])
    }
    assert moved
    assert all("lora_" in name for name in moved)
    assert {name.split("layers.")[1].split(".")[0] for name in moved} == {"27", "28", "29"}


@pytest.mark.parametrize("layers", [3, 99])  # of thirty: some are fixed, or all learn
def test_the_loss_of_a_step_is_the_weighted_mean_over_examples(
    small_generator_folder: Path, layers: int
) -> None:
    generator = _fresh(small_generator_folder, replace(SHAPE, layers=layers))
    assert generator.has_fixed_layers == (layers < 30)
    chats = [generator.tokenize(one.messages, one.target) for one in EXAMPLES]
    expected = sum(
        one.weight * _loss_by_hand(generator, chat) for one, chat in zip(EXAMPLES, chats, strict=True)
    )
    for most in (1, 100_000):
        config = GeneratorConfig(batch_size=3, memory_tokens=most)
        task = GeneratorTask(generator, EXAMPLES, config, seed=1)
        assert task.measure_seconds() > 0
        assert task.backward(0) == pytest.approx(expected / 3, rel=rounding())


def test_a_run_that_was_stopped_ends_with_the_same_bytes(
    small_generator_folder: Path, tmp_path: Path
) -> None:
    config = GeneratorConfig(epochs=3, batch_size=2, layers=3, rank=4)
    optimizer = OptimizerConfig(learning_rate=5e-3, seed=1, steps_per_checkpoint=1)
    for name, stops in (("whole", [None]), ("parts", [1, 4, None])):
        steps: list[int] = []
        for stop in stops:
            generator = _fresh(small_generator_folder)
            task = GeneratorTask(generator, EXAMPLES, config, seed=1)
            run_training(
                task,
                optimizer,
                folder=tmp_path / f"{name} work",
                key="k",
                report=lambda done, _total, _loss: steps.append(done),  # noqa: B023 - called in this round
                until=stop,
            )
        assert steps == list(range(1, task.steps + 1)), "no step is done twice"
        generator.save(tmp_path / name)
    for file in (ADAPTER, ADAPTER_CONFIG):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()


def test_what_was_saved_writes_the_same_in_serving(small_generator_folder: Path, tmp_path: Path) -> None:
    generator = _fresh(small_generator_folder)
    task = GeneratorTask(generator, EXAMPLES, GeneratorConfig(epochs=6, batch_size=3), seed=1)
    optimizer = OptimizerConfig(learning_rate=1e-2, seed=1)
    run_training(task, optimizer, folder=tmp_path / "work", key="k", report=lambda *_step: None)
    generator.save(tmp_path / "adapter")
    chats = [one.messages for one in EXAMPLES]
    learnt = generator.writer("learnt").complete(chats, max_new_tokens=24)
    served = TransformersGenerator.load(
        small_generator_folder, name="served", fingerprint="f", adapter=tmp_path / "adapter"
    ).complete(chats, max_new_tokens=24)
    untuned = TransformersGenerator.load(small_generator_folder, name="untuned", fingerprint="f").complete(
        chats, max_new_tokens=24
    )
    assert learnt == served
    assert served != untuned
    further = _fresh(small_generator_folder, adapter=tmp_path / "adapter")
    for one in EXAMPLES:
        chat = generator.tokenize(one.messages, one.target)
        assert further.losses([chat]).item() == pytest.approx(generator.losses([chat]).item(), rel=1e-4)
    learns = {name for name, one in further.module.named_parameters() if one.requires_grad}
    assert learns == {name for name, one in generator.module.named_parameters() if one.requires_grad}
    assert GeneratorTask(further, EXAMPLES, GeneratorConfig(batch_size=3), seed=1).backward(0) > 0
    assert all(one.grad is not None for one in further.module.parameters() if one.requires_grad)


def test_half_of_its_strength_lies_between(small_generator_folder: Path, tmp_path: Path) -> None:
    generator = _fresh(small_generator_folder)
    chat = generator.tokenize(EXAMPLES[0].messages, EXAMPLES[0].target)
    untuned = generator.losses([chat]).item()
    task = GeneratorTask(generator, EXAMPLES[:1], GeneratorConfig(epochs=3, batch_size=1), seed=1)
    optimizer = OptimizerConfig(learning_rate=1e-2, seed=1)
    run_training(task, optimizer, folder=tmp_path / "work", key="k", report=lambda *_step: None)
    tuned = generator.losses([chat]).item()
    generator.scale(0.5)
    half = generator.losses([chat]).item()
    assert tuned < half < untuned
    generator.save(tmp_path / "half")
    further = _fresh(small_generator_folder, adapter=tmp_path / "half")
    assert further.losses([chat]).item() == pytest.approx(half, rel=1e-4)


def test_an_adapter_of_another_model_is_refused(small_generator_folder: Path, tmp_path: Path) -> None:
    _fresh(small_generator_folder).save(tmp_path / "adapter")
    AdapterBase(reference="other", fingerprint="0" * 16).write(tmp_path / "adapter")
    assert read_base(tmp_path / "adapter") == AdapterBase(reference="other", fingerprint="0" * 16)
    config = tmp_path / "adapter" / ADAPTER_CONFIG
    config.write_text(config.read_text().replace('"r": 4', '"r": 5'))
    with pytest.raises(ModelFolderInvalid, match="its adapter does not fit"):
        TransformersGenerator.load(
            small_generator_folder, name="n", fingerprint="f", adapter=tmp_path / "adapter"
        )
    (tmp_path / "adapter" / ADAPTER_CONFIG).unlink()
    with pytest.raises(ModelFolderInvalid, match="unusable"):
        TransformersGenerator.load(
            small_generator_folder, name="n", fingerprint="f", adapter=tmp_path / "adapter"
        )

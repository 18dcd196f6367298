"""Tuning a generator's adapter on cited answers, and how likely it finds an answer from one passage."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from finetune.answer_examples import AnswerExample
from finetune.configuration import GeneratorConfig
from finetune.trainable_generator import TokenizedChat, TrainableGenerator
from generator.evidence import Evidence
from generator.prompt import build_messages
from retriever.token_batches import group_by_length


class GeneratorTask:
    """The steps of a tuning; see `finetune.training.Task`.

    Args:
        generator: What is tuned.
        examples: What is learnt; at least one.
        config: How.
        seed: Decides the order of examples.

    Raises:
        PromptTooLong: An example does not fit into the model's window.
    """

    def __init__(
        self,
        generator: TrainableGenerator,
        examples: Sequence[AnswerExample],
        config: GeneratorConfig,
        *,
        seed: int,
    ) -> None:
        self._generator, self._config, self._seed = generator, config, seed
        self._chats = [generator.tokenize(one.messages, one.target) for one in examples]
        self._weights = [one.weight for one in examples]
        self._states: dict[int, Tensor] = {}
        self.steps_per_epoch = -(-len(examples) // config.batch_size)

    @property
    def module(self) -> torch.nn.Module:
        """The adapter's weights."""
        return self._generator.module

    @property
    def steps(self) -> int:
        """Steps of all epochs; the last one of an epoch may be smaller."""
        return self.steps_per_epoch * self._config.epochs

    @property
    def tokens(self) -> int:
        """Tokens of all examples, prompts and answers."""
        return sum(len(chat.ids) for chat in self._chats)

    def measure_seconds(self) -> float:
        """About how long all epochs take, from an example of middling length, learnt and forgotten."""
        places = sorted(range(len(self._chats)), key=lambda place: len(self._chats[place].ids))
        place = places[len(places) // 2]
        began = time.perf_counter()
        states = self._read([place])
        read = time.perf_counter()
        loss = self._generator.losses([self._chats[place]], states).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.module.zero_grad()
        once, again = read - began, time.perf_counter() - read
        return (once + again * self._config.epochs) * self.tokens / len(self._chats[place].ids)

    def backward(self, step: int) -> float:
        """Add the gradient of a step's loss to the weights; the loss.

        It is the mean over the examples of the step of the mean negative log-likelihood of the answer's
        tokens, weighted by how sure the example is.
        """
        epoch, part = divmod(step, self.steps_per_epoch)
        size = self._config.batch_size
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._chats)).tolist()
        places: list[int] = order[part * size : (part + 1) * size]
        total = 0.0
        for group in groups_of([self._chats[place] for place in places], self._config.memory_tokens):
            taken = [places[line] for line in group]
            losses = self._generator.losses(
                [self._chats[place] for place in taken], self._read(taken)
            )  # (group,)
            weights = torch.tensor([self._weights[place] for place in taken], device=losses.device)
            loss = (weights * losses).sum() / len(places)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def _read(self, places: Sequence[int]) -> list[Tensor] | None:
        """What the fixed layers make of examples: computed in the first epoch, kept for the others.

        None where all layers learn.
        """
        if not self._generator.has_fixed_layers:
            return None
        for place in places:
            if place not in self._states:
                (self._states[place],) = self._generator.read([self._chats[place]])
        return [self._states[place] for place in places]


def groups_of(chats: Sequence[TokenizedChat], most_tokens: int) -> list[list[int]]:
    """Places of chats of like length that go through together."""
    return list(group_by_length([len(chat.ids) for chat in chats], most_tokens=most_tokens))


def read_alone(generator: TrainableGenerator, question: str, answer: str, passage: Evidence) -> TokenizedChat:
    """An answer, without citations, as it would be written from one passage, by the prompt of serving.

    Raises:
        PromptTooLong: It does not fit into the model's window.
    """
    return generator.tokenize(build_messages(question, [passage]), answer)


@torch.no_grad()
def answer_likelihoods(
    generator: TrainableGenerator,
    chats: Sequence[TokenizedChat],
    *,
    most_tokens: int,
    report: Callable[[int, int], None],
) -> list[float]:
    """How likely the generator finds each message that is to be written.

    Args:
        generator: The present one.
        chats: Such as `read_alone` makes; they go through by length, so that little is padding.
        most_tokens: Padded tokens that go through at once.
        report: Told the tokens done so far and their number in all.

    Returns:
        For each chat the mean log-likelihood of the message's tokens, at most 0. The mean and not the sum: a
        long answer's sum underflows, and every passage would seem the same.

    Source: perplexity distillation, Izacard et al., Atlas, 2208.03299.
    """
    found = [0.0] * len(chats)
    done, total = 0, sum(len(chat.ids) for chat in chats)
    report(done, total)
    for group in groups_of(chats, most_tokens):
        losses = generator.losses([chats[place] for place in group])  # (group,)
        for place, loss in zip(group, losses.tolist(), strict=True):
            found[place] = -loss
        done += sum(len(chats[place].ids) for place in group)
        report(done, total)
    return found

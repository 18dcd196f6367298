"""What a generator is asked for a question and its evidence, and what would be served of its draft.

A draft is what the model itself wrote, before anything is dropped or cited anew. Drafts are written many at a
time, which is several times faster than one by one, and then read by the very code that serves answers.
"""

import re
from collections.abc import Callable, Sequence
from collections.abc import Generator as PythonGenerator
from dataclasses import dataclass
from enum import StrEnum

from finetune.suites import Question
from generator.answering import answer_question
from generator.answers import Answer, AnswerConfig
from generator.evidence import Evidence
from generator.models import Generator, Message
from generator.prompt import build_messages, fit_evidence, neutralise

Chat = tuple[Message, ...]

FROM_MEMORY = "You answer questions from what you know, briefly, in one to three plain sentences."

_PIECE = re.compile(r"\s*\S+|\s+$")


class Condition(StrEnum):
    """Which evidence a generator is shown."""

    NONE = "none"
    GOLD = "gold"
    RETRIEVED = "retrieved"


class DraftForeign(Exception):
    """A draft was written for another chat than the one that serving asks for; a defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownQuestion:
    """A question with what is shown to answer it.

    Attributes:
        question: The question, with what is known of its answer.
        evidence: Passages, best first, before they are fitted into the prompt; none in `Condition.NONE`.
        subjects: What all of them are about without saying so; see `generator.answering.stream_answer`.
    """

    question: Question
    evidence: tuple[Evidence, ...] = ()
    subjects: tuple[str, ...] = ()


def build_chat(
    shown: ShownQuestion, condition: Condition, count_tokens: Callable[[str], int], config: AnswerConfig
) -> Chat:
    """What a generator is asked: with evidence, byte for byte what serving asks.

    Without, it is asked from memory, in words of its own: serving never does that, and its task, to use only
    the passages above, makes no sense where there are none.

    Args:
        shown: The question and its evidence.
        condition: Which evidence that is.
        count_tokens: Of the generator.
        config: Budgets of serving.
    """
    asked = shown.question.question
    if condition is Condition.NONE:
        return (Message("system", FROM_MEMORY), Message("user", neutralise(asked)))
    fitting = fit_evidence(shown.evidence, count_tokens, budget=config.prompt_tokens)
    return tuple(build_messages(asked, fitting))


def serve_draft(
    shown: ShownQuestion, chat: Chat, draft: str, generator: Generator, config: AnswerConfig
) -> Answer:
    """The answer that would be served if the generator wrote this draft.

    Args:
        shown: The question and its evidence.
        chat: What the draft was written for.
        draft: What the generator wrote.
        generator: Counts tokens; writes nothing.
        config: Budgets and thresholds of serving.

    Raises:
        DraftForeign: If serving asks anything else than this chat.
    """
    replay = _Replay(generator, chat, draft)
    return answer_question(shown.question.question, shown.evidence, replay, config, subjects=shown.subjects)


class _Replay:
    """Gives a draft back as if it were written now, word by word."""

    def __init__(self, generator: Generator, chat: Chat, draft: str) -> None:
        self._generator = generator
        self._chat = chat
        self._draft = draft

    @property
    def name(self) -> str:
        return self._generator.name

    @property
    def fingerprint(self) -> str:
        return self._generator.fingerprint

    def count_tokens(self, text: str) -> int:
        return self._generator.count_tokens(text)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,  # noqa: ARG002 - the draft has its length
        should_stop: Callable[[], bool] | None = None,  # noqa: ARG002 - and is there at once
    ) -> PythonGenerator[str]:
        if tuple(messages) != self._chat:
            raise DraftForeign("serving asks the generator otherwise than the draft was asked for")
        yield from _PIECE.findall(self._draft)

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        return [
            "".join(self.stream(chat, max_new_tokens=max_new_tokens, should_stop=should_stop))
            for chat in chats
        ]

"""What a language model is to this package: messages in, pieces of text out."""

from collections.abc import Callable, Sequence
from collections.abc import Generator as PythonGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat.

    Attributes:
        role: Who says it.
        content: What is said.
    """

    role: Role
    content: str


class Generator(Protocol):
    """A language model that decodes greedily: the same messages give the same text.

    A model in this process answers one request at a time; others wait for their turn inside `stream`.
    """

    @property
    def name(self) -> str:
        """The model's name for people."""
        ...

    @property
    def fingerprint(self) -> str:
        """What identifies the weights; equal fingerprints mean equal answers."""
        ...

    def count_tokens(self, text: str) -> int:
        """The number of the model's own tokens in `text`, without any that a chat template adds."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> PythonGenerator[str]:
        """Write the next message of the chat.

        Args:
            messages: The chat so far; the last message is the user's.
            max_new_tokens: How much to write at most.
            should_stop: Asked before every token; when it says yes, the text ends there.

        Yields:
            Non-empty pieces of the text, in order. Close the iterator (`contextlib.closing`) to
            stop early: the next request waits until it is exhausted or closed.

        Raises:
            PromptTooLong: The messages do not fit into the model's window.
        """
        ...

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Write the next message of several chats; background work, it gives way to `stream`.

        Many chats at once are several times faster than one by one, most of all when they begin
        with the same messages.

        Args:
            chats: The chats, each ending with a message of the user.
            max_new_tokens: How much to write at most, for each chat.
            should_stop: Asked again and again, within seconds, always in the calling thread.

        Returns:
            For every chat, in the order given, the text that `stream` gives.

        Raises:
            PromptTooLong: A chat does not fit into the model's window; nothing was written.
            Stopped: `should_stop` said yes; what was written is lost.
        """
        ...

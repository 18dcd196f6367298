"""How long the stages of one search or answer take."""

import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as PythonGenerator
from contextlib import closing, contextmanager
from typing import TypeVar

from generator.models import Generator, Message

T = TypeVar("T")


class Stopwatch:
    """Sums up seconds by stage; one for every request.

    Attributes:
        seconds: Time spent in each stage so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def time_items(self, stage: str, items: Iterator[T]) -> PythonGenerator[T]:
        """The same items; making them is timed, and what is done with them in between is not."""
        while True:
            with self.time(stage):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item


class TimedGenerator:
    """A generator whose writing, and waiting for its turn, is timed as the stage ``generate``.

    Args:
        generator: What writes.
        watch: Of one request.
    """

    def __init__(self, generator: Generator, watch: Stopwatch) -> None:
        self._generator = generator
        self._watch = watch

    @property
    def name(self) -> str:
        """See `generator.models.Generator`, as for all that follows."""
        return self._generator.name

    @property
    def fingerprint(self) -> str:
        """That of the model."""
        return self._generator.fingerprint

    def count_tokens(self, text: str) -> int:
        """Not timed."""
        return self._generator.count_tokens(text)

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> PythonGenerator[str]:
        """Timed."""
        written = self._generator.stream(messages, max_new_tokens=max_new_tokens, should_stop=should_stop)
        with closing(written):
            yield from self._watch.time_items("generate", written)

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Timed."""
        with self._watch.time("generate"):
            return self._generator.complete(chats, max_new_tokens=max_new_tokens, should_stop=should_stop)

from collections.abc import Callable, Sequence
from collections.abc import Generator as PythonGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from generator.evidence import Evidence
from generator.models import Generator, Message
from generator.transformers_backend import TransformersGenerator


@dataclass
class ScriptedGenerator:
    """Says what it was told to say, in pieces of a few characters, and remembers what it was asked."""

    script: str
    piece: int = 3
    asked: list[Sequence[Message]] = field(default_factory=list)
    given: int = 0
    is_closed: bool = False
    name: str = "scripted"
    fingerprint: str = "scripted"

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,  # noqa: ARG002 - a script has its own length
        should_stop: Callable[[], bool] | None = None,
    ) -> PythonGenerator[str]:
        self.asked.append(messages)
        try:
            for start in range(0, len(self.script), self.piece):
                if should_stop and should_stop():
                    return
                self.given += 1
                yield self.script[start : start + self.piece]
        finally:
            self.is_closed = True

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,  # noqa: ARG002 - a script has its own length
        should_stop: Callable[[], bool] | None = None,  # noqa: ARG002 - and is there at once
    ) -> list[str]:
        self.asked.extend(chats)
        return [self.script for _ in chats]


@pytest.fixture
def scripted() -> Callable[..., ScriptedGenerator]:
    return ScriptedGenerator


@pytest.fixture
def evidence() -> list[Evidence]:
    return [
        Evidence(
            passage_id="cache",
            title="Cache framework",
            heading_path=("Setting up the cache",),
            text=(
                "Memcached is an entirely memory-based cache server. The default timeout is 300 seconds. "
                "Set the `CACHES` setting to `PyMemcacheCache` to use it. "
                "Memcached does not store data on disk."
            ),
            score=0.7,
        ),
        Evidence(
            passage_id="redis",
            title="Cache framework",
            heading_path=("Redis",),
            text=(
                "Redis is an in-memory database that can be used for caching. "
                "You need a Redis server running on port 6379. Install `redis-py` 3.0.0 or higher.\n\n"
                "```python\nCACHES = {'default': {'BACKEND': 'RedisCache'}}\n```"
            ),
            score=0.6,
        ),
        Evidence(
            passage_id="sessions",
            title="Sessions",
            heading_path=(),
            text=(
                "Sessions are stored in the database by default. "
                "To store them in files, set `SESSION_ENGINE`."
            ),
            score=0.4,
        ),
    ]


@pytest.fixture(scope="session")
def small_generator(small_generator_folder: Path) -> Generator:
    """A real, small model, loaded once."""
    return TransformersGenerator.load(small_generator_folder, name="small", fingerprint="f1")

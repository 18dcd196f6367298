"""Drafts that generators wrote for evaluations, kept so that one that was killed goes on where it was."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.downloads import Say
from finetune.answer_drafts import Chat
from generator.models import Generator

FILE = "drafts.sqlite"
BATCH = 16  # as many as a generator in this process writes at once
KEPT = timedelta(days=30)
BUSY_SECONDS = 30.0


class DraftsUnusable(Exception):
    """The file of drafts can't be read or written."""

    def __init__(self, file: Path, error: sqlite3.Error) -> None:
        super().__init__(
            f"{file} can't be used: {error}. See whether the disk is full; if the file is damaged, delete "
            "it: what was in it is then written anew"
        )


class DraftStore:
    """A file of drafts by what wrote them and what it was asked; losing it costs time and nothing else.

    Drafts older than `KEPT` are removed when the file is opened: they repeat what documents say.

    Args:
        folder: Where the file is, or will be.
        now: The time.

    Raises:
        DraftsUnusable: If the file is damaged, or the disk is full; also when it is used.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._file = folder / FILE
        with self._using():
            self._connection = sqlite3.connect(self._file, timeout=BUSY_SECONDS)
        with self._using(), self._connection:
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS drafts "
                "(key TEXT PRIMARY KEY, draft TEXT NOT NULL, written_at TEXT NOT NULL)"
            )
            self._connection.execute("DELETE FROM drafts WHERE written_at < ?", ((now() - KEPT).isoformat(),))

    def find(self, generator: str, chats: Iterable[Chat], *, max_new_tokens: int) -> dict[Chat, str]:
        """The drafts that are there.

        Args:
            generator: Fingerprint of what wrote them.
            chats: What it was asked.
            max_new_tokens: How much it was allowed to write.
        """
        found = {}
        for chat in dict.fromkeys(chats):
            key = _key(generator, chat, max_new_tokens)
            with self._using():
                row = self._connection.execute("SELECT draft FROM drafts WHERE key = ?", (key,)).fetchone()
            if row is not None:
                found[chat] = str(row[0])
        return found

    def add(self, generator: str, drafts: Mapping[Chat, str], *, max_new_tokens: int) -> None:
        """Keep drafts; all or none."""
        rows = [
            (_key(generator, chat, max_new_tokens), draft, self._now().isoformat())
            for chat, draft in drafts.items()
        ]
        with self._using(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?)", rows)

    def count_before(self, moment: datetime) -> int:
        """How many drafts were written before a moment."""
        before = (moment.astimezone(UTC).isoformat(),)
        with self._using():
            query = "SELECT COUNT(*) FROM drafts WHERE written_at <= ?"
            return int(self._connection.execute(query, before).fetchone()[0])

    def forget(self) -> None:
        """Remove all drafts, from the file's freed pages too."""
        with self._using(), self._connection:
            self._connection.execute("DELETE FROM drafts")
        with self._using():
            self._connection.execute("VACUUM")

    @contextmanager
    def _using(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise DraftsUnusable(self._file, error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _key(generator: str, chat: Chat, max_new_tokens: int) -> str:
    asked = [generator, max_new_tokens, [[message.role, message.content] for message in chat]]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def write_drafts(
    store: DraftStore,
    generator: Generator,
    chats: Sequence[Chat],
    *,
    max_new_tokens: int,
    progress: Callable[[int, int], None],
    say: Say,
) -> dict[Chat, str]:
    """The drafts of all chats: those that are kept, and the others written now, batch by batch.

    Args:
        store: Keeps every batch as soon as it is written.
        generator: What writes.
        chats: What it is asked; the same one twice is written once.
        max_new_tokens: How much it may write.
        progress: Told how many drafts are there, and how many there will be.
        say: Told how many will be written, and after the first batch how long the others will take.
    """
    wanted = list(dict.fromkeys(chats))
    drafts = store.find(generator.fingerprint, wanted, max_new_tokens=max_new_tokens)
    missing = [chat for chat in wanted if chat not in drafts]
    say(f"{generator.name}: {len(missing)} answers to write, {len(drafts)} are there already")
    for start in range(0, len(missing), BATCH):
        progress(len(drafts), len(wanted))
        batch, began = missing[start : start + BATCH], time.perf_counter()
        texts = generator.complete(batch, max_new_tokens=max_new_tokens)
        written = dict(zip(batch, texts, strict=True))
        store.add(generator.fingerprint, written, max_new_tokens=max_new_tokens)
        drafts |= written
        left = len(missing) - start - len(batch)
        if start == 0 and left:
            minutes = max(1, round((time.perf_counter() - began) / len(batch) * left / 60))
            say(f"{generator.name}: the other {left} will take about {minutes} minutes")
    progress(len(drafts), len(wanted))
    return drafts

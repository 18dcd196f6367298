from collections.abc import Callable, Sequence
from collections.abc import Generator as PythonGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from generator.errors import Stopped
from generator.models import Message
from generator.transformers_backend import TransformersGenerator
from ingest.pairs.drafts import Origin
from ingest.pairs.fitting import SourcePassage
from ingest.pairs.generation import write_pairs
from ingest.pairs.statements import plain_sentence

LEAD = "An opening of the document.\n\n"
TEXT = (
    "If the disk is full, the archiver stops and raises `DiskFull`.\n\n"
    "It also writes a line into the log file of the service.\n\n"
    "```\narchiver.run(force=True)  # must not be used by default\n```\n\n"
    "- To restore an old archive, run `archiver restore` with the name\n  of the archive."
)
PASSAGE = SourcePassage(
    title="Archiver 2.1", heading_path=("Running out of space",), text=TEXT, start=len(LEAD)
)
DISK_FULL = "What happens if the disk is full in Archiver 2.1?"
RESTORE = "How can you restore an old archive in Archiver 2.1?"


@dataclass
class ScriptedWriter:
    """Writes for each chat what belongs to the first key that its last message holds."""

    script: dict[str, str]
    asked: list[Sequence[Message]] = field(default_factory=list)
    name: str = "scripted"
    fingerprint: str = "scripted"

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(
        self,
        messages: Sequence[Message],  # noqa: ARG002
        *,
        max_new_tokens: int,  # noqa: ARG002
        should_stop: Callable[[], bool] | None = None,  # noqa: ARG002
    ) -> PythonGenerator[str]:
        raise AssertionError("pairs are written in batches")

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,  # noqa: ARG002 - a script has its own length
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        if should_stop and should_stop():
            raise Stopped
        self.asked.extend(chats)
        return [
            next((text for key, text in self.script.items() if key in chat[-1].content), "") for chat in chats
        ]


def test_a_pair_is_the_models_question_and_the_passages_own_sentence() -> None:
    writer = ScriptedWriter(
        {"disk is full": DISK_FULL, "old archive": f"Question: {RESTORE}\nAnswer: run it"}
    )
    [[first, second]] = write_pairs([PASSAGE], writer)
    assert (first.question, second.question) == (DISK_FULL, RESTORE)
    assert first.answer == "If the disk is full, the archiver stops and raises `DiskFull`."
    assert second.answer == "To restore an old archive, run `archiver restore` with the name of the archive."
    document = LEAD + TEXT
    for pair in (first, second):
        [span] = pair.evidence
        assert plain_sentence(document[span.start : span.end]) == pair.answer
        assert (pair.origin, pair.method) == (Origin.GENERATED, "model")


def test_every_passage_has_its_own_list_also_when_it_comes_twice_or_has_nothing_to_ask() -> None:
    empty = SourcePassage(title="Index", heading_path=(), text="See also the other pages.", start=0)
    writer = ScriptedWriter({"disk is full": DISK_FULL})
    lists = write_pairs([PASSAGE, empty, PASSAGE], writer)
    assert [len(pairs) for pairs in lists] == [1, 0, 1]
    assert write_pairs([empty], ScriptedWriter({})) == [[]]


def test_all_chats_begin_with_the_same_messages() -> None:
    writer = ScriptedWriter({})
    write_pairs([PASSAGE], writer)
    first, second = writer.asked
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]
    assert "Archiver 2.1 > Running out of space" in first[-1].content


def test_a_passage_cannot_forge_the_chat_templates_tokens() -> None:
    text = "If the disk is full, the archiver stops with <|im_end|> and raises `DiskFull`."
    writer = ScriptedWriter({})
    write_pairs([SourcePassage(title="Archiver", heading_path=(), text=text, start=0)], writer)
    assert writer.asked
    assert "<|im_end|>" not in str(writer.asked)


def test_an_examples_question_is_never_a_pairs_question() -> None:
    text = "If `keep_days` is set to `None`, old backups are never deleted."
    passage = SourcePassage(title="Backups", heading_path=(), text=text, start=0)
    writer = ScriptedWriter({text: "What happens if `keep_days` is set to `None`?"})
    assert write_pairs([passage], writer) == [[]]
    writer = ScriptedWriter({text: "What happens if `keep_days` is `None`?"})
    assert [pair.question for pair in write_pairs([passage], writer)[0]] == [writer.script[text]]


def test_stopping_reaches_the_caller() -> None:
    with pytest.raises(Stopped):
        write_pairs([PASSAGE], ScriptedWriter({}), should_stop=lambda: True)


def test_a_heading_is_shown_without_its_arguments() -> None:
    text = "If `deep` is `True`, folders inside of folders are copied, too."
    writer = ScriptedWriter({})
    passage = SourcePassage(title="Acme", heading_path=("`copy(deep=False, *, fast)`",), text=text, start=0)
    write_pairs([passage], writer)
    assert "Place: Acme > `copy()`\n" in writer.asked[0][-1].content


def test_a_real_small_model_writes_pairs_whose_answers_stand_in_the_document(
    small_generator_folder: Path,
) -> None:
    model = TransformersGenerator.load(small_generator_folder, name="small", fingerprint="f1")
    [pairs] = write_pairs([PASSAGE], model)
    document = LEAD + TEXT
    assert pairs
    for pair in pairs:
        [span] = pair.evidence
        assert plain_sentence(document[span.start : span.end]) == pair.answer
        assert pair.question.endswith("?")

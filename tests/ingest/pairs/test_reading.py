from collections.abc import Callable, Sequence
from collections.abc import Generator as PythonGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from generator.errors import Stopped
from generator.models import Message
from generator.sentences import split_sentences
from generator.transformers_backend import TransformersGenerator
from ingest.pairs.reading import ReadingItem, check_answerable, score_answer

ANSWER = "If the disk is full, the archiver stops and raises `DiskFull`."
OTHER = "The log is kept for seven days in the folder of the service."


@dataclass
class ScriptedReader:
    """Gives the next of its answers to every chat."""

    answers: list[str]
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
        raise AssertionError("evidence is read in batches")

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
        return [self.answers.pop(0) for _ in chats]


def an_item(
    question: str = "What happens if the disk is full?",
    answer: str = ANSWER,
    *,
    title: str = "Archiver",
    text: str | None = None,
) -> ReadingItem:
    return ReadingItem(
        question=question,
        answer=answer,
        passage_title=title,
        heading_path=(title, "Disks"),
        passage_text=f"{ANSWER} {OTHER}" if text is None else text,
    )


def test_every_item_gets_its_own_reading_in_order() -> None:
    reader = ScriptedReader(["The archiver\n stops and raises `DiskFull`.", "NOT FOUND", OTHER])
    first, second, third = check_answerable([an_item(), an_item(), an_item()], reader)
    assert first.reader_answer == "The archiver stops and raises `DiskFull`."
    assert first.score == 1.0
    assert (second.score, second.reader_answer) == (0.0, "NOT FOUND")
    assert third.score == 0.0
    assert check_answerable([], ScriptedReader([])) == []


@pytest.mark.parametrize(
    "refusal",
    ["NOT FOUND", "Not found.", "", "The passage does not mention this.", "I cannot answer this question."],
)
def test_a_refusal_is_worth_nothing(refusal: str) -> None:
    assert score_answer(refusal, an_item()) == 0.0


# Stems of the question: tru, disk, full. "Archiver", "Disks" and the stored answer mention all but the first:
# c = 2/3. Of the stored answer without the question: archiv, stop, rais, diskfull.
COVERED = (1 + 2 / 3) / 2


@pytest.mark.parametrize(
    ("reader_answer", "precision", "recall", "factor"),
    [
        ("The archiver stops.", 2 / 2, 2 / 2, 1),  # 2 of 2 said; 2 repeated of min(2, 4)
        ("The archiver stops and sleeps.", 2 / 3, 2 / 3, 1),
        ("It raises `DiskFull`. Then the moon shines.", 2 / 2, 2 / 2, 1),  # the first telling sentence counts
        ("The disk is full. The archiver stops.", 2 / 2, 2 / 2, 1),  # which is not the echo
        ("It raises `OutOfSpace`.", 1 / 2, 1 / 2, 0.5),  # a name that nobody mentioned
        ("The archiver stops after 3 tries.", 2 / 4, 2 / 4, 0.5),  # 3 and tries
        ("The disk is full.", 0, 0, 1),  # an echo
        ("The moon shines.", 0, 0, 1),
    ],
)
def test_scores_are_those_of_the_formula(
    reader_answer: str, precision: float, recall: float, factor: float
) -> None:
    item = an_item("How true is it that the disk is full?")
    total = 0.25 * precision + recall
    agreement = 1.25 * precision * recall / total if total else 0.0
    assert score_answer(reader_answer, item) == pytest.approx(agreement * factor * COVERED)


def test_a_sentence_taken_from_a_long_answer_is_as_good_as_one_from_a_short() -> None:
    long = f"{ANSWER} {OTHER} Nothing is lost, as every copy is finished. Disks are cheap today."
    assert score_answer(ANSWER, an_item(answer=long)) == score_answer(ANSWER, an_item()) == 1.0


def test_words_of_other_sentences_and_words_of_the_stored_answer_are_told_apart() -> None:
    question = "How long is the log kept?"
    right, wrong = an_item(question, OTHER), an_item(question, ANSWER)
    assert score_answer("For seven days in the folder of the service.", right) > 0.9
    assert score_answer("For seven days in the folder of the service.", wrong) == 0.0


@pytest.mark.parametrize(
    ("reader_answer", "stored", "is_zero"),
    [
        ("No, it does not follow symbolic links.", "The copy does not follow symbolic links.", False),
        ("No.", "The copy does not follow symbolic links.", False),
        ("Yes, it follows symbolic links.", "The copy does not follow symbolic links.", True),
        ("Yes.", "The copy does not follow symbolic links.", True),
        ("Yes.", "No. Links are skipped.", True),
        ("No.", "No. Links are skipped.", False),
        ("No.", "The copy follows symbolic links.", True),
        ("The copy does not follow symbolic links.", "The copy does not follow symbolic links.", False),
        ("The copy doesn't follow symbolic links. It is fast.", "The copy does not follow links.", False),
        ("The copy follows symbolic links.", "The copy does not follow symbolic links.", True),
        ("Yes, links are skipped.", "Links are skipped. They are not copied. Nor are sockets.", False),
    ],
)
def test_a_yes_must_not_meet_a_no(reader_answer: str, stored: str, is_zero: bool) -> None:  # noqa: FBT001
    item = an_item("Does the copy follow symbolic links?", stored)
    assert (score_answer(reader_answer, item) == 0.0) == is_zero


@pytest.mark.parametrize("words", ["", "disk " * 50, "`a_b` 3, 4 and `C.d()`. " * 20, "?!", "\u00e9\u65e5"])
def test_a_score_is_a_share_whatever_is_written(words: str) -> None:
    for question in ("What happens if the disk is full?", words or "?"):
        for answer in (ANSWER, words or "-"):
            assert 0.0 <= score_answer(words, an_item(question, answer)) <= 1.0


def test_all_chats_begin_with_the_same_messages_and_the_question_stands_last() -> None:
    reader = ScriptedReader(["a", "b"])
    check_answerable([an_item(), an_item("Who stops?", text="<|im_end|> Nobody stops.")], reader)
    first, second = reader.asked
    assert first[:-1] == second[:-1]
    assert first[-1].content.startswith("Archiver > Disks\n")
    assert second[-1].content.endswith("Question: Who stops?")
    assert "<|im_end|>" not in second[-1].content


def sentences(count: int) -> list[str]:
    return [f"Rule {number} says that wheel {number} turns to the left." for number in range(count)]


@pytest.mark.parametrize("place", [0, 20, 39])
def test_of_a_long_passage_whole_sentences_around_the_answer_are_read(place: int) -> None:
    rules = sentences(40)
    reader = ScriptedReader(["-"])
    check_answerable([an_item("Where does it turn?", rules[place], text=" ".join(rules))], reader)
    read = reader.asked[0][-1].content.split("\n")[1]
    assert rules[place] in read
    assert 400 < len(read) <= 600
    assert {read[span.start : span.end] for span in split_sentences(read)} <= set(rules)


def test_of_a_long_answer_the_part_that_the_question_is_about_is_read() -> None:
    rules = sentences(40)
    reader = ScriptedReader(["-"])
    check_answerable([an_item("Where does wheel 30 turn?", " ".join(rules), text=" ".join(rules))], reader)
    assert rules[30] in reader.asked[0][-1].content


def test_one_endless_sentence_is_cut() -> None:
    reader = ScriptedReader(["-"])
    check_answerable([an_item("Which word?", "word", text="word " * 500)], reader)
    assert len(reader.asked[0][-1].content) < 700


def test_stopping_reaches_the_caller() -> None:
    with pytest.raises(Stopped):
        check_answerable([an_item()], ScriptedReader(["-"]), should_stop=lambda: True)


def test_a_real_small_model_reads_a_passage(small_generator_folder: Path) -> None:
    model = TransformersGenerator.load(small_generator_folder, name="small", fingerprint="f1")
    right, wrong = check_answerable([an_item(text=ANSWER), an_item(answer=OTHER, text=ANSWER)], model)
    assert right.reader_answer
    assert right.reader_answer == wrong.reader_answer
    assert right.score > 0.5 > wrong.score

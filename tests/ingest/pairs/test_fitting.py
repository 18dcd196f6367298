import pytest

from ingest.pairs.fitting import SourcePassage, choose_question, read_question
from ingest.pairs.statements import choose_statements


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("What is a mirror?", "What is a mirror?"),
        ("\n  Question: What is a mirror?  \nAnswer: a folder", "What is a mirror?"),
        ('1. "What is a mirror?"', "What is a mirror?"),
        ("**Q:** What is a mirror? It is a folder.", "What is a mirror?"),
        ("What is a  mirror.", "What is a mirror?"),
        (" \n ", ""),
        ("", ""),
    ],
)
def test_labels_quotes_and_everything_after_the_question_are_cut_off(line: str, question: str) -> None:
    assert read_question(line) == question


def chosen_question(line: str, text: str, *, title: str = "Copies", heading: str = "Mirrors") -> str:
    passage = SourcePassage(title=title, heading_path=(title, heading), text=text, start=0)
    [statement] = choose_statements(text, passage.place, most=1)
    return choose_question(line, passage, statement)


FULL = "If the disk of a mirror is full, `Mirror.copy()` raises `DiskFull` and stops."


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("What happens if the disk of a mirror is full?", "What happens if the disk of a mirror is full?"),
        (
            "What happens if the disk of a mirror is full, `Mirror.copy()` raises `DiskFull` and stops.",
            "What happens if the disk of a mirror is full?",
        ),
        ("What happens if the disk of a mirror is full and `RAID` is on?", ""),
        ("What happens if the disk of a mirror is full of yellow paint?", ""),
        ("What happens if `Mirror.copy()` raises `DiskFull`?", ""),
        ("When does `Mirror.copy()` stop because the disk of a mirror is full?", ""),
        ("What happens if the disk of a mirror `is full?", ""),
        ("What happens if " + "the disk of a mirror is full and " * 8 + "full?", ""),
        ("What happens?", ""),
        ("", ""),
    ],
)
def test_a_question_must_name_what_is_given_and_neither_invent_nor_give_away(
    line: str, question: str
) -> None:
    assert chosen_question(line, FULL) == question


def test_what_something_does_is_asked_without_its_object() -> None:
    text = "`Mirror.size()` returns the number of bytes in all files."
    assert chosen_question("What does `Mirror.size()` return the number of?", text) == (
        "What does `Mirror.size()` return?"
    )


def test_what_something_does_is_asked_of_the_thing_that_does_it() -> None:
    text = "The mirror contains a copy of `disk.list()` for each of the folders."
    assert chosen_question("What does `disk.list()` contain?", text, title="Mirror 2.1") == ""
    assert chosen_question("What does the mirror contain?", text, title="Mirror 2.1") == (
        "What does the mirror contain in Mirror 2.1?"
    )


def test_a_question_about_the_product_as_a_whole_is_too_wide() -> None:
    text = "Acme provides help for moving files between two distant disks."
    assert chosen_question("What does Acme provide?", text, title="Acme") == ""
    assert chosen_question(
        "What is Acme?", "Acme is a program that moves files between disks.", title="Acme"
    ) == ("What is Acme?")


def test_a_question_asked_with_yes_or_no_is_asked_without_not() -> None:
    text = "`Mirror.copy()` does not follow symbolic links to folders."
    question = "Does `Mirror.copy()` follow symbolic links to folders?"
    assert chosen_question(question, text) == question
    assert chosen_question("Does `Mirror.copy()` not follow symbolic links to folders?", text) == ""


def test_a_question_without_a_name_gets_that_of_the_heading_and_the_version_of_the_title() -> None:
    text = "If `deep` is `True`, folders inside of folders are copied, too."
    question = chosen_question(
        "What happens if `deep` is `True`?", text, title="Acme 2.1 notes", heading="`Mirror.copy(deep=False)`"
    )
    assert question == "What happens if `deep` is `True` in `Mirror.copy` in Acme 2.1?"

import pytest

from ingest.pairs.statements import choose_statements


@pytest.mark.parametrize(
    ("sentence", "opener", "given", "asked"),
    [
        ("If `depth` is zero, the copy is not recursive.", "What happens if", "`depth` is zero", "the copy"),
        (
            "If you want to skip large files, set `LIMIT` to 10.",
            "How can you",
            "skip large files",
            "set `LIMIT`",
        ),
        (
            "When files are renamed, you must call `rescan()`.",
            "What should you do when",
            "renamed",
            "`rescan()`",
        ),
        (
            "To skip large files (over 1 GB, say), set `LIMIT` to 10.",
            "How can you",
            "skip large",
            "set `LIMIT`",
        ),
        (
            "The copy waits two seconds because disks need time.",
            "Why",
            "The copy waits two seconds",
            "disks need",
        ),
        (
            "The interval of the copy defaults to `60` seconds.",
            "What is the default",
            "interval",
            "`60` seconds",
        ),
        ("A mirror is a folder with copies of all files on a disk.", "What is", "A mirror", "a folder with"),
        (
            "`--fast` is used to skip the checksums of all files.",
            "What is",
            "`--fast` used",
            "skip the checksums",
        ),
        (
            "`copy.size()` returns the number of bytes in all files.",
            "What does",
            "`copy.size()` returns",
            "number",
        ),
        (
            "The copy of files is stopped if the disk is full.",
            "What happens if",
            "the disk is full",
            "The copy",
        ),
        (
            "Files are copied again only when their size is different.",
            "When",
            "Files are",
            "size is different",
        ),
        (
            "Marks are used to skip the checksums of all files.",
            "What are",
            "Marks used",
            "skip the checksums",
        ),
        ("Two mirrors cannot share one single target folder.", "Can", "Two mirrors cannot share", ""),
        ("The copy doesn't follow symbolic links to folders.", "Does", "The copy doesn't follow", ""),
        ("Mirrors won't follow symbolic links to other folders.", "Will", "Mirrors won't follow", ""),
    ],
)
def test_the_shape_of_a_sentence_says_what_is_given_and_what_is_asked(
    sentence: str, opener: str, given: str, asked: str
) -> None:
    [statement] = choose_statements(sentence, ["Copies of files"], most=1)
    assert statement.shape.opener == opener
    assert given in statement.shape.given
    assert asked in statement.shape.asked
    assert bool(asked) == bool(statement.shape.asked)
    assert (statement.start, statement.end) == (0, len(sentence))


@pytest.mark.parametrize(
    "text",
    [
        "This must be set, because the copy of the files fails otherwise.",
        "If it is `None`, the copy of the files never ends.",
        "However, a mirror is a folder with the same files.",
        "If the disk is full, the copy stops as shown in the example above.",
        "Fixed a crash when the copy of the files is stopped with `Ctrl-C`.",
        "If the disk is full, stop.",
        "If not provided, the default index of all the files is rebuilt.",
        "To avoid the loss of files, the archiver now raises `DiskFull`.",
        "The list of files is only copied when it has been sorted.",
        "The name of the file is not checked until it is written to a disk.",
        "If `value` is `3`, the output will be `0003` for all the files.",
        "If you want to know more about mirrors, see the page on mirrors.",
        "## If the disk is full, the copy of the files stops",
        "```\nif disk.is_full: the copy of the files must stop.\n```",
        "If the disk is full, the copy stops with the following error:",
        "Mirrors - If the disk of the mirror is full, the copy",
        "The copy of the files stops.",
        "If the disk is full, " + "and there is no other disk nearby, " * 12 + "the copy stops.",
    ],
)
def test_sentences_that_do_not_stand_alone_or_have_no_shape_are_passed_over(text: str) -> None:
    assert choose_statements(text, ["Copies of files"], most=5) == []


def test_the_most_telling_sentences_are_chosen_and_stand_in_order() -> None:
    telling = "If the disk is full, the copy must not be trusted."
    plain = "A mirror is a folder with copies of many names."
    also = "The option `FAST` is required, because the default copy never ends."
    text = f"{telling} {plain} {also}"
    chosen = [one.text for one in choose_statements(text, ["Copies"], most=2)]
    assert chosen == [telling, also]
    assert len(choose_statements(text, ["Copies"], most=3)) == 3

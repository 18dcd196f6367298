import json

import pytest

from finetune.product_labels import LONGEST_QUESTION, LabelsInvalid, read_labels


def test_lines_and_lists_say_the_same() -> None:
    rows = [
        {"question": " How do I clean it? ", "product": "Press"},
        {"question": "Press or Pro?", "products": ["Press", "Pro"]},
        {"question": "Who are you?", "products": []},
    ]
    lines = "\n\n".join(json.dumps(row) for row in rows) + "\r\n"
    from_lines, from_list = (
        read_labels(b"\xef\xbb\xbf" + lines.encode()),
        read_labels(json.dumps(rows).encode()),
    )
    expected = [("How do I clean it?", ("Press",)), ("Press or Pro?", ("Press", "Pro")), ("Who are you?", ())]
    assert [(label.question, label.products) for label in from_lines] == expected
    assert [(label.question, label.products) for label in from_list] == expected
    assert [label.where for label in from_lines] == ["line 1", "line 3", "line 5"]
    assert [label.where for label in from_list] == ["item 1", "item 2", "item 3"]


GOOD = '{"question": "q", "product": "p"}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("3", "not an object"),
        ('{"question": "q", "product": "p", "weight": 2}', "not an object of question"),
        ('{"question": "q"}', "either product"),
        ('{"question": "q", "product": "p", "products": ["p"]}', "either product"),
        ('{"question": "q", "products": "p"}', "a product"),
        ('{"question": "q", "products": [" "]}', "a product"),
        ('{"question": "q", "product": null}', "a product"),
        ('{"question": " ", "product": "p"}', "question"),
        ('{"product": "p"}', "question"),
        ('{"question": "a\\u0000b", "product": "p"}', "question"),
        ('{"question": "a\\ud800b", "product": "p"}', "question"),
        (json.dumps({"question": "q" * (LONGEST_QUESTION + 1), "product": "p"}), "question"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_broken_line_is_named(line: str, reason: str) -> None:
    with pytest.raises(LabelsInvalid, match=f"line 3: .*{reason}"):
        read_labels(f"{GOOD}\n\n{line}\n{GOOD}".encode())


def test_a_broken_item_is_named() -> None:
    with pytest.raises(LabelsInvalid, match=r"item 2: .*question"):
        read_labels(f'[{GOOD}, {{"question": 3, "product": "p"}}]'.encode())


def test_bytes_that_are_no_text_are_named() -> None:
    with pytest.raises(LabelsInvalid, match=r"line 2: .*UTF-8"):
        read_labels(GOOD.encode() + b"\n\xff\n")


@pytest.mark.parametrize("empty", [b"", b"\n \n", b"[]"])
def test_nothing_is_refused(empty: bytes) -> None:
    with pytest.raises(LabelsInvalid, match="no labelled question"):
        read_labels(empty)

"""Pairs as examples: only approved ones, and no question of one split in another."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.pairs import PairsInvalid, as_questions, read_pairs

SPLITS = ("train", "dev", "test")


def line(number: int, split: str, status: str = "approved") -> str:
    return json.dumps(
        {
            "pair": {
                "id": f"qa_{number}",
                "question": f"How heavy is part {number}?",
                "answer": f"Part {number} weighs {number} grams.",
                "origin": "authored",
                "product": None,
                "weight": 0.5,
                "split": split,
                "status": status,
                "evidence": [{"uri": f"https://docs.example/{number}", "quote": f"{number} grams"}] * 2,
            }
        }
    )


def test_only_approved_pairs_of_the_split_are_read() -> None:
    lines = ['{"footnote_qa_export": 1}', line(1, "train"), line(2, "test"), line(3, "train", "pending")]
    (pair,) = read_pairs(lines, "train")
    assert (pair.id, pair.weight, pair.evidence[0].quote) == ("qa_1", 0.5, "1 grams")
    (question,) = as_questions([pair])
    assert question.gold_documents == ("https://docs.example/1",)


@given(st.lists(st.sampled_from(SPLITS), max_size=30))
def test_splits_never_share_a_pair(splits: list[str]) -> None:
    lines = [line(number, split) for number, split in enumerate(splits)]
    ids = {split: {pair.id for pair in read_pairs(lines, split)} for split in SPLITS}  # type: ignore[arg-type]
    assert not ids["train"] & ids["test"]
    assert not ids["train"] & ids["dev"]
    assert not ids["dev"] & ids["test"]
    assert sum(map(len, ids.values())) == len(splits)


def test_a_line_of_something_else_is_named() -> None:
    with pytest.raises(PairsInvalid, match="line 2"):
        read_pairs([line(1, "train"), '{"pair": {"status": "approved"}}'], "train")

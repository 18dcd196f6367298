from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from retriever.encoder import Encoder
from retriever.errors import IndexUnfaithful
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.questions import IndexedQuestion
from retriever.verification import verify_index

BuildIndex = Callable[..., Index]
TEXTS = ["deploy a model", "stop a trial early", "memory of one node", "memory of one node", "", "the of"]
ENTRIES = [
    IndexEntry(passage_id=f"p{row}", document_id=f"d{row}", product_id=None, text=text)
    for row, text in enumerate(TEXTS)
]
QUESTIONS = [
    IndexedQuestion(pair_id="q1", question="how do i end a trial", passage_ids=("p1", "p0", "p1")),
    IndexedQuestion(pair_id="q2", question="how much memory", passage_ids=("p2",)),
    IndexedQuestion(pair_id="q3", question="how much memory", passage_ids=("p3",)),
]


def test_a_sound_index_passes_with_twins_and_empty_texts(built: BuildIndex, encoder: Encoder) -> None:
    verify_index(built(ENTRIES), encoder, ENTRIES)


def test_vectors_that_stand_in_another_row_are_noticed(tmp_path: Path, encoder: Encoder) -> None:
    vectors = encoder.encode_passages(TEXTS)
    build_index(
        tmp_path / "version",
        ENTRIES,
        np.roll(vectors, 1, axis=0),
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    index = open_index(tmp_path / "version", encoder_fingerprint=encoder.fingerprint)
    with pytest.raises(IndexUnfaithful, match="its vector is at cosine") as raised:
        verify_index(index, encoder, ENTRIES[:3])
    assert raised.value.item == "passage p0"


def test_words_that_stand_in_another_row_are_noticed(built: BuildIndex, encoder: Encoder) -> None:
    index = built(ENTRIES)
    with pytest.raises(IndexUnfaithful, match="its words lead elsewhere"):
        verify_index(index, encoder, [replace(ENTRIES[0], text="stop a trial early")])


def test_a_passage_that_is_not_there_is_noticed(built: BuildIndex, encoder: Encoder) -> None:
    with pytest.raises(IndexUnfaithful, match="does not hold it"):
        verify_index(built(ENTRIES), encoder, [replace(ENTRIES[0], passage_id="p99")])


def test_an_empty_index_and_an_empty_sample_pass(built: BuildIndex, encoder: Encoder) -> None:
    verify_index(built([]), encoder, [])


def test_questions_of_a_sound_index_pass_with_twins(built: BuildIndex, encoder: Encoder) -> None:
    verify_index(built(ENTRIES, QUESTIONS), encoder, ENTRIES, QUESTIONS)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (replace(QUESTIONS[0], pair_id="q99"), "does not hold it"),
        (replace(QUESTIONS[0], passage_ids=("p1",)), "leads to other passages"),
        (replace(QUESTIONS[0], passage_ids=("p0", "p1")), "leads to other passages"),
        (replace(QUESTIONS[0], question="trial"), "its vector is at cosine"),
    ],
)
def test_a_question_that_differs_from_its_row_is_noticed(
    built: BuildIndex, encoder: Encoder, asked: IndexedQuestion, reason: str
) -> None:
    with pytest.raises(IndexUnfaithful, match=reason) as raised:
        verify_index(built(ENTRIES, QUESTIONS), encoder, ENTRIES, [QUESTIONS[1], asked])
    assert raised.value.item == f"pair {asked.pair_id}"

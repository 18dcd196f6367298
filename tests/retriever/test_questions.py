from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.errors import DimensionMismatch, EntriesMismatch, VectorsNotUnit
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.questions import IndexedQuestion

BuildIndex = Callable[..., Index]
ENTRIES = [
    IndexEntry(passage_id="p3", document_id="d1", product_id="tune", text="schedule a trial of a search"),
    IndexEntry(passage_id="p1", document_id="d1", product_id="tune", text="stop a trial early"),
    IndexEntry(passage_id="p2", document_id="d2", product_id=None, text="licence and authors"),
    IndexEntry(passage_id="p9", document_id="d3", product_id="serve", text="deploy a model"),
]
QUESTIONS = [
    IndexedQuestion(pair_id="q7", question="how do trials end", passage_ids=("p1", "p3", "p1")),
    IndexedQuestion(pair_id="q1", question="who wrote it", passage_ids=("p2",)),
    IndexedQuestion(pair_id="q4", question="how do experiments end", passage_ids=("p1",)),
]


def build(directory: Path, encoder: Encoder, question_vectors: Vectors | None) -> None:
    build_index(
        directory,
        ENTRIES,
        encoder.encode_passages([entry.text for entry in ENTRIES]),
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        questions=QUESTIONS,
        question_vectors=question_vectors,
    )


def test_the_questions_that_are_built_are_opened(built: BuildIndex, encoder: Encoder) -> None:
    index = built(ENTRIES, QUESTIONS)
    questions = index.questions
    assert index.manifest.questions == len(questions) == 3
    assert list(questions.pair_ids) == ["q7", "q1", "q4"]
    assert questions.rows_by_pair == {"q7": 0, "q1": 1, "q4": 2}
    assert [questions.evidence(row) for row in range(3)] == [[1, 0], [2], [1]]
    expected = encoder.encode_queries(["how do trials end", "who wrote it", "how do experiments end"])
    np.testing.assert_array_equal(questions.vectors.at(np.arange(3)), expected)


def test_an_index_without_questions_is_valid(tmp_path: Path, encoder: Encoder) -> None:
    manifest = build_index(
        tmp_path / "version",
        ENTRIES,
        encoder.encode_passages([entry.text for entry in ENTRIES]),
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    index = open_index(tmp_path / "version", encoder_fingerprint=encoder.fingerprint)
    assert manifest.questions == len(index.questions) == 0
    assert index.questions.allowed_rows(passages=np.zeros(4, dtype=bool), hidden_pairs=["q1"]) is None


def test_the_words_of_questions_stay_out_of_the_words_of_passages(built: BuildIndex) -> None:
    words = built(ENTRIES, QUESTIONS).words
    assert words.search("wrote", k=5).rows.tolist() == []
    assert words.search("experiment", k=5).rows.tolist() == []


@pytest.mark.parametrize(
    ("passages", "hidden", "expected"),
    [
        ([1, 1, 1, 1], [], [True, True, True]),
        ([1, 0, 1, 1], [], [True, True, False]),
        ([0, 1, 0, 0], [], [True, False, True]),
        ([0, 0, 0, 1], [], [False, False, False]),
        ([0, 1, 0, 0], ["q4", "q1", "unknown"], [True, False, False]),
        (None, ["q7"], [False, True, True]),
        (None, ["unknown"], [True, True, True]),
    ],
)
def test_a_question_is_allowed_while_one_of_its_passages_is(
    built: BuildIndex, passages: list[int] | None, hidden: list[str], expected: list[bool]
) -> None:
    shown = None if passages is None else np.array(passages, dtype=bool)
    allowed = built(ENTRIES, QUESTIONS).questions.allowed_rows(passages=shown, hidden_pairs=hidden)
    assert allowed is not None
    assert allowed.tolist() == expected


def test_nothing_held_back_needs_no_mask(built: BuildIndex) -> None:
    assert built(ENTRIES, QUESTIONS).questions.allowed_rows(passages=None, hidden_pairs=frozenset()) is None


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        ([QUESTIONS[0], replace(QUESTIONS[1], pair_id="q7")], "pair id stands twice"),
        ([replace(QUESTIONS[0], passage_ids=())], "q7 rests on no passage"),
        ([QUESTIONS[1], replace(QUESTIONS[0], passage_ids=("p1", "p99"))], "q7 rests on p99"),
    ],
)
def test_questions_that_do_not_fit_are_refused(
    tmp_path: Path, built: BuildIndex, questions: list[IndexedQuestion], reason: str
) -> None:
    with pytest.raises(EntriesMismatch, match=reason):
        built(ENTRIES, questions)
    assert list((tmp_path / "indexes").iterdir()) == []


@pytest.mark.parametrize("count", [None, 0, 2, 4])
def test_questions_and_vectors_must_be_as_many(tmp_path: Path, encoder: Encoder, count: int | None) -> None:
    vectors = None if count is None else encoder.encode_queries(["same"] * count)
    with pytest.raises(EntriesMismatch, match=f"3 questions and {count or 0} vectors"):
        build(tmp_path / "version", encoder, vectors)
    assert list(tmp_path.iterdir()) == []


def test_vectors_of_questions_are_checked_too(tmp_path: Path, encoder: Encoder) -> None:
    sound = encoder.encode_queries([question.question for question in QUESTIONS])
    for wrong, error in ((sound * 2, VectorsNotUnit), (sound[:, :5], DimensionMismatch)):
        with pytest.raises(error):
            build(tmp_path / "version", encoder, wrong)
    assert list(tmp_path.iterdir()) == []

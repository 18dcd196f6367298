"""Directions of documents, and their words, against plain loops."""

from pathlib import Path

import numpy as np
import pytest

from retriever.documents import number_documents, open_documents, write_documents
from retriever.words import open_words, words, write_words

DOCUMENTS = ["b", "a", "b", "c", "a", "b"]
TEXTS = [
    "deploy a model",
    "retry the worker, retry",
    "a model replica",
    "memory of a node",
    "worker memory and node memory",
    "deploy",
]


def test_documents_are_numbered_by_their_first_passage() -> None:
    ids, numbers = number_documents(DOCUMENTS)
    assert ids == ["b", "a", "c"]
    assert numbers.tolist() == [0, 1, 0, 2, 1, 0]


def test_a_document_points_where_its_passages_point_together(tmp_path: Path) -> None:
    vectors = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[3] = [0, 0, 1, 0, 0]
    write_documents(tmp_path / "documents.npy", DOCUMENTS, vectors)
    opened = open_documents(tmp_path / "documents.npy", DOCUMENTS)
    for place, document in enumerate(opened.ids):
        total = sum(vectors[row] for row in range(6) if DOCUMENTS[row] == document)
        np.testing.assert_allclose(opened.vectors[place], total / np.linalg.norm(total), rtol=1e-5)


def test_passages_that_cancel_out_point_nowhere(tmp_path: Path) -> None:
    vectors = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    write_documents(tmp_path / "documents.npy", ["a", "a"], vectors)
    assert open_documents(tmp_path / "documents.npy", ["a", "a"]).vectors.tolist() == [[0, 0]]


def test_an_empty_index_has_no_documents(tmp_path: Path) -> None:
    write_documents(tmp_path / "documents.npy", [], np.empty((0, 3), dtype=np.float32))
    assert open_documents(tmp_path / "documents.npy", []).vectors.shape == (0, 3)


@pytest.mark.parametrize("question", ["deploy the worker", "memory node", "model", "unheard"])
def test_a_documents_words_are_the_best_of_its_passages(tmp_path: Path, question: str) -> None:
    write_words(tmp_path / "words", TEXTS)
    index = open_words(tmp_path / "words")
    ids, numbers = number_documents(DOCUMENTS)
    found = index.document_scores(index.tokens(question), numbers, len(ids))
    for place, document in enumerate(ids):
        rows = [row for row in range(6) if DOCUMENTS[row] == document]
        expected = sum(
            max(float(index.scores(index.tokens(word)[:1])[row]) for row in rows) for word in words(question)
        )
        assert found[place] == pytest.approx(expected, rel=1e-5)

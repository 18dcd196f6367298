"""Does a new index version find passages and questions by their own text? Asked before it goes live."""

from collections.abc import Sequence

import numpy as np

from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.errors import IndexUnfaithful
from retriever.index import Index, IndexEntry
from retriever.questions import IndexedQuestion
from retriever.vectors import VectorIndex

LEAST_SELF_COSINE = 0.98
"""A text encoded again must be this close to its vector; bfloat16 alone costs 0.002."""

_TIE = 1e-3  # passages of the same text share the first place


def verify_index(
    index: Index,
    encoder: Encoder,
    sample: Sequence[IndexEntry],
    questions: Sequence[IndexedQuestion] = (),
) -> None:
    """Ask an index what is known: some of its passages' own texts, and some of its questions.

    By vectors, each must be at cosine 1 to its own text, and no other may be nearer. By words, each word
    of a passage must lead to it.

    Args:
        index: The new index version.
        encoder: The encoder that its vectors were made with.
        sample: Passages with the text that was encoded and indexed; none says nothing.
        questions: Questions as they were indexed; none says nothing.

    Raises:
        IndexUnfaithful: For the first passage or question that is not found.
        DimensionMismatch: If the encoder is not the index's.
    """
    _verify_passages(index, encoder, sample)
    _verify_questions(index, encoder, questions)


def _verify_passages(index: Index, encoder: Encoder, sample: Sequence[IndexEntry]) -> None:
    rows = {passage_id: row for row, passage_id in enumerate(index.passage_ids)}
    for entry in sample:
        if entry.passage_id not in rows:
            raise IndexUnfaithful(item=f"passage {entry.passage_id}", reason="the index does not hold it")
        if not index.words.holds(rows[entry.passage_id], entry.text):
            raise IndexUnfaithful(item=f"passage {entry.passage_id}", reason="its words lead elsewhere")
    if sample:
        vectors = encoder.encode_passages([entry.text for entry in sample])
        names = [f"passage {passage_id}" for passage_id in index.passage_ids]
        _check_vectors(index.vectors, vectors, [rows[entry.passage_id] for entry in sample], names)


def _verify_questions(index: Index, encoder: Encoder, sample: Sequence[IndexedQuestion]) -> None:
    rows = index.questions.rows_by_pair
    for question in sample:
        if question.pair_id not in rows:
            raise IndexUnfaithful(item=f"pair {question.pair_id}", reason="the index does not hold it")
        evidence = index.questions.evidence(rows[question.pair_id])
        if [index.passage_ids[row] for row in evidence] != list(dict.fromkeys(question.passage_ids)):
            raise IndexUnfaithful(item=f"pair {question.pair_id}", reason="it leads to other passages")
    if sample:
        vectors = encoder.encode_queries([question.question for question in sample])
        names = [f"pair {pair_id}" for pair_id in index.questions.pair_ids]
        found = [rows[question.pair_id] for question in sample]
        _check_vectors(index.questions.vectors, vectors, found, names)


def _check_vectors(index: VectorIndex, vectors: Vectors, rows: Sequence[int], names: Sequence[str]) -> None:
    """Row ``i`` of ``vectors`` must find ``rows[i]`` of the index, whose rows have ``names``."""
    own = (index.at(np.array(rows, dtype=np.int64)) * vectors).sum(axis=1)  # (sample,)
    best = index.search(vectors, k=1)
    for row, cosine, ranking in zip(rows, own, best, strict=True):
        if cosine < LEAST_SELF_COSINE or cosine < ranking.scores[0] - _TIE:
            nearest = names[int(ranking.rows[0])]
            reason = f"its vector is at cosine {cosine:.3f} and {nearest} at {ranking.scores[0]:.3f}"
            raise IndexUnfaithful(item=names[row], reason=reason)

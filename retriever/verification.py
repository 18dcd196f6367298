"""Does a new index version find passages by their own text? Asked before it goes live."""

from collections.abc import Sequence

import numpy as np

from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.errors import IndexUnfaithful
from retriever.index import Index, IndexEntry

LEAST_SELF_COSINE = 0.98
"""A passage encoded again must be this close to its vector; bfloat16 alone costs 0.002."""

_TIE = 1e-3  # passages of the same text share the first place


def verify_index(index: Index, encoder: Encoder, sample: Sequence[IndexEntry]) -> None:
    """Ask an index known questions: some of its passages' own texts.

    By vectors, each passage must be at cosine 1 to its own text and no other passage may be nearer. By
    words, each of its words must lead to it.

    Args:
        index: The new index version.
        encoder: The encoder that its vectors were made with.
        sample: Passages with the text that was encoded and indexed; none says nothing.

    Raises:
        IndexUnfaithful: For the first passage that is not found.
        DimensionMismatch: If the encoder is not the index's.
    """
    if not sample:
        return
    rows = {passage_id: row for row, passage_id in enumerate(index.passage_ids)}
    for entry in sample:
        if entry.passage_id not in rows:
            raise IndexUnfaithful(passage_id=entry.passage_id, reason="the index does not hold it")
        if not index.words.holds(rows[entry.passage_id], entry.text):
            raise IndexUnfaithful(passage_id=entry.passage_id, reason="its words lead elsewhere")
    vectors = encoder.encode_passages([entry.text for entry in sample])
    _check_vectors(index, vectors, [rows[entry.passage_id] for entry in sample])


def _check_vectors(index: Index, vectors: Vectors, rows: Sequence[int]) -> None:
    """Row ``i`` of ``vectors`` must find ``rows[i]``."""
    own = (index.vectors.at(np.array(rows, dtype=np.int64)) * vectors).sum(axis=1)  # (sample,)
    best = index.vectors.search(vectors, k=1)
    for row, cosine, ranking in zip(rows, own, best, strict=True):
        if cosine < LEAST_SELF_COSINE or cosine < ranking.scores[0] - _TIE:
            nearest = index.passage_ids[int(ranking.rows[0])]
            raise IndexUnfaithful(
                passage_id=index.passage_ids[row],
                reason=f"its vector is at cosine {cosine:.3f} and {nearest} at {ranking.scores[0]:.3f}",
            )

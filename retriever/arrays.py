"""The arrays that travel between encoder, indexes and fusion, and what their axes mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, dimension), one unit row per text."""

Rows = NDArray[np.int64]
"""(n,), positions in the index from 0."""

Scores = NDArray[np.float32]
"""(n,), larger is better; the scale is that of whoever made them."""

RowMask = NDArray[np.bool_]
"""(number of rows in the index,), true where a row may be returned."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Rows of an index for one query, best first; equal scores are ordered by row.

    Attributes:
        rows: The rows, without padding and without repeats.
        scores: The score of each row.
    """

    rows: Rows
    scores: Scores

    def __len__(self) -> int:
        return len(self.rows)


def rank_rows(rows: Rows, scores: Scores) -> Ranking:
    """Order rows by falling score, equal scores by rising row."""
    order = np.lexsort((rows, -scores))
    return Ranking(rows[order].astype(np.int64), scores[order].astype(np.float32))

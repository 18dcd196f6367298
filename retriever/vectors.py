"""Nearest vectors: one FAISS index per file, exact while it is small. The only module that knows FAISS."""

from pathlib import Path
from typing import Any

import faiss as typed_faiss
import numpy as np
from numpy.typing import NDArray

from retriever.arrays import Ranking, RowMask, Rows, Vectors, rank_rows
from retriever.errors import DimensionMismatch, VectorsNotUnit

faiss: Any = typed_faiss  # the stubs leave out selectors, HNSW parameters and keyword arguments

EXACT_LIMIT = 200_000
"""Most vectors that are scanned exactly; above it an HNSW graph is built and searched instead."""

HNSW_NEIGHBOURS = 32
"""Links per node and level; 32 is FAISS's own default, and costs 256 bytes a vector."""

HNSW_BUILD_WIDTH = 200
"""Candidates held while a node is linked; wider builds slower and finds better."""

HNSW_SEARCH_WIDTH = 128
"""Least number of candidates held while searching; a search for more than that holds ``k``."""

UNIT_TOLERANCE = 0.01
"""How far a row's length may lie from 1; bfloat16 encoders reach 0.004."""


def write_vectors(path: Path, vectors: Vectors, *, dimension: int, exact_limit: int = EXACT_LIMIT) -> None:
    """Write an inner-product index of ``vectors``; row ``i`` of the index is ``vectors[i]``.

    Args:
        path: File to write.
        vectors: (n, dimension) unit rows; n may be 0.
        dimension: What the encoder says, so that an empty index has a dimension too.
        exact_limit: Above this many rows an HNSW graph is written, whose answers are approximate.

    Raises:
        DimensionMismatch: If the rows are not ``dimension`` long.
        VectorsNotUnit: If a row's length is not 1.
    """
    _check_vectors(vectors, dimension)
    if len(vectors) <= exact_limit:
        index = faiss.IndexFlatIP(dimension)
    else:
        index = faiss.IndexHNSWFlat(dimension, HNSW_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = HNSW_BUILD_WIDTH
    index.add(np.ascontiguousarray(vectors, dtype=np.float32))
    faiss.write_index(index, str(path))


def open_vectors(path: Path, *, exact_limit: int = EXACT_LIMIT) -> "VectorIndex":
    """Open an index that `write_vectors` wrote, memory-mapped: several processes share its pages.

    Raises:
        RuntimeError: If FAISS cannot read the file; checksums are checked before this is called.
    """
    return VectorIndex(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC), exact_limit=exact_limit)


class VectorIndex:
    """A read-only index of unit vectors; any number of threads may search it at once.

    Attributes:
        dimension: Length of every vector.
    """

    def __init__(self, index: Any, *, exact_limit: int) -> None:
        self._index = index
        self._exact_limit = exact_limit
        self._graph = isinstance(index, faiss.IndexHNSW)
        self._flat = faiss.downcast_index(index.storage) if self._graph else index
        self.dimension: int = index.d

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: Vectors, *, k: int, allowed: RowMask | None = None) -> list[Ranking]:
        """The ``k`` rows nearest to each query by cosine in [-1, 1]; fewer only where fewer are allowed.

        Exact for a flat index. For a graph it is approximate, except under a filter that leaves at
        most ``exact_limit`` rows: those are scanned, since a graph searched through a narrow filter
        loses its way.

        Args:
            queries: (m, dimension) unit rows.
            k: Rows wanted per query, at least 1.
            allowed: Rows that may be returned; None for all of them.

        Raises:
            DimensionMismatch: If the queries are not ``dimension`` long.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dimension:  # noqa: PLR2004 - rows and columns
            raise DimensionMismatch(expected=self.dimension, got=queries.shape[-1])
        available = len(self) if allowed is None else int(np.count_nonzero(allowed))
        wanted = min(k, available)
        if wanted == 0:
            return [rank_rows(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
        if self._graph and (allowed is None or available > self._exact_limit):
            rankings = self._walk(queries, wanted, allowed)
            if all(len(ranking) == wanted for ranking in rankings):
                return rankings
        return self._scan(queries, wanted, allowed)

    def at(self, rows: Rows) -> Vectors:
        """The stored vectors of some rows, (len(rows), dimension)."""
        found: Vectors = self._flat.reconstruct_batch(np.ascontiguousarray(rows, dtype=np.int64))
        return found

    def _scan(self, queries: Vectors, k: int, allowed: RowMask | None) -> list[Ranking]:
        parameters = None if allowed is None else faiss.SearchParameters(sel=_selector(allowed))
        return _rankings(*self._flat.search(_contiguous(queries), k, params=parameters))

    def _walk(self, queries: Vectors, k: int, allowed: RowMask | None) -> list[Ranking]:
        selector = None if allowed is None else _selector(allowed)
        parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=max(HNSW_SEARCH_WIDTH, k))
        return _rankings(*self._index.search(_contiguous(queries), k, params=parameters))


def _check_vectors(vectors: Vectors, dimension: int) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != dimension:  # noqa: PLR2004 - rows and columns
        raise DimensionMismatch(expected=dimension, got=vectors.shape[-1])
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))  # catches NaN too
    if len(wrong):
        raise VectorsNotUnit(row=int(wrong[0]), length=float(lengths[wrong[0]]))


def _contiguous(queries: Vectors) -> Vectors:
    return np.ascontiguousarray(queries, dtype=np.float32)


def _selector(allowed: RowMask) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _rankings(scores: Vectors, rows: NDArray[np.int64]) -> list[Ranking]:
    """FAISS pads short results with row -1: those are dropped."""
    return [
        rank_rows(found[found >= 0], values[found >= 0]) for values, found in zip(scores, rows, strict=True)
    ]

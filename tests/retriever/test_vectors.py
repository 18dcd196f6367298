from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retriever.arrays import RowMask, Vectors
from retriever.errors import DimensionMismatch, VectorsNotUnit
from retriever.vectors import VectorIndex, open_vectors, write_vectors

DIMENSION = 16


def unit_rows(count: int, *, seed: int) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    rows: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return rows


def written(path: Path, vectors: Vectors, *, exact_limit: int = 1000) -> VectorIndex:
    write_vectors(path / "vectors.faiss", vectors, dimension=DIMENSION, exact_limit=exact_limit)
    return open_vectors(path / "vectors.faiss", exact_limit=exact_limit)


def brute_force(vectors: Vectors, query: Vectors, k: int, allowed: RowMask | None = None) -> list[int]:
    scores = vectors.astype(np.float64) @ query
    rows = [row for row in range(len(vectors)) if allowed is None or allowed[row]]
    return sorted(rows, key=lambda row: (-scores[row], row))[:k]


@pytest.mark.parametrize("queries", [1, 5, 40])  # FAISS scans few queries one way and many another
def test_a_flat_index_agrees_with_brute_force(tmp_path: Path, queries: int) -> None:
    vectors, asked = unit_rows(300, seed=1), unit_rows(queries, seed=2)
    rankings = written(tmp_path, vectors).search(asked, k=12)
    for query, ranking in zip(asked, rankings, strict=True):
        assert ranking.rows.tolist() == brute_force(vectors, query, 12)
        np.testing.assert_allclose(ranking.scores, vectors[ranking.rows] @ query, atol=1e-6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), k=st.integers(1, 70))
def test_a_filtered_search_gives_exactly_the_best_allowed_rows(
    tmp_path: Path, seed: int, share: float, k: int
) -> None:
    vectors = unit_rows(61, seed=0)
    allowed = np.random.default_rng(seed).random(61) < share
    query = unit_rows(1, seed=seed)
    [ranking] = written(tmp_path, vectors).search(query, k=k, allowed=allowed)
    assert ranking.rows.tolist() == brute_force(vectors, query[0], k, allowed)


def test_a_short_result_is_not_padded(tmp_path: Path) -> None:
    [ranking] = written(tmp_path, unit_rows(3, seed=1)).search(unit_rows(1, seed=2), k=10)
    assert sorted(ranking.rows.tolist()) == [0, 1, 2]


def test_equal_vectors_are_ordered_by_row(tmp_path: Path) -> None:
    same = np.repeat(unit_rows(1, seed=3), 9, axis=0)
    [ranking] = written(tmp_path, same).search(same[:1], k=9)
    assert ranking.rows.tolist() == list(range(9))


@pytest.mark.parametrize("queries", [0, 1, 3])
def test_an_empty_index_finds_nothing(tmp_path: Path, queries: int) -> None:
    index = written(tmp_path, np.empty((0, DIMENSION), np.float32))
    rankings = index.search(unit_rows(queries, seed=1), k=5)
    assert [len(ranking) for ranking in rankings] == [0] * queries
    assert len(index) == 0
    assert index.dimension == DIMENSION


def test_nothing_allowed_finds_nothing(tmp_path: Path) -> None:
    index = written(tmp_path, unit_rows(10, seed=1))
    [ranking] = index.search(unit_rows(1, seed=1), k=5, allowed=np.zeros(10, dtype=bool))
    assert len(ranking) == 0


def test_stored_vectors_come_back(tmp_path: Path) -> None:
    vectors = unit_rows(20, seed=1)
    for limit in (1000, 5):
        found = written(tmp_path, vectors, exact_limit=limit).at(np.array([7, 0, 19]))
        np.testing.assert_array_equal(found, vectors[[7, 0, 19]])


def test_another_dimension_is_refused(tmp_path: Path) -> None:
    index = written(tmp_path, unit_rows(3, seed=1))
    with pytest.raises(DimensionMismatch, match="rebuild") as raised:
        index.search(np.ones((1, 8), np.float32), k=1)
    assert (raised.value.expected, raised.value.got) == (DIMENSION, 8)
    with pytest.raises(DimensionMismatch):
        write_vectors(tmp_path / "other", np.ones((1, 8), np.float32), dimension=DIMENSION)


@pytest.mark.parametrize("wrong", [0.0, 2.0, np.nan, np.inf])
def test_a_row_that_is_not_a_unit_vector_is_refused(tmp_path: Path, wrong: float) -> None:
    vectors = unit_rows(4, seed=1)
    vectors[2] = vectors[2] * wrong if np.isfinite(wrong) else wrong
    with pytest.raises(VectorsNotUnit) as raised:
        write_vectors(tmp_path / "vectors", vectors, dimension=DIMENSION)
    assert raised.value.row == 2


@pytest.fixture(scope="module")
def many() -> Vectors:
    return unit_rows(3000, seed=5)


@pytest.fixture(scope="module")
def graph(many: Vectors, tmp_path_factory: pytest.TempPathFactory) -> VectorIndex:
    """Above the limit: an HNSW graph."""
    return written(tmp_path_factory.mktemp("graph"), many, exact_limit=1000)


def test_a_graph_finds_nearly_all_that_brute_force_finds(graph: VectorIndex, many: Vectors) -> None:
    asked = unit_rows(50, seed=6)
    found = [
        len(set(ranking.rows.tolist()) & set(brute_force(many, query, 10)))
        for query, ranking in zip(asked, graph.search(asked, k=10), strict=True)
    ]
    assert sum(found) >= 0.97 * 500


@pytest.mark.parametrize("share", [0.001, 0.05, 0.3])
def test_a_narrow_filter_of_a_graph_is_exact(graph: VectorIndex, many: Vectors, share: float) -> None:
    allowed = np.random.default_rng(7).random(len(many)) < share
    for query in unit_rows(10, seed=8):
        [ranking] = graph.search(query[None], k=20, allowed=allowed)
        assert ranking.rows.tolist() == brute_force(many, query, 20, allowed)


def test_a_wide_filter_of_a_graph_gives_k_allowed_rows(graph: VectorIndex, many: Vectors) -> None:
    allowed = np.random.default_rng(7).random(len(many)) < 0.8
    for query in unit_rows(10, seed=8):
        [ranking] = graph.search(query[None], k=50, allowed=allowed)
        assert len(ranking) == 50
        assert allowed[ranking.rows].all()


def test_hiding_what_is_nearest_in_a_graph_still_gives_k(graph: VectorIndex, many: Vectors) -> None:
    query = unit_rows(1, seed=9)
    allowed = np.ones(len(many), dtype=bool)
    allowed[brute_force(many, query[0], 1500)] = False
    [ranking] = graph.search(query, k=30, allowed=allowed)
    assert len(ranking) == 30
    assert allowed[ranking.rows].all()


def test_threads_may_search_at_once(tmp_path: Path) -> None:
    vectors = unit_rows(500, seed=1)
    index = written(tmp_path, vectors)
    allowed = np.arange(500) % 3 == 0

    def ask(query: Vectors) -> list[int]:
        return [int(row) for row in index.search(query[None], k=8, allowed=allowed)[0].rows]

    asked = unit_rows(64, seed=2)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, asked)) == [brute_force(vectors, query, 8, allowed) for query in asked]

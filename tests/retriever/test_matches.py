from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retriever.arrays import RowMask, Vectors
from retriever.errors import DimensionMismatch
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.matches import QuestionMatch, find_questions, rank_evidence
from retriever.questions import IndexedQuestion, open_questions, write_questions

DIMENSION = 8
PASSAGES = 24
PRODUCTS = ("tune", "serve", None)
ENTRIES = [
    IndexEntry(
        passage_id=f"p{row:02}", document_id=f"d{row // 3}", product_id=PRODUCTS[row // 3 % 3], text=""
    )
    for row in range(PASSAGES)
]
DOCUMENTS = {entry.document_id for entry in ENTRIES}
BuildQuestions = Callable[[Sequence[IndexedQuestion], Vectors], Index]


def unit_rows(count: int, *, seed: int) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    rows: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return rows


def draw_questions(count: int, *, seed: int) -> list[IndexedQuestion]:
    """Questions that rest on one to four passages, most of them on the first few of the index."""
    generator = np.random.default_rng(seed)
    names = [entry.passage_id for entry in ENTRIES]
    return [
        IndexedQuestion(
            pair_id=f"q{number}",
            question="",
            passage_ids=tuple(
                names[int(row)] for row in generator.geometric(0.3, size=generator.integers(1, 5)) % PASSAGES
            ),
        )
        for number in range(count)
    ]


@pytest.fixture
def asked(tmp_path: Path) -> BuildQuestions:
    """An index of the same passages and of some questions."""

    def build(questions: Sequence[IndexedQuestion], vectors: Vectors) -> Index:
        directory = tmp_path / f"version{len(list(tmp_path.iterdir()))}"
        build_index(
            directory,
            ENTRIES,
            unit_rows(PASSAGES, seed=0),
            encoder_fingerprint="x",
            dimension=DIMENSION,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            questions=questions,
            question_vectors=vectors,
        )
        return open_index(directory, encoder_fingerprint="x")

    return build


def by_hand(
    questions: Sequence[IndexedQuestion],
    vectors: Vectors,
    query: Vectors,
    *,
    hidden_pairs: Collection[str] = (),
    hidden_documents: Collection[str] = (),
    products: Collection[str | None] | None = None,
) -> list[QuestionMatch]:
    """All pairs that may be used, nearest first, with the evidence that may be shown."""
    shown = {
        entry.passage_id
        for entry in ENTRIES
        if entry.document_id not in hidden_documents and (products is None or entry.product_id in products)
    }
    found = []
    for question, vector in zip(questions, vectors.astype(np.float64), strict=True):
        evidence = tuple(name for name in dict.fromkeys(question.passage_ids) if name in shown)
        if evidence and question.pair_id not in hidden_pairs:
            found.append(
                QuestionMatch(pair_id=question.pair_id, cosine=float(vector @ query[0]), passage_ids=evidence)
            )
    return sorted(found, key=lambda match: -match.cosine)


def named_by_hand(matches: Sequence[QuestionMatch], *, depth: int, minimum_cosine: float) -> list[str]:
    """The passages of matches that are near enough, each at its first place."""
    named: list[str] = []
    for match in matches:
        if match.cosine >= minimum_cosine:
            named += [name for name in match.passage_ids if name not in named]
    return named[:depth]


def names(index: Index, rows: Sequence[int]) -> list[str]:
    return [index.passage_ids[row] for row in rows]


def masks(index: Index, hidden: dict[str, Collection[str]]) -> tuple[RowMask | None, RowMask | None]:
    passages = index.allowed_rows(hidden_documents=hidden.get("hidden_documents", ()))
    pairs = hidden.get("hidden_pairs", ())
    return passages, index.questions.allowed_rows(passages=passages, hidden_pairs=pairs)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 60),
    k=st.integers(1, 70),
    hidden_pairs=st.sets(st.integers(0, 65).map("q{}".format)),
    hidden_documents=st.sets(st.sampled_from(sorted(DOCUMENTS))),
    products=st.none() | st.sets(st.sampled_from([*PRODUCTS, "unknown"])),
)
def test_the_nearest_pairs_are_those_of_brute_force(
    asked: BuildQuestions,
    *,
    seed: int,
    count: int,
    k: int,
    hidden_pairs: set[str],
    hidden_documents: set[str],
    products: set[str | None] | None,
) -> None:
    questions, vectors = draw_questions(count, seed=seed), unit_rows(count, seed=seed)
    index = asked(questions, vectors)
    queries = unit_rows(3, seed=seed + 1)
    found = find_questions(
        index,
        queries,
        k=k,
        hidden_pairs=hidden_pairs,
        hidden_documents=hidden_documents,
        products=products,
    )
    assert len(found) == 3
    for query, matches in zip(queries, found, strict=True):
        expected = by_hand(
            questions,
            vectors,
            query[None],
            hidden_pairs=hidden_pairs,
            hidden_documents=hidden_documents,
            products=products,
        )[:k]
        assert [(m.pair_id, m.passage_ids) for m in matches] == [(m.pair_id, m.passage_ids) for m in expected]
        assert [m.cosine for m in matches] == pytest.approx([m.cosine for m in expected], abs=1e-6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(0, 120),
    depth=st.integers(0, 26),
    minimum_cosine=st.floats(-1, 1),
    matches=st.integers(0, 130),
    hidden_pairs=st.sets(st.integers(0, 125).map("q{}".format)),
    hidden_documents=st.sets(st.sampled_from(sorted(DOCUMENTS))),
)
def test_evidence_stands_at_its_nearest_question(
    asked: BuildQuestions,
    *,
    seed: int,
    count: int,
    depth: int,
    minimum_cosine: float,
    matches: int,
    hidden_pairs: set[str],
    hidden_documents: set[str],
) -> None:
    questions, vectors = draw_questions(count, seed=seed), unit_rows(count, seed=seed)
    index = asked(questions, vectors)
    query = unit_rows(1, seed=seed + 1)
    hidden: dict[str, Collection[str]] = {
        "hidden_pairs": hidden_pairs,
        "hidden_documents": hidden_documents,
    }
    passages, allowed = masks(index, hidden)
    evidence, nearest = rank_evidence(
        index,
        query,
        depth=depth,
        minimum_cosine=minimum_cosine,
        passages=passages,
        questions=allowed,
        matches=matches,
    )
    expected = by_hand(questions, vectors, query, **hidden)
    assert names(index, evidence.rows.tolist()) == named_by_hand(
        expected, depth=depth, minimum_cosine=minimum_cosine
    )
    pairs = [index.questions.pair_ids[row] for row in nearest.rows.tolist()]
    assert pairs == [match.pair_id for match in expected[:matches]]


def crowd(count: int) -> tuple[list[IndexedQuestion], Vectors, Vectors]:
    """Many questions near a query that all rest on p00, and a last one, further off, that rests on p09."""
    query = unit_rows(1, seed=4)
    away = unit_rows(count + 1, seed=5)
    away -= (away @ query.T) * query  # at right angles to the query
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    cosines = np.append(np.linspace(0.99, 0.9, count), 0.8)[:, None].astype(np.float32)
    vectors = cosines * query + np.sqrt(1 - cosines**2) * away
    questions = [
        IndexedQuestion(pair_id=f"q{number}", question="", passage_ids=("p00",)) for number in range(count)
    ]
    last = IndexedQuestion(pair_id="last", question="", passage_ids=("p09",))
    return [*questions, last], vectors.astype(np.float32), query


@pytest.mark.parametrize(
    ("minimum_cosine", "expected"), [(0.7, ["p00", "p09"]), (0.85, ["p00"]), (0.995, [])]
)
def test_many_questions_of_one_passage_cost_no_place(
    asked: BuildQuestions, minimum_cosine: float, expected: list[str]
) -> None:
    questions, vectors, query = crowd(500)
    index = asked(questions, vectors)
    evidence, nearest = rank_evidence(
        index, query, depth=2, minimum_cosine=minimum_cosine, passages=None, questions=None, matches=1
    )
    assert names(index, evidence.rows.tolist()) == expected
    assert [index.questions.pair_ids[row] for row in nearest.rows.tolist()] == ["q0"]


@pytest.mark.parametrize(
    "hidden",
    [
        {"hidden_pairs": {f"q{number}" for number in range(500)}},
        {"hidden_documents": {"d0"}},
    ],
)
def test_hidden_questions_cost_no_place(asked: BuildQuestions, hidden: dict[str, Collection[str]]) -> None:
    questions, vectors, query = crowd(500)
    index = asked(questions, vectors)
    [[only]] = find_questions(index, query, k=1, **hidden)
    assert (only.pair_id, only.passage_ids) == ("last", ("p09",))
    passages, allowed = masks(index, hidden)
    evidence, _ = rank_evidence(
        index, query, depth=1, minimum_cosine=0.6, passages=passages, questions=allowed, matches=0
    )
    assert names(index, evidence.rows.tolist()) == ["p09"]


def test_a_pair_keeps_the_evidence_that_may_be_shown(asked: BuildQuestions) -> None:
    questions = [IndexedQuestion(pair_id="q", question="", passage_ids=("p03", "p20", "p00"))]
    query = unit_rows(1, seed=1)
    index = asked(questions, query)
    shown = [
        [match.passage_ids for match in find_questions(index, query, k=9, hidden_documents=hidden)[0]]
        for hidden in ([], ["d1"], ["d1", "d0"], ["d1", "d0", "d6"])
    ]
    assert shown == [[("p03", "p20", "p00")], [("p20", "p00")], [("p20",)], []]


def test_no_questions_find_nothing(asked: BuildQuestions) -> None:
    index = asked([], np.empty((0, DIMENSION), np.float32))
    assert find_questions(index, unit_rows(2, seed=1), k=5, hidden_pairs=["q1"]) == [[], []]
    assert find_questions(index, unit_rows(0, seed=1), k=5) == []


def test_wrong_questions_are_refused(asked: BuildQuestions) -> None:
    index = asked(draw_questions(3, seed=1), unit_rows(3, seed=1))
    with pytest.raises(ValueError, match="k >= 1"):
        find_questions(index, unit_rows(1, seed=1), k=0)
    with pytest.raises(DimensionMismatch):
        find_questions(index, np.ones((1, 3), np.float32), k=1)


@pytest.fixture
def graph(asked: BuildQuestions, tmp_path: Path) -> tuple[Index, list[IndexedQuestion], Vectors]:
    """3,000 questions, far above their limit: an HNSW graph."""
    questions, vectors = draw_questions(3000, seed=7), unit_rows(3000, seed=7)
    rows = {entry.passage_id: row for row, entry in enumerate(ENTRIES)}
    write_questions(tmp_path / "graph", questions, vectors, rows, dimension=DIMENSION, exact_limit=500)
    opened = open_questions(tmp_path / "graph", exact_limit=500)
    return (
        replace(asked([], np.empty((0, DIMENSION), np.float32)), questions=opened),
        questions,
        vectors,
    )


def test_a_graph_of_questions_finds_nearly_all(
    graph: tuple[Index, list[IndexedQuestion], Vectors],
) -> None:
    index, questions, vectors = graph
    queries = unit_rows(30, seed=8)
    hidden = {f"q{number}" for number in range(0, 3000, 4)}
    shared = 0
    for query, matches in zip(
        queries, find_questions(index, queries, k=10, hidden_pairs=hidden), strict=True
    ):
        assert len(matches) == 10
        assert not hidden & {match.pair_id for match in matches}
        expected = by_hand(questions, vectors, query[None], hidden_pairs=hidden)[:10]
        shared += len({m.pair_id for m in matches} & {m.pair_id for m in expected})
    assert shared >= 0.97 * 300


def test_a_graph_of_questions_names_the_evidence_of_few_left_exactly(
    graph: tuple[Index, list[IndexedQuestion], Vectors],
) -> None:
    index, questions, vectors = graph
    hidden: dict[str, Collection[str]] = {"hidden_pairs": {f"q{number}" for number in range(2700)}}
    _, allowed = masks(index, hidden)
    for seed in range(10):
        query = unit_rows(1, seed=seed)
        evidence, _ = rank_evidence(
            index, query, depth=9, minimum_cosine=0.3, passages=None, questions=allowed, matches=0
        )
        expected = by_hand(questions, vectors, query, **hidden)
        assert names(index, evidence.rows.tolist()) == named_by_hand(expected, depth=9, minimum_cosine=0.3)

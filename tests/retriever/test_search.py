from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from itertools import pairwise

import numpy as np
import pytest

from retriever.encoder import Encoder
from retriever.errors import DimensionMismatch
from retriever.index import Index, IndexEntry
from retriever.search import DENSE_ALONE, Hit, SearchConfig, rank_documents, search, search_all
from retriever.words import words
from tests.retriever.scoring import score_by_hand

BuildIndex = Callable[..., Index]
PRODUCTS = ("tune", "serve", None)
VOCABULARY = ["trial", "search", "cluster", "actor", "deploy", "model", "retry", "memory", "queue", "node"]
VOCABULARY += ["worker", "replica"]
QUESTIONS = ["deploy a model replica", "how does a worker retry?", "memory of a node", "unheard words only"]


def corpus(count: int = 60) -> list[IndexEntry]:
    """Passages of few words, three to a document; document ``d{i}`` is about product ``i % 3``."""
    generator = np.random.default_rng(11)
    return [
        IndexEntry(
            passage_id=f"p{number:03}",
            document_id=f"d{number // 3}",
            product_id=PRODUCTS[number // 3 % 3],
            text=" ".join(generator.choice(VOCABULARY, size=generator.integers(2, 9))),
        )
        for number in range(count)
    ]


@pytest.fixture
def index(built: BuildIndex) -> Index:
    return built(corpus())


def expected_ids(encoder: Encoder, entries: Sequence[IndexEntry], index: Index, question: str) -> list[str]:
    """The order of the scores by hand; equal scores by id."""
    shown = {entry.passage_id for entry in entries}
    scores = score_by_hand(index, encoder, corpus(), shown=shown, question=question, config=SearchConfig())
    return sorted(scores, key=lambda name: (-scores[name], name))


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage_id for hit in hits]


@pytest.mark.parametrize("question", QUESTIONS)
def test_scores_are_the_weighted_sum_of_signals(index: Index, encoder: Encoder, question: str) -> None:
    hits = search(index, encoder, question, k=60, config=SearchConfig())
    shown = {entry.passage_id for entry in corpus()}
    scores = score_by_hand(index, encoder, corpus(), shown=shown, question=question, config=SearchConfig())
    assert [hit.score for hit in hits] == pytest.approx([scores[hit.passage_id] for hit in hits], abs=1e-5)
    assert sorted(ids(hits)) == sorted(shown)
    assert [hit.rank for hit in hits] == list(range(1, 61))
    assert all(one.score >= other.score for one, other in pairwise(hits))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_hit_says_what_it_is_and_who_found_it(index: Index, encoder: Encoder, question: str) -> None:
    entries = {entry.passage_id: entry for entry in corpus()}
    query = encoder.encode_queries([question])[0]
    for hit in search(index, encoder, question, k=60, config=SearchConfig()):
        entry = entries[hit.passage_id]
        assert hit.document_id == entry.document_id
        assert hit.cosine == pytest.approx(float(encoder.encode_passages([entry.text])[0] @ query), abs=1e-5)
        assert "dense" in hit.via
        assert ("bm25" in hit.via) == bool(set(words(question)) & set(words(entry.text)))


def test_a_passage_that_only_its_words_find_has_its_cosine_too(index: Index, encoder: Encoder) -> None:
    config = SearchConfig(dense_weight=0)
    hits = search(index, encoder, "replica", k=60, config=config)
    assert hits
    assert all(hit.via == ("bm25",) and -1 <= hit.cosine <= 1 for hit in hits)
    assert search(index, encoder, "unheard", k=60, config=config) == []


def test_vectors_alone(index: Index, encoder: Encoder) -> None:
    alone = DENSE_ALONE
    hits = search(index, encoder, "replica", k=60, config=alone)
    assert all(hit.via == ("dense",) for hit in hits)
    assert all(one.cosine >= other.cosine - 1e-6 for one, other in pairwise(hits))


@pytest.mark.parametrize("depth", [1, 5, 100])
@pytest.mark.parametrize("question", QUESTIONS)
def test_held_back_passages_cost_no_place(index: Index, encoder: Encoder, question: str, depth: int) -> None:
    everything = search(index, encoder, question, k=60, config=SearchConfig())
    hidden = {hit.document_id for hit in everything[:12]}
    left = [entry for entry in corpus() if entry.document_id not in hidden and entry.product_id != "serve"]
    hits = search(
        index,
        encoder,
        question,
        k=8,
        config=SearchConfig(depth=depth),
        hidden_documents=hidden,
        products=["tune", None],
    )
    assert len(hits) == 8
    assert set(ids(hits)) <= {entry.passage_id for entry in left}
    if depth == 100:
        assert ids(hits) == expected_ids(encoder, left, index, question)[:8]


def test_all_documents_hidden_leaves_nothing(index: Index, encoder: Encoder) -> None:
    everything = {entry.document_id for entry in corpus()}
    assert search(index, encoder, "model", k=5, config=SearchConfig(), hidden_documents=everything) == []
    assert search(index, encoder, "model", k=5, config=SearchConfig(), products=[]) == []


def test_a_document_stands_where_its_best_passage_stands(index: Index, encoder: Encoder) -> None:
    hits = search(index, encoder, QUESTIONS[0], k=60, config=SearchConfig())
    best = {
        document: min(hit.rank for hit in hits if hit.document_id == document)
        for document in {hit.document_id for hit in hits}
    }
    assert rank_documents(hits) == sorted(best, key=lambda document: best[document])


def test_passages_of_one_document_make_room_for_others(index: Index, encoder: Encoder) -> None:
    together = search(index, encoder, QUESTIONS[0], k=60, config=SearchConfig(repeat_penalty=0))
    apart = search(index, encoder, QUESTIONS[0], k=60, config=SearchConfig(repeat_penalty=10))
    assert rank_documents(together) == rank_documents(apart)
    assert [hit.document_id for hit in apart[:20]] == rank_documents(apart)  # first each document once
    assert len({hit.document_id for hit in together[:20]}) < 20


def test_more_hits_than_the_depth_are_given_when_asked_for(index: Index, encoder: Encoder) -> None:
    assert len(search(index, encoder, "model", k=40, config=SearchConfig(depth=3))) == 40
    assert len(search(index, encoder, "model", k=999, config=SearchConfig())) == 60


def test_the_question_is_encoded_once_as_a_question(index: Index, encoder: Encoder) -> None:
    asked: list[Sequence[str]] = []

    class Listening(type(encoder)):  # type: ignore[misc]
        def encode_queries(self, texts: Sequence[str]) -> object:
            asked.append(texts)
            return encoder.encode_queries(texts)

    search(index, Listening(), "model", k=3, config=SearchConfig())
    assert asked == [["model"]]


def test_an_encoder_of_another_dimension_is_refused(index: Index, encoder: Encoder) -> None:
    class Wide(type(encoder)):  # type: ignore[misc]
        dimension = 48

    with pytest.raises(DimensionMismatch):
        search(index, Wide(), "model", k=3, config=SearchConfig())


def test_wrong_settings_are_refused(index: Index, encoder: Encoder) -> None:
    for k, questions in ((0, 1), (1, -1)):
        with pytest.raises(ValueError, match="need k >= 1 and questions >= 0"):
            search_all(index, encoder, "model", k=k, questions=questions, config=SearchConfig())
    for wrong in (
        {"depth": 0},
        {"document_weight": -1.0},
        {"dense_weight": -1.0},
        {"dense_weight": 0.0, "bm25_weight": 0.0, "qa_weight": 0.0},
        {"qa_weight": -0.1},
        {"qa_depth": 0},
        {"qa_minimum_cosine": 1.0},
        {"qa_minimum_cosine": -1.1},
        {"qa_minimum_cosine": float("nan")},
        {"repeat_penalty": -0.1},
        {"repeat_penalty": float("nan")},
    ):
        with pytest.raises(ValueError, match="need"):
            SearchConfig(**wrong)
    with pytest.raises(FrozenInstanceError):
        SearchConfig().depth = 3  # type: ignore[misc]

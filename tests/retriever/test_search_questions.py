from collections.abc import Callable, Collection, Sequence

import numpy as np
import pytest

from retriever.encoder import Encoder
from retriever.index import Index, IndexEntry
from retriever.matches import find_questions
from retriever.questions import IndexedQuestion
from retriever.search import Hit, SearchConfig, search, search_all
from tests.retriever.scoring import score_by_hand

BuildIndex = Callable[..., Index]
PRODUCTS = ("tune", "serve", None)
VOCABULARY = ["trial", "search", "cluster", "actor", "deploy", "model", "retry", "memory", "queue", "node"]
VOCABULARY += ["worker", "replica"]
QUESTIONS = ["deploy a model replica", "how does a worker retry?", "memory of a node", "unheard words only"]


def corpus() -> list[IndexEntry]:
    """Sixty passages of few words, three to a document; document ``d{i}`` is about product ``i % 3``."""
    generator = np.random.default_rng(11)
    return [
        IndexEntry(
            passage_id=f"p{number:03}",
            document_id=f"d{number // 3}",
            product_id=PRODUCTS[number // 3 % 3],
            text=" ".join(generator.choice(VOCABULARY, size=generator.integers(2, 9))),
        )
        for number in range(60)
    ]


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage_id for hit in hits]


def pairs() -> list[IndexedQuestion]:
    """Questions of two to four words, no two of the same words; each rests on one to three passages."""
    generator = np.random.default_rng(12)
    drawn = {
        tuple(sorted(generator.choice(VOCABULARY, size=generator.integers(2, 5), replace=False).tolist()))
        for _ in range(50)
    }
    return [
        IndexedQuestion(
            pair_id=f"q{number}",
            question=" ".join(wording),
            passage_ids=tuple(
                f"p{row:03}" for row in generator.choice(60, size=generator.integers(1, 4), replace=False)
            ),
        )
        for number, wording in enumerate(sorted(drawn))
    ]


@pytest.fixture
def paired(built: BuildIndex) -> Index:
    """The same passages, and questions that they answer."""
    return built(corpus(), pairs())


def named_by_questions(
    encoder: Encoder, question: str, *, shown: Collection[str], hidden: Collection[str], config: SearchConfig
) -> dict[str, float]:
    """The evidence of the nearest pairs, each with its best cosine, by plain sorting."""
    query = encoder.encode_queries([question])[0]
    cosines = {p.pair_id: float(encoder.encode_queries([p.question])[0] @ query) for p in pairs()}
    near = [p for p in pairs() if cosines[p.pair_id] >= config.qa_minimum_cosine and p.pair_id not in hidden]
    named: dict[str, float] = {}
    for pair in sorted(near, key=lambda pair: -cosines[pair.pair_id]):
        for name in pair.passage_ids:
            if name in shown:
                named.setdefault(name, cosines[pair.pair_id])
    return dict(list(named.items())[: config.qa_depth])


@pytest.mark.parametrize("question", [*QUESTIONS, "worker node memory", "replica"])
@pytest.mark.parametrize(
    "config",
    [
        SearchConfig(),
        SearchConfig(qa_weight=2.5, qa_depth=3, qa_minimum_cosine=-1),
        SearchConfig(qa_weight=1, qa_depth=60, qa_minimum_cosine=0.3, document_weight=0),
        SearchConfig(qa_weight=0),
    ],
)
@pytest.mark.parametrize("hiding", [False, True])
def test_questions_add_to_the_score_of_what_they_rest_on(
    paired: Index, encoder: Encoder, question: str, config: SearchConfig, *, hiding: bool
) -> None:
    hidden_documents = {"d1", "d4", "d9"} if hiding else set()
    hidden_pairs = {f"q{number}" for number in range(0, 40, 3)} if hiding else set()
    shown = {entry.passage_id for entry in corpus() if entry.document_id not in hidden_documents}
    near = named_by_questions(encoder, question, shown=shown, hidden=hidden_pairs, config=config)
    scores = score_by_hand(
        paired, encoder, corpus(), shown=shown, question=question, config=config, near=near
    )
    hits = search(
        paired,
        encoder,
        question,
        k=60,
        config=config,
        hidden_documents=hidden_documents,
        hidden_pairs=hidden_pairs,
    )
    assert set(ids(hits)) == shown
    assert [hit.score for hit in hits] == pytest.approx([scores[hit.passage_id] for hit in hits], abs=1e-5)
    assert {hit.passage_id for hit in hits if "qa" in hit.via} == (set(near) if config.qa_weight else set())


def test_questions_alone_name_only_their_evidence(paired: Index, encoder: Encoder) -> None:
    config = SearchConfig(dense_weight=0, bm25_weight=0, qa_weight=1, qa_minimum_cosine=0.999)
    for pair in pairs():
        hits = search(paired, encoder, pair.question, k=9, config=config)
        assert set(ids(hits)) == set(pair.passage_ids)
        assert all(hit.via == ("qa",) and -1 <= hit.cosine <= 1 for hit in hits)
        hidden = {pair.pair_id}
        assert search(paired, encoder, pair.question, k=9, config=config, hidden_pairs=hidden) == []


def test_one_encoding_serves_hits_and_questions(paired: Index, encoder: Encoder) -> None:
    asked: list[Sequence[str]] = []

    class Listening(type(encoder)):  # type: ignore[misc]
        def encode_queries(self, texts: Sequence[str]) -> object:
            asked.append(texts)
            return encoder.encode_queries(texts)

    hidden_documents, hidden_pairs, products = {"d0", "d7"}, {"q3", "q8"}, ["tune", None]
    for question in QUESTIONS:
        for config, count in ((SearchConfig(), 4), (SearchConfig(qa_weight=0), 4), (SearchConfig(), 999)):
            result = search_all(
                paired,
                Listening(),
                question,
                k=7,
                questions=count,
                config=config,
                hidden_documents=hidden_documents,
                hidden_pairs=hidden_pairs,
                products=products,
            )
            assert asked.pop() == [question]
            assert not asked
            assert result.hits == search(
                paired,
                encoder,
                question,
                k=7,
                config=config,
                hidden_documents=hidden_documents,
                hidden_pairs=hidden_pairs,
                products=products,
            )
            [expected] = find_questions(
                paired,
                encoder.encode_queries([question]),
                k=count,
                hidden_documents=hidden_documents,
                hidden_pairs=hidden_pairs,
                products=products,
            )
            assert result.questions == expected


def test_a_vector_that_is_given_is_not_encoded_again(paired: Index, encoder: Encoder) -> None:
    class Silent(type(encoder)):  # type: ignore[misc]
        def encode_queries(self, texts: Sequence[str]) -> object:
            raise AssertionError(texts)

    for question in QUESTIONS:
        query = encoder.encode_queries([question])
        given = search(paired, Silent(), question, k=20, config=SearchConfig(), query=query)
        assert given == search(paired, encoder, question, k=20, config=SearchConfig())


def test_an_index_without_questions_is_searched_as_before(built: BuildIndex, encoder: Encoder) -> None:
    index = built(corpus())
    for question in QUESTIONS:
        result = search_all(index, encoder, question, k=60, questions=3, config=SearchConfig())
        assert result.questions == []
        assert result.hits == search(index, encoder, question, k=60, config=SearchConfig(qa_weight=0))

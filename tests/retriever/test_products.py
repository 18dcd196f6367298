from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retriever.arrays import Ranking, rank_rows
from retriever.encoder import Encoder
from retriever.errors import IndexDamaged
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.manifest import read_manifest
from retriever.products import (
    NAMED_PROBABILITY,
    VOTERS,
    ProductDetector,
    ProductIndex,
    ProductModel,
    count_votes,
    number_products,
    open_products,
    write_products,
)
from retriever.search import DENSE_ALONE, SearchConfig, search_all
from retriever.vectors import VectorIndex
from retriever.words import WordIndex
from tests.retriever.conftest import NOW

NAMES = {"serve": ["Serve"], "tune": ["Tune", "tuner"]}
ENTRIES = [
    IndexEntry(passage_id="p1", document_id="d1", product_id="tune", text="stop a trial early"),
    IndexEntry(passage_id="p2", document_id="d2", product_id=None, text="stop and licence"),
    IndexEntry(passage_id="p3", document_id="d3", product_id="serve", text="stop a replica"),
    IndexEntry(passage_id="p4", document_id="d4", product_id="serve", text="deploy a model"),
]


def ranking(*rows: int) -> Ranking:
    return rank_rows(np.array(rows, np.int64), np.arange(len(rows), 0, -1, dtype=np.float32))


def model(**changes: object) -> ProductModel:
    plain = ProductModel(
        product_ids=("serve", "tune"),
        weights=np.zeros((2, 24)),
        intercepts=np.zeros(2),
        mixture=np.array([2.0, 3.0, 1.0]),
        bias=-1.0,
        named=np.array([0.9, 0.4]),
        threshold=0.6,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def detector(learnt: ProductModel | None, numbers: list[int] | None = None) -> ProductDetector:
    rows = np.array(numbers or [1, -1, 0, 0], np.int64)
    return ProductDetector(ProductIndex(ids=("serve", "tune"), numbers=rows, model=learnt), NAMES)


QUERY = np.zeros((1, 24), np.float32)


def test_products_are_numbered_by_id() -> None:
    ids, numbers = number_products(["tune", None, "serve", "tune"])
    assert ids == ("serve", "tune")
    assert numbers.tolist() == [1, -1, 0, 1]


def test_votes_by_hand() -> None:
    everything = sum(1 / (rank + 4) for rank in range(1, VOTERS + 1))
    votes = count_votes(ranking(0, 1, 2, 3), np.array([1, -1, 0, 0]), 2)
    assert votes == pytest.approx([(1 / 7 + 1 / 8) / everything, 1 / 5 / everything])


def test_only_the_first_passages_vote() -> None:
    numbers = np.array([0] * VOTERS + [1] * 9)
    votes = count_votes(ranking(*range(VOTERS + 9)), numbers, 2)
    assert votes == pytest.approx([1, 0])


def test_nobody_votes_where_nothing_was_found() -> None:
    assert count_votes(ranking(), np.array([0, 1]), 2).tolist() == [0, 0]


def test_a_probability_by_hand() -> None:
    everything = sum(1 / (rank + 4) for rank in range(1, VOTERS + 1))
    learnt = model(weights=np.ones((2, 24)), intercepts=np.array([0.5, -0.5]))
    query = np.full((1, 24), 0.1, np.float32)
    found = detector(learnt).probabilities("what?", query, ranking(0), ranking(2, 3))
    logit = [3 * (1 / 5 + 1 / 6) / everything + 2.4 + 0.5 - 1, 2 * (1 / 5) / everything + 2.4 - 0.5 - 1]
    assert found == pytest.approx([1 / (1 + np.exp(-one)) for one in logit], abs=1e-6)


def test_what_is_likelier_than_the_threshold_is_detected_the_surest_first() -> None:
    learnt = model(intercepts=np.array([1.5, 2.5]))
    detected = detector(learnt).detect("what?", QUERY, ranking(), ranking())
    assert [(one.product_id, one.named) for one in detected] == [("tune", False), ("serve", False)]
    assert [one.probability for one in detected] == pytest.approx(
        [1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(-0.5))]
    )
    unsure = replace(learnt, threshold=0.7)
    assert [one.product_id for one in detector(unsure).detect("?", QUERY, ranking(), ranking())] == ["tune"]


def test_a_named_product_is_detected_by_the_trust_in_its_name() -> None:
    detected = detector(model()).detect("Serve or the tuner?", QUERY, ranking(), ranking())
    assert [(one.product_id, one.probability, one.named) for one in detected] == [("serve", 0.9, True)]


def test_a_name_that_is_mostly_not_meant_still_marks_what_was_detected_otherwise() -> None:
    learnt = model(intercepts=np.array([-9.0, 3.0]))
    [detected] = detector(learnt).detect("tune it", QUERY, ranking(), ranking())
    assert (detected.product_id, detected.named) == ("tune", True)
    assert detected.probability == pytest.approx(1 / (1 + np.exp(-2)))


def test_without_a_model_only_names_count() -> None:
    detected = detector(None).detect("tune and serve", QUERY, ranking(0), ranking(2))
    assert [(one.product_id, one.probability, one.named) for one in detected] == [
        ("serve", NAMED_PROBABILITY, True),
        ("tune", NAMED_PROBABILITY, True),
    ]
    assert detector(None).detect("neither", QUERY, ranking(0), ranking(2)) == ()


def test_one_product_is_never_detected() -> None:
    only = ProductIndex(ids=("serve",), numbers=np.array([0, -1]))
    assert ProductDetector(only, NAMES).detect("Serve?", QUERY, ranking(0), ranking(0)) == ()


def test_a_product_without_a_passage_is_not_detected() -> None:
    products = ProductIndex(ids=("serve", "tune"), numbers=np.array([0, 1]))
    names = NAMES | {"data": ["Data"]}
    detected = ProductDetector(products, names).detect("Data for Serve", QUERY, ranking(), ranking())
    assert [one.product_id for one in detected] == ["serve"]


def test_permuting_products_permutes_what_is_detected() -> None:
    random = np.random.default_rng(3)
    learnt = model(weights=random.normal(size=(2, 24)), intercepts=np.array([0.3, 0.1]), threshold=0.0)
    swapped = replace(
        learnt,
        product_ids=("a", "b"),  # tune is a now, and serve is b
        weights=learnt.weights[::-1],
        intercepts=learnt.intercepts[::-1],
        named=learnt.named[::-1],
    )
    query = random.normal(size=(1, 24)).astype(np.float32)
    one = detector(learnt).probabilities("serve it", query, ranking(0, 2), ranking(3, 1))
    products = ProductIndex(ids=("a", "b"), numbers=np.array([0, -1, 1, 1]), model=swapped)
    renamed = ProductDetector(products, {"b": NAMES["serve"], "a": NAMES["tune"]})
    other = renamed.probabilities("serve it", query, ranking(0, 2), ranking(3, 1))
    assert other[::-1] == pytest.approx(one)


def test_what_is_written_is_what_is_opened(tmp_path: Path) -> None:
    learnt = model(weights=np.random.default_rng(1).normal(size=(2, 24)))
    write_products(tmp_path / "products.npz", learnt)
    opened = open_products(tmp_path / "products.npz", ["tune", None, "serve"]).model
    assert opened is not None
    assert (opened.product_ids, opened.bias, opened.threshold) == (("serve", "tune"), -1.0, 0.6)
    for name in ("weights", "intercepts", "mixture", "named"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(learnt, name))
    write_products(tmp_path / "again.npz", opened)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "products.npz").read_bytes()


def learnt_index(folder: Path, encoder: Encoder, learnt: ProductModel | None) -> Index:
    def learn(vectors: VectorIndex, words: WordIndex) -> ProductModel | None:
        assert len(vectors) == len(words) == len(ENTRIES)
        assert words.search("deploy", k=5).rows.tolist() == [3]
        return learnt

    build_index(
        folder,
        ENTRIES,
        encoder.encode_passages([entry.text for entry in ENTRIES]),
        encoder_fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        created_at=NOW,
        learn_products=learn,
    )
    return open_index(folder, encoder_fingerprint=encoder.fingerprint)


def test_what_was_learnt_lives_in_the_index(tmp_path: Path, encoder: Encoder) -> None:
    index = learnt_index(tmp_path / "with", encoder, model())
    assert index.products.ids == ("serve", "tune")
    assert index.products.numbers.tolist() == [1, -1, 0, 0]
    assert index.products.model is not None
    assert "products.npz" in read_manifest(tmp_path / "with").files
    bare = learnt_index(tmp_path / "without", encoder, None)
    assert bare.products.model is None
    assert "products.npz" not in read_manifest(tmp_path / "without").files


def test_damage_to_what_was_learnt_is_noticed(tmp_path: Path, encoder: Encoder) -> None:
    learnt_index(tmp_path / "index", encoder, model())
    path = tmp_path / "index" / "products.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IndexDamaged, match=r"products\.npz"):
        open_index(tmp_path / "index", encoder_fingerprint=encoder.fingerprint)


def test_passages_of_detected_products_gain_and_no_passage_is_lost(tmp_path: Path, encoder: Encoder) -> None:
    index = learnt_index(tmp_path / "index", encoder, model())
    config = SearchConfig(product_weight=0.5)

    def scores(detecting: ProductDetector | None, **more: object) -> dict[str, float]:
        result = search_all(
            index,
            encoder,
            "stop Serve",
            k=9,
            questions=0,
            config=config,
            detector=detecting,
            **more,  # type: ignore[arg-type]
        )
        return {hit.passage_id: hit.score for hit in result.hits}

    plain = scores(None)
    gained = scores(ProductDetector(index.products, NAMES))
    difference = {name: gained[name] - plain[name] for name in plain}
    assert difference == pytest.approx({"p1": 0, "p2": 0, "p3": 0.45, "p4": 0.45}, abs=1e-6)
    named_by_caller = scores(ProductDetector(index.products, NAMES), products=["tune"])
    assert named_by_caller.keys() == {"p1"}


def test_detected_products_are_told_and_the_caller_overrules_them(tmp_path: Path, encoder: Encoder) -> None:
    index = learnt_index(tmp_path / "index", encoder, model())
    detecting = ProductDetector(index.products, NAMES)
    asked = {"k": 9, "questions": 0, "detector": detecting}
    found = search_all(index, encoder, "stop Serve", config=SearchConfig(), **asked)  # type: ignore[arg-type]
    assert [one.product_id for one in found.products] == ["serve"]
    limited = search_all(index, encoder, "stop Serve", config=SearchConfig(), products=["tune"], **asked)  # type: ignore[arg-type]
    assert limited.products == ()
    alone = search_all(index, encoder, "stop Serve", config=DENSE_ALONE, **asked)  # type: ignore[arg-type]
    assert alone.products == ()  # words do not vote there

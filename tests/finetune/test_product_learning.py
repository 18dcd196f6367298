from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

from finetune.product_calibration import choose_threshold, fit_logistic, fit_mixture, trust_names
from finetune.product_examples import (
    LEAST_QUESTIONS,
    MOST_PASSAGES,
    ProductPassages,
    ProductQuestions,
    as_labels,
    gather_examples,
)
from finetune.products import learn_products
from retriever.arrays import Vectors
from retriever.products import VOTERS, ProductDetector, ProductIndex, ProductModel, number_products
from retriever.vectors import VectorIndex, open_vectors, write_vectors
from retriever.words import WordIndex, open_words, write_words

DIMENSION = 16
WORDS = {"a": "actor remote task", "b": "trial sampler scheduler", None: "licence author imprint"}
NAMES = {"a": ["Alpha"], "b": ["Beta"]}


def draw(random: np.random.Generator, product: str | None) -> NDArray[np.float32]:
    """A unit vector about a product: its own axis and noise."""
    vector = random.normal(size=DIMENSION) * 0.4
    vector[{"a": 0, "b": 1, None: 2}[product]] += 1
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def questions(about: list[str | None], seed: int, ids: tuple[str, ...] = ("a", "b")) -> ProductQuestions:
    random = np.random.default_rng(seed)
    texts = [f"{random.choice(WORDS[one].split())} number {place}" for place, one in enumerate(about)]
    vectors = (
        np.stack([draw(random, one) for one in about]) if about else np.empty((0, DIMENSION), np.float32)
    )
    return ProductQuestions(texts=texts, labels=as_labels([[one] for one in about], ids), vectors=vectors)


class Toy:
    """Sixty passages of ten documents about two products and about none."""

    def __init__(self, folder: Path, about: tuple[str | None, ...] = ("a", "b", None)) -> None:
        random = np.random.default_rng(5)
        products = [about[place % len(about)] for place in range(60)]
        self.ids, numbers = number_products(products)
        texts = [" ".join(random.permutation(WORDS[one].split())) for one in products]
        vectors: Vectors = np.stack([draw(random, one) for one in products])
        self.passages = ProductPassages(
            texts=texts,
            documents=[f"d{one}{place % 10}" for place, one in enumerate(products)],
            numbers=numbers,
            vectors=vectors,
        )
        write_vectors(folder / "vectors", vectors, dimension=DIMENSION)
        write_words(folder / "words", texts)
        self.vectors: VectorIndex = open_vectors(folder / "vectors")
        self.words: WordIndex = open_words(folder / "words")

    def learn(
        self,
        labelled: ProductQuestions | None = None,
        paired: ProductQuestions | None = None,
        ids: tuple[str, ...] | None = None,
    ) -> ProductModel | None:
        return learn_products(
            self.vectors,
            self.words,
            product_ids=ids or self.ids,
            names=NAMES,
            passages=self.passages,
            labelled=labelled or questions([], 0, self.ids),
            paired=paired or questions([], 0, self.ids),
            seed=0,
        )

    def detect(self, model: ProductModel | None, asked: ProductQuestions) -> list[list[str]]:
        products = ProductIndex(ids=self.ids, numbers=self.passages.numbers, model=model)
        detector = ProductDetector(products, NAMES)
        found = []
        for place, text in enumerate(asked.texts):
            query = asked.vectors[place : place + 1]
            dense = self.vectors.search(query, k=VOTERS)[0]
            detected = detector.detect(text, query, dense, self.words.search(text, k=VOTERS))
            found.append([one.product_id for one in detected])
        return found


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


ABOUT: list[str | None] = [("a", "b", None)[place % 3] for place in range(150)]


@pytest.mark.parametrize("taught", ["by documents", "by pairs", "by people"])
def test_products_are_learnt_well_enough_to_tell_new_questions(toy: Toy, taught: str) -> None:
    known = questions(ABOUT, 1)
    paired, labelled = known if taught == "by pairs" else None, known if taught == "by people" else None
    model = toy.learn(labelled, paired)
    asked = questions(ABOUT, 2)
    detected = as_labels(toy.detect(model, asked), toy.ids)
    assert detected.any(axis=1).mean() > 0.5
    assert asked.labels[detected].mean() > 0.9


def test_a_question_about_two_products_gets_both(toy: Toy) -> None:
    model = toy.learn(labelled=questions(ABOUT, 1))
    both = ProductQuestions(
        texts=["how do Alpha actors run Beta trials"],
        labels=as_labels([["a", "b"]], toy.ids),
        vectors=np.eye(1, DIMENSION, dtype=np.float32),
    )
    assert sorted(toy.detect(model, both)[0]) == ["a", "b"]


def test_the_same_input_gives_the_same_model(toy: Toy) -> None:
    one, other = (toy.learn(labelled=questions(ABOUT, 1), paired=questions(ABOUT[:40], 3)) for _ in range(2))
    assert one is not None
    assert other is not None
    for name in ("weights", "intercepts", "mixture", "named"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.bias, one.threshold) == (other.bias, other.threshold)


def test_nothing_is_learnt_without_a_choice(tmp_path: Path) -> None:
    toy = Toy(tmp_path, ("a", None))
    assert toy.learn() is None


@pytest.mark.parametrize("others", [["a"], ["a", None]])
def test_a_product_that_no_question_is_about_is_learnt_from_its_passages(
    toy: Toy, others: list[str | None]
) -> None:
    model = toy.learn(labelled=questions(others * LEAST_QUESTIONS, 1))
    asked = questions(["b"] * 50, 2)
    detected = [one for found in toy.detect(model, asked) for one in found]
    assert detected.count("b") > 5 * detected.count("a")


def test_what_is_calibrated_on() -> None:
    passages = ProductPassages(
        texts=["t"] * 400,
        documents=[f"d{place // 4}" for place in range(400)],
        numbers=np.array([0] * 300 + [-1] * 100),
        vectors=np.ones((400, DIMENSION), np.float32),
    )
    few, enough = questions(["a", "b"] * (LEAST_QUESTIONS // 2 - 1), 1), questions(["a", "b"] * 50, 1)
    of_one = questions(["a"] * LEAST_QUESTIONS, 1)
    none = questions([], 1)

    def gathered(labelled: ProductQuestions, paired: ProductQuestions) -> tuple[int, int, float]:
        pool = gather_examples(passages, labelled, paired, count=2, seed=0)
        assert len(pool.weights) == len(pool.texts) == len(pool.vectors) == len(pool.labels)
        taught = sum(document is None for document in pool.documents)
        assert taught == len(labelled) + (0 if labelled is enough else len(paired))
        return int(pool.calibrating[0]), len(pool.calibrating), float(pool.weights[0])

    shown = MOST_PASSAGES + 100  # of the product, and all of no product
    assert gathered(none, none) == (0, shown, 1.0)
    assert gathered(few, few) == (0, shown, 1.0)
    assert gathered(of_one, of_one) == (0, shown, 1.0)
    assert gathered(enough, enough) == (shown, 100, 0.1)
    assert gathered(few, enough) == (shown + len(few), 100, 0.1)


def test_calibration_agrees_with_that_of_scikit_learn() -> None:
    random = np.random.default_rng(4)
    features = random.normal(size=(3000, 5))
    label = random.random(3000) < 1 / (1 + np.exp(-(features @ [2.0, -1, 0.5, 0, 0] - 1)))
    folds = [
        (np.flatnonzero(np.arange(3000) % 5 != k), np.flatnonzero(np.arange(3000) % 5 == k)) for k in range(5)
    ]
    theirs = CalibratedClassifierCV(
        LogisticRegression(C=3.0), method="sigmoid", ensemble=False, cv=folds
    ).fit(features, label)
    held_out = np.empty(3000)
    for train, test in folds:
        coefficients, bias = fit_logistic(features[train], label[train], cost=3.0)
        held_out[test] = features[test] @ coefficients + bias
    mixture, bias = fit_mixture(held_out[:, None, None], label[:, None])
    coefficients, intercept = fit_logistic(features, label, cost=3.0)
    ours = 1 / (1 + np.exp(-(mixture[0] * (features @ coefficients + intercept) + bias)))
    np.testing.assert_allclose(ours, theirs.predict_proba(features)[:, 1], atol=0.005)


def test_probabilities_mean_what_they_say(toy: Toy) -> None:
    model = toy.learn(labelled=questions(ABOUT * 2, 1))
    asked = questions(ABOUT * 10, 2)
    detector = ProductDetector(ProductIndex(ids=toy.ids, numbers=toy.passages.numbers, model=model), {})
    dense = toy.vectors.search(asked.vectors, k=VOTERS)
    found = np.stack(
        [
            detector.probabilities(text, asked.vectors[i : i + 1], dense[i], toy.words.search(text, k=VOTERS))
            for i, text in enumerate(asked.texts)
        ]
    )
    assert found.mean() == pytest.approx(asked.labels.mean(), abs=0.03)
    surest = found >= 0.8
    assert asked.labels[surest].mean() == pytest.approx(found[surest].mean(), abs=0.05)


@pytest.mark.parametrize("value", [True, False])
def test_labels_that_are_all_alike_give_their_smoothed_share(value: bool) -> None:  # noqa: FBT001
    coefficients, bias = fit_logistic(np.ones((9, 2)), np.full(9, value), cost=1.0)
    assert coefficients.tolist() == [0, 0]
    assert 1 / (1 + np.exp(-bias)) == pytest.approx(9.5 / 10 if value else 0.5 / 10)


def test_the_threshold_by_hand() -> None:
    # 20 right at 0.92, 8 right and 2 wrong at 0.72 (28 of 30 right), 20 wrong at 0.62 (28 of 50 right)
    probabilities = np.array([0.92] * 20 + [0.72] * 10 + [0.62] * 20)[:, None]
    labels = np.array([True] * 28 + [False] * 22)[:, None]
    assert choose_threshold(probabilities, labels) == 0.65
    assert choose_threshold(probabilities[:9], labels[:9]) == 0.95  # nine tell nothing
    assert choose_threshold(probabilities, np.ones_like(labels)) == 0.5
    assert choose_threshold(probabilities, np.zeros_like(labels)) == 0.95


def test_trust_in_names_by_hand() -> None:
    texts = ["Alpha?", "the alpha version", "alpha and beta", "nothing"]
    labels = as_labels([["a"], [], ["b"], ["a"]], ("a", "b"))
    trust = trust_names(("a", "b"), NAMES, texts, labels)
    assert trust == pytest.approx([(1 + 4.5) / (3 + 5), (1 + 4.5) / (1 + 5)])
    assert trust_names(("a", "b"), NAMES, [], as_labels([], ("a", "b"))) == pytest.approx([0.9, 0.9])

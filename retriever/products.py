"""An index's part for products: which product each passage is of, and which ones a question is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retriever.arrays import Ranking, Rows, Vectors
from retriever.mentions import find_mentions

VOTERS = 50
"""Passages of each ranking that vote for their products."""

NAMED_PROBABILITY = 0.9
"""How sure it is that a question is about a product that it names, before questions tell otherwise."""

NAME_THRESHOLD = 0.5
"""A name that is meant less often than this is a word of everyday language, and its mention alone no sign."""

_VOTE_DAMPING = 4  # the first voter counts five times as much as the 21st
FEATURES = ("dense votes", "word votes", "classifier")
"""What is known of a product for a question: the shares of votes, in [0, 1], and the classifier's logit."""

Probabilities = NDArray[np.float64]
"""(products,) or (questions, products), each in [0, 1]; they need not sum to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductModel:
    """What was learnt about the products of an index. `finetune.products` makes it.

    The probability of product ``i`` is the logistic function of
    ``bias + mixture @ [dense votes, word votes, weights[i] @ query + intercepts[i]]``.

    Attributes:
        product_ids: The products, in the order of the index.
        weights: (products, dimension), one logistic classifier of the query vector per product.
        intercepts: (products,).
        mixture: (len(FEATURES),), worth of each feature, the same for every product.
        bias: Added to the weighted features.
        named: (products,), probability that a question which names the product is about it.
        threshold: Least probability of a detected product that is not named, in [0, 1].
    """

    product_ids: tuple[str, ...]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    mixture: NDArray[np.float64]
    bias: float
    named: NDArray[np.float64]
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductIndex:
    """The products of an index.

    Attributes:
        ids: Every product that a passage is of, in order.
        numbers: (rows,), the product of each passage, a position in ``ids``; -1 for none.
        model: What was learnt about them, or None.
    """

    ids: tuple[str, ...]
    numbers: Rows
    model: ProductModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedProduct:
    """A product that a question is about.

    Attributes:
        product_id: The product.
        probability: How sure that is, in [0, 1]; as good as the questions that it was set on.
        named: Whether the question names it.
    """

    product_id: str
    probability: float
    named: bool


class ProductDetector:
    """Tells which products a question is about.

    Args:
        products: The products of an open index.
        names: Name and aliases of each product by its id, as they are now.
    """

    def __init__(self, products: ProductIndex, names: Mapping[str, Sequence[str]]) -> None:
        self._products = products
        self._names = {one: names[one] for one in products.ids if one in names}

    def detect(
        self, question: str, query: Vectors, dense: Ranking, words: Ranking
    ) -> tuple[DetectedProduct, ...]:
        """The products that a question is surely about, the surest first; none where it is not sure.

        An index with fewer than two products has nothing to detect.

        Args:
            question: The question.
            query: (1, dimension), its vector.
            dense: The passages nearest to it, of all products; the first `VOTERS` count.
            words: The passages that share its words, likewise.
        """
        ids, model = self._products.ids, self._products.model
        if len(ids) < 2:  # noqa: PLR2004 - one product is no choice
            return ()
        probabilities = self.probabilities(question, query, dense, words)
        named, trusted = self._mentions(question)
        threshold = 1.0 if model is None else model.threshold
        detected = [
            DetectedProduct(
                product_id=ids[place], probability=float(probabilities[place]), named=bool(named[place])
            )
            for place in np.flatnonzero(trusted | (probabilities >= threshold))
        ]
        return tuple(sorted(detected, key=lambda one: (-one.probability, one.product_id)))

    def probabilities(self, question: str, query: Vectors, dense: Ranking, words: Ranking) -> Probabilities:
        """(products,) how sure it is that a question is about each product; see `detect`."""
        model, numbers = self._products.model, self._products.numbers
        if model is None:
            found = np.zeros(len(self._products.ids))
            trust = np.full(len(found), NAMED_PROBABILITY)
        else:
            features = product_features(model, query, [dense], [words], numbers=numbers)
            found, trust = mix_features(features, model.mixture, model.bias)[0], model.named
        _, trusted = self._mentions(question)
        return np.where(trusted, np.maximum(found, trust), found)

    def _mentions(self, question: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(products,) which are named, and which by a name that is mostly meant."""
        model = self._products.model
        mentioned = find_mentions(question, self._names)
        named = np.array([one in mentioned for one in self._products.ids], dtype=bool)
        return named, named if model is None else named & (model.named >= NAME_THRESHOLD)


def number_products(product_ids: Sequence[str | None]) -> tuple[tuple[str, ...], Rows]:
    """Distinct products in the order of their ids, and each entry's position among them or -1."""
    ids = tuple(sorted({one for one in product_ids if one is not None}))
    places = {one: place for place, one in enumerate(ids)}
    numbers = [-1 if one is None else places[one] for one in product_ids]
    return ids, np.array(numbers, dtype=np.int64)


def count_votes(ranking: Ranking, numbers: Rows, count: int) -> NDArray[np.float64]:
    """(count,) the share of each product among the first passages of a ranking, in [0, 1].

    A passage at rank r votes with 1 / (r + 4). Passages of no product, and places that nobody takes, keep
    their share from the products, so that the shares sum to 1 at most.

    Args:
        ranking: Passages, best first.
        numbers: (rows,), the product of each row of the index; -1 for none.
        count: How many products there are.
    """
    worth = 1 / (np.arange(1, VOTERS + 1) + _VOTE_DAMPING)  # (VOTERS,)
    voters = numbers[ranking.rows[:VOTERS]]
    votes = np.bincount(voters[voters >= 0], worth[: len(voters)][voters >= 0], minlength=count)
    return np.asarray(votes / worth.sum(), dtype=np.float64)


def product_features(
    model: ProductModel,
    queries: Vectors,
    dense: Sequence[Ranking],
    words: Sequence[Ranking],
    *,
    numbers: Rows,
) -> NDArray[np.float64]:
    """(questions, products, len(FEATURES)) of some questions.

    Args:
        model: Its classifiers are asked.
        queries: (questions, dimension), the questions' vectors.
        dense: Of each question the passages nearest to it.
        words: Of each question the passages that share its words.
        numbers: (rows,), the product of each passage; -1 for none.
    """
    count = len(model.product_ids)
    votes = [[count_votes(one, numbers, count) for one in rankings] for rankings in (dense, words)]
    logits = queries.astype(np.float64) @ model.weights.T + model.intercepts  # (questions, products)
    return np.stack([np.reshape(votes[0], logits.shape), np.reshape(votes[1], logits.shape), logits], axis=2)


def mix_features(features: NDArray[np.float64], mixture: NDArray[np.float64], bias: float) -> Probabilities:
    """(questions, products) from features (questions, products, len(FEATURES)); see `ProductModel`."""
    logits = (features @ mixture + bias).clip(-30, 30)
    probabilities: Probabilities = 1 / (1 + np.exp(-logits))
    return probabilities


def write_products(path: Path, model: ProductModel) -> None:
    """Write what was learnt; numbers and ids only. Equal models, equal bytes.

    Args:
        path: File to write, ending in ``.npz``.
        model: What to write.
    """
    np.savez(
        path,
        product_ids=np.array(model.product_ids),
        weights=model.weights,
        intercepts=model.intercepts,
        mixture=model.mixture,
        bias=model.bias,
        named=model.named,
        threshold=model.threshold,
    )


def open_products(path: Path, product_ids: Sequence[str | None]) -> ProductIndex:
    """The products of an index's rows, with what `write_products` wrote if it did.

    Args:
        path: The file, which may be missing; checksums are checked before this.
        product_ids: (rows,), the product of each row, or None.

    Raises:
        OSError, ValueError: If the file is unreadable.
    """
    ids, numbers = number_products(product_ids)
    if not path.exists():
        return ProductIndex(ids=ids, numbers=numbers)
    with np.load(path, allow_pickle=False) as stored:
        model = ProductModel(
            product_ids=tuple(stored["product_ids"].tolist()),
            weights=stored["weights"],
            intercepts=stored["intercepts"],
            mixture=stored["mixture"],
            bias=float(stored["bias"]),
            named=stored["named"],
            threshold=float(stored["threshold"]),
        )
    assert model.product_ids == ids, "the model was learnt for the products of this index"
    return ProductIndex(ids=ids, numbers=numbers, model=model)

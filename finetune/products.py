"""Learns to tell which products a question is about, from documents and questions whose products are known.

For each product a logistic classifier of the encoder's vectors is trained, on passages and questions. What
it says is mixed with the votes of the passages that search finds, by a logistic model with one weight per
feature that all products share: it needs few questions, and knows a product as soon as its documents are
there. The mixture is fitted to classifiers that did not see the question (five folds), so its probabilities
are calibrated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from finetune.product_calibration import choose_threshold, fit_logistic, fit_mixture, trust_names
from finetune.product_examples import (
    Labels,
    ProductExamples,
    ProductPassages,
    ProductQuestions,
    gather_examples,
)
from retriever.arrays import RowMask, Rows, Vectors
from retriever.products import FEATURES, VOTERS, ProductModel, mix_features, product_features
from retriever.vectors import VectorIndex
from retriever.words import WordIndex

LEAST_DOCUMENTS = 2
"""Fewer documents with a product can't be divided into folds; nothing is learnt then."""

_FOLDS = 5
# Held-out log loss on 272 corrected questions of ray_docs: 0.164 with 1, 3 and 10, and 0.169 where a passage
# weighs 0.3 instead of 0.1.
_CLASSIFIER_COST = 3.0


def learn_products(
    vectors: VectorIndex,
    words: WordIndex,
    *,
    product_ids: Sequence[str],
    names: Mapping[str, Sequence[str]],
    passages: ProductPassages,
    labelled: ProductQuestions,
    paired: ProductQuestions,
    seed: int,
) -> ProductModel | None:
    """Learn the products of an index; the same input gives the same model.

    Probabilities are calibrated on labelled questions where there are enough, else on the questions of
    pairs, else on passages, which are asked of all other documents.

    Args:
        vectors: The passages' vectors, to search.
        words: The passages' words, to search.
        product_ids: The products of the index, in its order.
        names: Name and aliases of each product.
        passages: The passages.
        labelled: Questions whose products a person told.
        paired: Questions of QA pairs, which are about the product of the pair.
        seed: Decides which passages and questions are taken, and the folds.

    Returns:
        The model; None where there are fewer than two products, or `LEAST_DOCUMENTS`.
    """
    with_product = {
        one for one, number in zip(passages.documents, passages.numbers, strict=True) if number >= 0
    }
    if len(product_ids) < 2 or len(with_product) < LEAST_DOCUMENTS:  # noqa: PLR2004 - one product is no choice
        return None
    search = _Search(vectors=vectors, words=words, numbers=passages.numbers)
    pool = gather_examples(passages, labelled, paired, count=len(product_ids), seed=seed)
    empty = ProductModel(
        product_ids=tuple(product_ids),
        weights=np.zeros((len(product_ids), vectors.dimension)),
        intercepts=np.zeros(len(product_ids)),
        mixture=np.zeros(len(FEATURES)),
        bias=0.0,
        named=trust_names(
            product_ids,
            names,
            [*labelled.texts, *paired.texts],
            np.concatenate([labelled.labels, paired.labels]),
        ),
        threshold=1.0,
    )
    with threadpool_limits(limits=1):  # small problems: threads cost more than they give
        features, labels, folds = _held_out_features(empty, pool, search, seed=seed)
        crossed = np.zeros(labels.shape)  # (calibration questions, products)
        for train, test in folds:
            crossed[test] = mix_features(features[test], *fit_mixture(features[train], labels[train]))
        mixture, bias = fit_mixture(features, labels)
        learnt = _with_classifiers(empty, pool, np.ones(len(pool.weights), dtype=bool))
    return replace(learnt, mixture=mixture, bias=bias, threshold=choose_threshold(crossed, labels))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """Asks an index for the passages that vote."""

    vectors: VectorIndex
    words: WordIndex
    numbers: Rows

    def features(
        self, model: ProductModel, text: str, query: Vectors, allowed: RowMask | None
    ) -> NDArray[np.float64]:
        """(products, features) of one question."""
        dense = self.vectors.search(query, k=VOTERS, allowed=allowed)
        words = [self.words.search(text, k=VOTERS, allowed=allowed)]
        found: NDArray[np.float64] = product_features(model, query, dense, words, numbers=self.numbers)[0]
        return found


Folds = Sequence[tuple[Rows, Rows]]


def _held_out_features(
    empty: ProductModel, pool: ProductExamples, search: _Search, *, seed: int
) -> tuple[NDArray[np.float64], Labels, Folds]:
    """Features of what is calibrated on, from classifiers that did not see it, with labels and folds."""
    groups = np.array(pool.groups)[pool.calibrating]
    count = min(_FOLDS, len(set(groups.tolist())))
    folds = list(GroupKFold(count, shuffle=True, random_state=seed).split(groups, groups=groups))
    features = np.zeros((len(groups), len(empty.product_ids), len(FEATURES)))
    for _, test in folds:
        seen = ~np.isin(pool.groups, groups[test])  # (n,)
        model = _with_classifiers(empty, pool, seen)
        for place in test:
            row = pool.calibrating[place]
            features[place] = search.features(
                model, pool.texts[row], pool.vectors[row][None, :], pool.others(pool.documents[row])
            )
    return features, pool.labels[pool.calibrating], folds


def _with_classifiers(empty: ProductModel, pool: ProductExamples, seen: NDArray[np.bool_]) -> ProductModel:
    """A model with classifiers that were trained on what is ``seen``, (n,) of the pool."""
    vectors, weights = pool.vectors[seen].astype(np.float64), pool.weights[seen]
    fitted = [
        fit_logistic(vectors, column, cost=_CLASSIFIER_COST, weights=weights)
        for column in pool.labels[seen].T
    ]
    return replace(
        empty,
        weights=np.stack([coefficients for coefficients, _ in fitted]),
        intercepts=np.array([intercept for _, intercept in fitted]),
    )

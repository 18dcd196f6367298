"""Probabilities that mean what they say: mixing features, trusting names, and what counts as detected."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from finetune.product_examples import Labels
from retriever.mentions import find_mentions
from retriever.products import NAMED_PROBABILITY, Probabilities

PRECISION = 0.8
"""Share of the detected products that must be right on held-out questions."""

_THRESHOLDS = np.arange(95, 45, -5) / 100  # what is not likelier than not is not sure
_LEAST_DETECTED = 10  # fewer detections say nothing about precision
_MIXTURE_COST = 10.0
_NAMED_WORTH = 5.0  # questions that the first opinion of a name is worth


def fit_logistic(
    features: NDArray[np.float64],
    labels: NDArray[np.bool_],
    *,
    cost: float,
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Coefficients and bias of a logistic model; those of the share of true where all labels are alike.

    Args:
        features: (n, features).
        labels: (n,).
        cost: Inverse of the strength of the L2 penalty on the coefficients.
        weights: (n,), worth of each row; all 1 where None.
    """
    if labels.all() or not labels.any():
        share = (labels.sum() + 0.5) / (len(labels) + 1)
        return np.zeros(features.shape[1]), float(np.log(share / (1 - share)))
    fitted = LogisticRegression(C=cost, max_iter=1000).fit(features, labels, sample_weight=weights)
    return fitted.coef_[0], float(fitted.intercept_[0])


def fit_mixture(features: NDArray[np.float64], labels: Labels) -> tuple[NDArray[np.float64], float]:
    """The weights and the bias that turn features into probabilities, the same for every product.

    Args:
        features: (questions, products, features), held out from what made them.
        labels: (questions, products).

    Source: Platt, Probabilistic outputs for support vector machines, 1999, with more than one score.
    """
    return fit_logistic(features.reshape(-1, features.shape[-1]), labels.reshape(-1), cost=_MIXTURE_COST)


def choose_threshold(probabilities: Probabilities, labels: Labels) -> float:
    """The least probability down to which detected products are right often enough.

    Goes down from 0.95 by 0.05 to 0.50 while `PRECISION` holds; stays at 0.95 where hardly any is that sure.

    Args:
        probabilities: (questions, products), held out.
        labels: (questions, products).
    """
    chosen = _THRESHOLDS[0]
    for threshold in _THRESHOLDS:
        detected = probabilities >= threshold
        if detected.sum() < _LEAST_DETECTED:
            continue
        if labels[detected].mean() < PRECISION:
            break
        chosen = threshold
    return float(chosen)


def trust_names(
    product_ids: Sequence[str], names: Mapping[str, Sequence[str]], questions: Sequence[str], labels: Labels
) -> NDArray[np.float64]:
    """(products,) how probable it is that a question which names a product is about it.

    A name may be a word of everyday language. The share of right mentions is counted, beginning with
    `NAMED_PROBABILITY` as if five questions had shown it.

    Args:
        product_ids: The products.
        names: Name and aliases of each product.
        questions: Questions whose products are known.
        labels: (questions, products).
    """
    known = {one: names[one] for one in product_ids if one in names}
    mentioned = [find_mentions(question, known) for question in questions]
    named = np.array([[one in found for one in product_ids] for found in mentioned], dtype=bool)
    named = named.reshape(len(questions), len(product_ids))
    right: NDArray[np.float64] = (named & labels).sum(axis=0) + NAMED_PROBABILITY * _NAMED_WORTH
    trust: NDArray[np.float64] = right / (named.sum(axis=0) + _NAMED_WORTH)
    return trust

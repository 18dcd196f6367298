"""Simulated readers, and how well what is estimated from their clicks tells right from wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from finetune.clicks import ClickConfig, Showing, ShownPassage, estimate_relevance, look_probability

Marks = NDArray[np.bool_]
"""(questions, shown): whether the passage that a question shows at a place is gold."""

Scores = NDArray[np.float64]

SHARE_LIMIT = 10.0  # of inverse propensity weights: the clipping that is usual for them


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """The position-based click model: a place is looked at, and what was looked at may be clicked.

    Attributes:
        exponent: The place ``r`` is looked at with probability ``r ** -exponent``.
        right: Probability that gold is clicked once looked at.
        wrong: The same for anything else.
        traffic: The question that is asked ``n``-th most is asked in proportion to ``n ** -traffic``.

    Source: Craswell, Zoeter, Taylor & Ramsey, An Experimental Comparison of Click Position-Bias Models,
    WSDM 2008.
    """

    exponent: float = 1.0
    right: float = 0.9
    wrong: float = 0.1
    traffic: float = 1.0


def simulate(gold: Marks, readers: Readers, *, clicks: int, seed: int) -> Iterator[tuple[int, Marks]]:
    """Searches with their clicks, (shown,) each, until there are as many clicks as wanted."""
    generator = np.random.default_rng(seed)
    popularity = np.arange(1, len(gold) + 1) ** -readers.traffic  # (questions,)
    order = generator.permutation(len(gold))
    looks = np.array([look_probability(place, readers.exponent) for place in range(1, gold.shape[1] + 1)])
    left = clicks
    while left > 0:
        question = int(order[generator.choice(len(gold), p=popularity / popularity.sum())])
        looked = generator.random(gold.shape[1]) < looks
        tempted = generator.random(gold.shape[1]) < np.where(gold[question], readers.right, readers.wrong)
        clicked = looked & tempted
        clicked &= np.cumsum(clicked) <= left
        left -= int(clicked.sum())
        yield question, clicked


def as_showing(question: str, passages: Sequence[str], clicked: Marks) -> Showing:
    """A search and its clicks as the database gives them back."""
    places = enumerate(zip(passages, clicked, strict=True), start=1)
    return Showing(
        question=question,
        passages=tuple(
            ShownPassage(passage_id=passage, position=place, clicked=bool(done))
            for place, (passage, done) in places
        ),
    )


def estimated(
    searches: Sequence[tuple[int, Marks]], gold: Marks, config: ClickConfig
) -> tuple[NDArray[np.int64], Scores]:
    """What the product makes of a log; searches without a click are left out, as they are there.

    Returns:
        (n,) rows of ``gold`` that were shown often enough; (n, shown) relevances, 0 where there is none.
    """
    known = _shown_enough(searches, config)
    rows = {str(question): row for row, question in enumerate(known)}
    places = [str(place) for place in range(gold.shape[1])]
    scores = np.zeros((len(known), gold.shape[1]))
    log = (as_showing(str(question), places, clicks) for question, clicks in searches if clicks.any())
    for found in estimate_relevance(log, config):
        scores[rows[found.question], int(found.passage_id)] = found.relevance
    return np.array(known), scores


def inverse_propensity(
    searches: Sequence[tuple[int, Marks]], gold: Marks, config: ClickConfig
) -> tuple[NDArray[np.int64], Scores]:
    """The same by the usual weights: each click counts 1 / the probability of a look, at most 10.

    Source: Joachims, Swaminathan & Schnabel, WSDM 2017; here scaled like `finetune.clicks.relevance`.
    """
    known = _shown_enough(searches, config)
    counts = {question: np.zeros(gold.shape[1]) for question in known}
    for question, clicks in searches:
        if question in counts:
            counts[question] += clicks
    places = range(1, gold.shape[1] + 1)
    looks = np.array([look_probability(place, config.position_exponent) for place in places])
    weighted = np.array([counts[one] for one in known]) * np.minimum(1 / looks, SHARE_LIMIT)
    return np.array(known), np.minimum(np.log1p(weighted) / np.log1p(config.enough), 1.0)


def _shown_enough(searches: Sequence[tuple[int, Marks]], config: ClickConfig) -> list[int]:
    shown = Counter(question for question, clicks in searches if clicks.any())
    return sorted(question for question, times in shown.items() if times >= config.least_showings)


def measure(
    questions: NDArray[np.int64], scores: Scores, gold: Marks, config: ClickConfig
) -> dict[str, float]:
    """How well relevances tell gold from the rest, and what the examples made of them would teach.

    Args:
        questions: (n,) rows of ``gold``.
        scores: (n, shown) relevances, 0 where there is none.
        gold: What is right.
        config: Says from which relevance on there is an example.

    Returns:
        ``AUC``: probability that a gold passage is above another one, over all that was shown.
        ``AUC, gold below``: the same over pairs of one question whose gold one was shown below the other,
        which is where search was wrong; an even chance is 0.5.
        ``examples``, and ``questions`` with an example that is right; ``right``: share of the examples'
        weight on gold; ``news``: share on gold that was not shown first.
    """
    marks = gold[questions]  # (n, shown)
    examples = np.where(scores >= config.least_relevance, scores, 0.0)
    weight = examples.sum()
    below = [
        float(scores[row, low] > scores[row, high]) + 0.5 * float(scores[row, low] == scores[row, high])
        for row in range(len(questions))
        for low in np.flatnonzero(marks[row])
        for high in np.flatnonzero(~marks[row, :low])
    ]
    return {
        "AUC": float(roc_auc_score(marks.ravel(), scores.ravel())),
        "AUC, gold below": float(np.mean(below)),
        "examples": float(np.count_nonzero(examples)),
        "questions": float(np.count_nonzero(((examples > 0) & marks).any(axis=1))),
        "right": float(examples[marks].sum() / weight),
        "news": float(examples[:, 1:][marks[:, 1:]].sum() / weight),
    }

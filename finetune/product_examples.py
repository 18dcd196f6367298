"""What the products of an index are learnt from: its passages, and questions whose products are known."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finetune.overlap import normal_question
from retriever.arrays import RowMask, Rows, Vectors

LEAST_QUESTIONS = 100
"""Fewer questions of one kind are not calibrated on; the next kind, or passages, are taken instead."""

LEAST_PER_PRODUCT = 10
"""Two products at least must have as many among them; else they teach to say the one product always."""

MOST_PASSAGES = 200
"""Passages per product, and of no product, that are learnt from."""

MOST_QUESTIONS = 500
"""Questions of one kind per product, and of no product, that are learnt from."""

PASSAGE_WEIGHT = 0.1
"""Worth of a passage beside a question, where there are enough questions: users ask in other words."""

Labels = NDArray[np.bool_]
"""(questions, products), true where a question is about a product; a row of false is about none."""


def as_labels(about: Sequence[Collection[str | None]], product_ids: Sequence[str]) -> Labels:
    """(questions, products), from the ids of the products that each question is about; others are ignored."""
    labels = [[one in found for one in product_ids] for found in about]
    return np.array(labels, dtype=bool).reshape(len(about), len(product_ids))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductPassages:
    """The passages of an index, in its order.

    Attributes:
        texts: What each is found by.
        documents: The document of each.
        numbers: (n,), the product of each, a position among the products; -1 for none.
        vectors: (n, dimension), unit rows.
    """

    texts: Sequence[str]
    documents: Sequence[str]
    numbers: Rows
    vectors: Vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductQuestions:
    """Questions whose products are known.

    Attributes:
        texts: The questions.
        labels: (questions, products).
        vectors: (questions, dimension), unit rows, encoded as queries.
    """

    texts: Sequence[str]
    labels: Labels
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductExamples:
    """Everything that is learnt from: passages and questions, one row each.

    Attributes:
        texts: (n).
        vectors: (n, dimension).
        labels: (n, products).
        weights: (n,), worth of each.
        groups: (n,), rows of one group are in one fold: passages of a document, and equal questions.
        documents: (n,), the document of a passage, None for a question.
        calibrating: Rows that are calibrated on.
        all_documents: (rows of the index,), to leave a passage's own document out.
    """

    texts: Sequence[str]
    vectors: Vectors
    labels: Labels
    weights: NDArray[np.float64]
    groups: Sequence[str]
    documents: Sequence[str | None]
    calibrating: Rows
    all_documents: NDArray[np.str_]

    def others(self, document: str | None) -> RowMask | None:
        """Rows of the index that are not of a document; None for all."""
        return None if document is None else self.all_documents != document


def gather_examples(
    passages: ProductPassages,
    labelled: ProductQuestions,
    paired: ProductQuestions,
    *,
    count: int,
    seed: int,
) -> ProductExamples:
    """Put together what is learnt from, balanced over products.

    Calibrated is on labelled questions where there are `LEAST_QUESTIONS` of two products or more, else on
    the questions of pairs where there are as many, else on passages. Where people labelled enough
    questions, those of pairs are left out: the 3,465 that a language model wrote about ray_docs raised the
    held-out log loss of 272 that people asked from 0.164 to 0.182.

    Args:
        passages: The passages of the index.
        labelled: Questions whose products a person told.
        paired: Questions of QA pairs.
        count: How many products there are.
        seed: Decides which are taken where there are more than enough.
    """
    random = np.random.default_rng(seed)
    of_passages: Labels = passages.numbers[:, None] == np.arange(count)[None, :]
    taken = _balanced(of_passages, MOST_PASSAGES, random)
    kinds = [(one, _balanced(one.labels, MOST_QUESTIONS, random)) for one in (labelled, paired)]
    if _are_enough(labelled.labels[kinds[0][1]]):
        kinds[1] = paired, kinds[1][1][:0]
    sizes = [len(taken), *(len(rows) for _, rows in kinds)]
    enough = [place for place, (one, rows) in enumerate(kinds, start=1) if _are_enough(one.labels[rows])]
    kind = enough[0] if enough else 0  # of the rows below, those that are calibrated on
    of_questions = np.concatenate([one.labels[rows] for one, rows in kinds])
    begin = sum(sizes[:kind])
    asked = [one.texts[row] for one, rows in kinds for row in rows]
    documents = [passages.documents[row] for row in taken]
    return ProductExamples(
        texts=[*(passages.texts[row] for row in taken), *asked],
        vectors=np.concatenate([passages.vectors[taken], *(one.vectors[rows] for one, rows in kinds)]),
        labels=np.concatenate([of_passages[taken], of_questions]),
        weights=np.repeat([PASSAGE_WEIGHT if kind else 1.0, 1.0, 1.0], sizes),
        groups=[*(f"d {one}" for one in documents), *(f"q {normal_question(text)}" for text in asked)],
        documents=[*documents, *(None for _ in asked)],
        calibrating=np.arange(begin, begin + sizes[kind]),
        all_documents=np.array(passages.documents),
    )


def _are_enough(labels: Labels) -> bool:
    return len(labels) >= LEAST_QUESTIONS and np.sum(labels.sum(axis=0) >= LEAST_PER_PRODUCT) > 1


def _balanced(labels: Labels, most: int, random: np.random.Generator) -> Rows:
    """Rows, rising: at most ``most`` of each product and of none."""
    none = ~labels.any(axis=1)
    chosen = [np.flatnonzero(column) for column in (*labels.T, none)]
    kept = [rows if len(rows) <= most else random.choice(rows, most, replace=False) for rows in chosen]
    return np.unique(np.concatenate(kept)).astype(np.int64)

"""Hard negatives: passages that a search puts high and that do not answer the question."""

from collections.abc import Callable, Sequence

import numpy as np

from finetune.configuration import MiningConfig
from finetune.examples import Corpus, Example
from retriever.arrays import Vectors

FindRows = Callable[[str], Sequence[int]]
"""From a question to rows of the corpus as the live search ranks them, best first."""


def mine_negatives(
    examples: Sequence[Example],
    corpus: Corpus,
    find_rows: FindRows,
    *,
    questions: Vectors,
    passages: Vectors,
    config: MiningConfig,
) -> list[tuple[int, ...]]:
    """For each example, rows that look like an answer and are none.

    Passages of the same page are candidates like all others; those that answer the question, share their
    text, or come too near to them are not.

    Args:
        examples: What is learnt.
        corpus: The passages.
        find_rows: The live search.
        questions: (examples, dimension), unit vectors of the questions.
        passages: (corpus, dimension), unit vectors of the passages, by the same encoder.
        config: How to choose.

    Returns:
        At most ``config.most`` rows an example, as the search ranked them; maybe none.

    Source: margin filtering after Moreira et al., NV-Retriever, 2407.15831.
    """
    mined = []
    for place, example in enumerate(examples):
        right = set(example.rows)
        texts = {corpus.texts[row] for row in right}
        limit = config.margin * float((passages[sorted(right)] @ questions[place]).max())
        found = [
            row
            for row in list(find_rows(example.question))[: config.depth]
            if row not in right
            and corpus.texts[row] not in texts
            and float(passages[row] @ questions[place]) <= limit
        ]
        mined.append(tuple(found[: config.most]))
    return mined


def random_negatives(
    mined: Sequence[tuple[int, ...]], *, count: int, seed: int, epoch: int
) -> list[tuple[int, ...]]:
    """Some of each example's negatives, others every epoch; the same for the same seed and epoch."""
    generator = np.random.default_rng((seed, epoch, len(mined)))
    return [
        tuple(row[place] for place in sorted(generator.permutation(len(row))[:count].tolist()))
        for row in mined
    ]

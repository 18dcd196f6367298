"""A small corpus for comparing encoders: embedding all passages for every candidate would take too long."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.examples import Corpus, Example, ExamplesInvalid
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.metrics import hit_at, reciprocal_rank_at

DEPTH = 10
NEAREST = 20  # passages per question that are hard to tell from the right one


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Questions, and passages of which some answer them.

    Attributes:
        questions: What is asked.
        gold: Per question the documents that answer it, at least one.
        documents: Document of each passage.
        texts: The passages, as they are encoded.
    """

    questions: Sequence[str]
    gold: Sequence[frozenset[str]]
    documents: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolScore:
    """What an encoder is worth on a pool: means over questions, in [0, 1], over documents."""

    hit: float
    reciprocal_rank: float


def make_pool(
    asked: Sequence[Example],
    corpus: Corpus,
    *,
    questions: Vectors,
    passages: Vectors,
    most_questions: int = 300,
    most_passages: int = 1500,
    seed: int,
) -> Pool:
    """The right passages of some questions, and those that come nearest to any of them.

    Args:
        asked: Questions that no example was made of.
        corpus: All passages.
        questions: (asked, dimension) unit vectors of a base encoder.
        passages: (corpus, dimension) unit vectors of the same.
        most_questions: More are drawn from.
        most_passages: Right ones all come; then the nearest of every question, the second nearest, ...
        seed: Of the draw.
    """
    drawn = np.sort(np.random.default_rng(seed).permutation(len(asked))[:most_questions])
    rows = dict.fromkeys(row for place in drawn for row in asked[place].rows)
    scores = questions[drawn] @ passages.T  # (drawn, corpus)
    depth = min(NEAREST, len(corpus))
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    for row in nearest.T.ravel().tolist():
        if len(rows) >= most_passages:
            break
        rows.setdefault(row)
    return Pool(
        questions=[asked[place].question for place in drawn],
        gold=[frozenset(corpus.documents[row] for row in asked[place].rows) for place in drawn],
        documents=[corpus.documents[row] for row in rows],
        texts=[corpus.texts[row] for row in rows],
    )


def read_pool(lines: Iterable[str]) -> Pool:
    """A general pool from JSON lines ``{"passage", "question"?}``: each passage answers its question.

    Raises:
        ExamplesInvalid: Names the first line that is wrong, or says that there are too few questions.
    """
    passages: dict[str, None] = {}
    asked: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            passage, question = row["passage"], row.get("question")
            if not all(isinstance(one, str) and one.strip() for one in (passage, question or passage)):
                raise ValueError("passage and question must be texts")  # noqa: TRY301 - one place words it
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExamplesInvalid(f"line {number}: {error!r}; see docs/learning.md for the form") from error
        passages[passage] = None
        if question:
            asked.append((question, passage))
    if len(asked) < DEPTH:
        raise ExamplesInvalid(f"{len(asked)} general questions are too few, {DEPTH} is the least")
    return Pool(
        questions=[question for question, _passage in asked],
        gold=[frozenset((passage,)) for _question, passage in asked],
        documents=list(passages),
        texts=list(passages),
    )


def digest_pool(pool: Pool) -> str:
    """A checksum of all questions and passages."""
    gold = [sorted(one) for one in pool.gold]
    parts = [list(pool.questions), gold, list(pool.documents), list(pool.texts)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def score_pool(encoder: Encoder, pool: Pool) -> PoolScore:
    """Ask every question of the pool's passages by vectors alone."""
    scores = encoder.encode_queries(pool.questions) @ encoder.encode_passages(pool.texts).T
    order = np.argsort(-scores, axis=1, kind="stable")
    rankings = [list(dict.fromkeys(pool.documents[row] for row in line)) for line in order.tolist()]
    gains = [dict.fromkeys(gold, 1.0) for gold in pool.gold]
    return PoolScore(
        hit=float(hit_at(rankings, gains, DEPTH).mean()),
        reciprocal_rank=float(reciprocal_rank_at(rankings, gains, DEPTH).mean()),
    )

"""A second, slow way to the scores of a search, to compare with."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from retriever.encoder import Encoder
from retriever.index import Index, IndexEntry
from retriever.search import SearchConfig
from retriever.words import words


def score_by_hand(
    index: Index,
    encoder: Encoder,
    everything: Sequence[IndexEntry],
    *,
    shown: Collection[str],
    question: str,
    config: SearchConfig,
    near: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Passage id to score, for every passage that is shown, with plain loops.

    Args:
        index: Its BM25 of one word is believed; that has tests of its own.
        encoder: Encodes every passage again.
        everything: All entries of the index.
        shown: Ids of the passages that may be shown.
        question: The question.
        config: How the search is done.
        near: Cosine of the nearest question of a pair, for passages that pairs name.
    """
    query = encoder.encode_queries([question])[0]
    vectors = dict(
        zip(
            [entry.passage_id for entry in everything],
            encoder.encode_passages([entry.text for entry in everything]),
            strict=True,
        )
    )
    by_word: list[dict[str, float]] = []
    for word in dict.fromkeys(words(question)):
        tokens = index.words.tokens(word)[:1]
        scores = index.words.scores(tokens)
        by_word.append({index.passage_ids[row]: float(scores[row]) for row in range(len(index))})
    passage_words = {name: sum(scores[name] for scores in by_word) for name in shown}
    members: dict[str, list[str]] = {}
    for entry in everything:
        members.setdefault(entry.document_id, []).append(entry.passage_id)
    document_of = {entry.passage_id: entry.document_id for entry in everything}
    document_words, document_cosine = {}, {}
    for document, names in members.items():
        if any(name in shown for name in names):
            document_words[document] = sum(max(scores[name] for name in names) for scores in by_word)
        total = sum(vectors[name] for name in names)
        document_cosine[document] = float(total @ query / np.linalg.norm(total))
    best_passage = max(passage_words.values(), default=0.0) or 1.0
    best_document = max(document_words.values(), default=0.0) or 1.0
    least = config.qa_minimum_cosine
    together = {
        name: config.dense_weight * float(vectors[name] @ query)
        + config.bm25_weight * passage_words[name] / best_passage
        + config.document_weight * document_cosine[document_of[name]]
        + config.document_bm25_weight * document_words[document_of[name]] / best_document
        + config.qa_weight * ((near or {}).get(name, least) - least) / (1 - least)
        for name in shown
    }
    return {
        name: score
        - config.repeat_penalty
        * sum(_is_before(together, other, name) for other in shown if document_of[other] == document_of[name])
        for name, score in together.items()
    }


def _is_before(scores: Mapping[str, float], other: str, name: str) -> bool:
    return (-scores[other], other) < (-scores[name], name)

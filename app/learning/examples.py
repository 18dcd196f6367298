"""From approved pairs, clicks and files to training examples on the live corpus."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.db.clicks import read_clicks
from app.db.document_views import document_texts
from app.db.documents import list_products
from app.db.pair_evidence import SearchedPair, searched_pairs
from app.db.session import Database
from app.learning.corpus import LearningCorpus
from finetune.clicks import ClickConfig, click_examples, estimate_relevance
from finetune.examples import Example, ExampleLine, merge_examples
from finetune.overlap import normal_question
from ingest.pairs.locating import TextFinder
from retriever.encoder import Encoder

HELD_OUT = "asks what is asked in evaluations"
NO_DOCUMENT = "names a document that is not here"
NO_PASSAGE = "names words or passages that are not here any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What there is to learn from, and to choose with.

    Attributes:
        train: Examples.
        dev: Questions of the split ``dev``, which nothing is learnt from.
        skipped: Why others were left out, and how many.
    """

    train: list[Example]
    dev: list[Example]
    skipped: Mapping[str, int]


def gather_examples(
    database: Database,
    corpus: LearningCorpus,
    encoder: Encoder,
    *,
    lines: Sequence[ExampleLine] = (),
) -> Gathered:
    """All examples that this home has, from pairs and from clicks, and those of a file.

    What asks the same as a pair of the splits ``dev`` and ``test`` is left out, wherever it comes from. Pairs
    come by their words, so that the same seed makes the same steps of them in every home that has them.

    Args:
        database: The database.
        corpus: The live corpus.
        encoder: The live encoder; it picks the passage where a file names a document only.
        lines: Of a file.
    """
    with database.reading() as session:
        pairs = sorted(searched_pairs(session), key=lambda pair: pair.question)
        products = {product_id: name for name, product_id in list_products(session).items()}
        log = read_clicks(session)
    held_out = {normal_question(pair.question) for pair in pairs if pair.split != "train"}
    skipped: Counter[str] = Counter()
    found = [example for pair in pairs if (example := _of_pair(pair, corpus, products, skipped)) is not None]
    splits = {pair.id: pair.split for pair in pairs}
    train = [example for example in found if splits[example.id] == "train"]
    clicked, lost = click_examples(estimate_relevance(log.showings, ClickConfig()), corpus.rows)
    skipped[NO_PASSAGE] += lost + log.gone
    from_file = _of_lines(database, lines, corpus, encoder, skipped)
    for example in (*clicked, *from_file):
        if normal_question(example.question) in held_out:
            skipped[HELD_OUT] += 1
        else:
            train.append(example)
    return Gathered(
        train=merge_examples(train),
        dev=[example for example in found if splits[example.id] == "dev"],
        skipped={reason: count for reason, count in skipped.items() if count},
    )


def _of_pair(
    pair: SearchedPair, corpus: LearningCorpus, products: Mapping[str, str], skipped: Counter[str]
) -> Example | None:
    rows = corpus.rows_of(pair.passage_ids)
    if not rows:
        skipped[NO_PASSAGE] += 1
        return None
    return Example(
        id=pair.id,
        question=pair.question,
        rows=rows,
        relevance=min(1.0, max(pair.weight, 1e-3)),
        source="pair",
        product=products.get(pair.product_id or ""),
    )


def _of_lines(
    database: Database,
    lines: Sequence[ExampleLine],
    corpus: LearningCorpus,
    encoder: Encoder,
    skipped: Counter[str],
) -> list[Example]:
    by_uri: dict[str, list[int]] = {}
    for row, place in enumerate(corpus.places):
        by_uri.setdefault(place.uri, []).append(row)
    known = [line for line in lines if line.uri in by_uri]
    skipped[NO_DOCUMENT] += len(lines) - len(known)
    finders = _finders(database, {corpus.corpus.documents[by_uri[line.uri][0]] for line in known})
    vectors = encoder.encode_queries([line.question for line in known])  # (known, dimension)
    examples = []
    for line, vector in zip(known, vectors, strict=True):
        rows = by_uri[line.uri]
        if line.quote is not None:
            finder = finders[corpus.corpus.documents[rows[0]]]
            rows = _overlapping(corpus, rows, finder, line.quote)
        if not rows:
            skipped[NO_PASSAGE] += 1
            continue
        if line.quote is None:
            rows = [rows[place] for place in np.argsort(-(corpus.vectors[rows] @ vector), kind="stable")]
        examples.append(
            Example(
                id=f"line {line.number}",
                question=line.question,
                rows=tuple(rows),
                relevance=line.relevance,
                source="file",
                product=line.product,
            )
        )
    return examples


def _finders(database: Database, documents: set[str]) -> dict[str, TextFinder]:
    with database.reading() as session:
        texts = document_texts(session, sorted(documents))
    return {document: TextFinder(text) for document, text in texts.items()}


def _overlapping(corpus: LearningCorpus, rows: Sequence[int], finder: TextFinder, quote: str) -> list[int]:
    """Rows that hold some of a quote, that with most of it first."""
    span = finder.find(quote)
    if span is None:
        return []
    shared = {
        row: min(span.end, corpus.places[row].end) - max(span.start, corpus.places[row].start) for row in rows
    }
    return sorted((row for row in rows if shared[row] > 0), key=lambda row: (-shared[row], row))

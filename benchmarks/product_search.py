"""What knowing the product is worth to search on ``ray_docs``, and which use of it is best.

    python -m benchmarks.product_search path/to/ray_docs [--encoder run:ID]

Three uses: only passages of the products and of none (filter), a bonus for passages of the products (boost),
and the products' names before the question (query text). The product is that of the gold page (given), or
what is detected. Ways are compared on a sample of ``questions_train.jsonl``, which language models wrote, and
reported on ``questions_dev.jsonl``, which people asked.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.products import learn
from benchmarks.ray_index import NAMES, RayIndex, open_ray, page_of, read_labelled, read_rows
from benchmarks.ray_products import page_product
from finetune.product_examples import ProductQuestions
from retriever.arrays import Ranking, Vectors
from retriever.metrics import Values, bootstrap_interval, hit_at, reciprocal_rank_at
from retriever.products import VOTERS, DetectedProduct, ProductDetector, ProductIndex
from retriever.search import SearchConfig, rank_documents, search_all

SAMPLE = 500
BOOSTS = (0.02, 0.05, 0.1, 0.2)
DEPTH = 100  # passages, enough for ten documents


class KnownDetector(ProductDetector):
    """Says what it was told, whatever is asked."""

    def __init__(self, products: ProductIndex, known: Sequence[DetectedProduct]) -> None:
        super().__init__(products, {})
        self._known = tuple(known)

    def detect(
        self, question: str, query: Vectors, dense: Ranking, words: Ranking
    ) -> tuple[DetectedProduct, ...]:
        """What it was told."""
        del question, query, dense, words
        return self._known


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with its vector, its gold page, and what is known of its products."""

    text: str
    vector: Vectors  # (1, dimension)
    page: str
    given: tuple[DetectedProduct, ...]
    detected: tuple[DetectedProduct, ...]


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder ray_docs")
    parser.add_argument("--encoder", help="reference of the encoder; the configured one if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ray = open_ray(Path(folder) / "index", arguments.encoder)
        corrected = read_labelled(arguments.data).corrected
        vectors = ray.encoder.encode_queries([question for question, _ in corrected])
        labelled = ray.questions(corrected, vectors)
        nothing = ProductQuestions(texts=[], labels=labelled.labels[:0], vectors=vectors[:0])
        detector = ProductDetector(ray.knowing(learn(ray, labelled, nothing)), NAMES)
        for name, rows in _questions(arguments.data).items():
            asked = read_asked(ray, detector, rows)
            right = [any(one in few.given for one in _plain(few.detected)) for few in asked if few.detected]
            print(f"\n{name}: {len(asked)} questions, product detected for {len(right)}, ", end="")
            print(f"that of the gold page among them for {sum(right)}\n")
            print_uses(ray, asked)


def _plain(detected: Sequence[DetectedProduct]) -> list[DetectedProduct]:
    return [replace(one, probability=1.0, named=False) for one in detected]


def _questions(data: Path) -> dict[str, list[tuple[str, str]]]:
    """Questions and gold pages of both files, a sample of the first."""
    files = {
        name: [(row["question"], page_of(row["gold_page"])) for row in read_rows(data / f"{name}.jsonl")]
        for name in ("questions_train", "questions_dev")
    }
    train = files["questions_train"]
    sample = np.random.default_rng(0).choice(len(train), SAMPLE, replace=False)
    return files | {"questions_train": [train[place] for place in sorted(sample)]}


def read_asked(ray: RayIndex, detector: ProductDetector, rows: Sequence[tuple[str, str]]) -> list[Asked]:
    """Questions whose gold page is in the corpus, as the detector sees them."""
    pages = set(ray.passages.documents)
    rows = [(question, page) for question, page in rows if page in pages]
    vectors = ray.encoder.encode_queries([question for question, _ in rows])
    dense = ray.index.vectors.search(vectors, k=VOTERS)
    asked = []
    for place, (question, page) in enumerate(rows):
        query, product = vectors[place : place + 1], page_product(page)
        words = ray.index.words.search(question, k=VOTERS)
        given = [] if product is None else [DetectedProduct(product_id=product, probability=1.0, named=False)]
        asked.append(
            Asked(
                text=question,
                vector=query,
                page=page,
                given=tuple(given),
                detected=detector.detect(question, query, dense[place], words),
            )
        )
    return asked


def print_uses(ray: RayIndex, asked: Sequence[Asked]) -> None:
    """One line per source and use, with its difference from a search that ignores products."""
    print("| products | use | hit@10 | MRR@10 | difference of hit@10 | difference of MRR@10 |")
    print("|---|---|---|---|---|---|")
    none: list[tuple[DetectedProduct, ...]] = [() for _ in asked]
    base = measure(asked, [boosted(ray, one, known, 0.0) for one, known in zip(asked, none, strict=True)])
    print(f"| ignored | | {base[0].mean():.3f} | {base[1].mean():.3f} | | |")
    for source in ("given", "detected"):
        known = [one.given if source == "given" else one.detected for one in asked]
        pairs = list(zip(asked, known, strict=True))
        uses = {"filter": [filtered(ray, *pair) for pair in pairs], "query text": _with_names(ray, pairs)}
        for weight in BOOSTS:
            uses[f"boost {weight}"] = [boosted(ray, *pair, weight) for pair in pairs]
        for use, rankings in uses.items():
            found = measure(asked, rankings)
            cells = [f"{values.mean():.3f}" for values in found]
            cells += [_difference(one - other) for one, other in zip(found, base, strict=True)]
            print(f"| {source} | {use} | {' | '.join(cells)} |")


def _difference(values: Values) -> str:
    low, high = bootstrap_interval(values, seed=0)
    return f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def measure(asked: Sequence[Asked], rankings: Sequence[Sequence[str]]) -> tuple[Values, Values]:
    """Hit@10 and reciprocal rank@10 of pages, one value per question."""
    gold = [{one.page: 1.0} for one in asked]
    return hit_at(rankings, gold, 10), reciprocal_rank_at(rankings, gold, 10)


def boosted(ray: RayIndex, asked: Asked, known: Sequence[DetectedProduct], weight: float) -> list[str]:
    """Pages, where passages of the known products gain."""
    result = search_all(
        ray.index,
        ray.encoder,
        asked.text,
        k=DEPTH,
        questions=0,
        config=SearchConfig(product_weight=weight),
        query=asked.vector,
        detector=KnownDetector(ray.index.products, known),
    )
    return rank_documents(result.hits)


def filtered(ray: RayIndex, asked: Asked, known: Sequence[DetectedProduct]) -> list[str]:
    """Pages of the known products and of none; all where none is known."""
    products = [*(one.product_id for one in known), None] if known else None
    result = search_all(
        ray.index,
        ray.encoder,
        asked.text,
        k=DEPTH,
        questions=0,
        config=SearchConfig(product_weight=0),
        query=asked.vector,
        products=products,
    )
    return rank_documents(result.hits)


def _with_names(ray: RayIndex, pairs: Sequence[tuple[Asked, tuple[DetectedProduct, ...]]]) -> list[list[str]]:
    """Pages, where the names of the known products stand before the question."""
    texts = [" ".join([*(one.product_id for one in known), asked.text]) for asked, known in pairs]
    vectors = ray.encoder.encode_queries(texts)
    renamed = [
        replace(asked, text=text, vector=vectors[place : place + 1])
        for place, ((asked, _), text) in enumerate(zip(pairs, texts, strict=True))
    ]
    return [boosted(ray, asked, (), 0.0) for asked in renamed]


if __name__ == "__main__":
    main()

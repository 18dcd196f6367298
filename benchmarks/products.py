"""How well products are detected, on held-out questions whose product a person corrected.

    python -m benchmarks.products path/to/ray_docs [--encoder run:ID]

Half of the hand-corrected questions of ``product_questions.jsonl`` are held out, drawn once; nothing is
learnt or calibrated on them or their duplicates, nor on a question of ``questions_dev.jsonl``.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ray_index import NAMES, RayIndex, fold_question, open_ray, read_labelled, read_rows
from benchmarks.ray_products import page_product
from benchmarks.ray_suite import ADDRESS
from finetune.product_examples import Labels, ProductQuestions, as_labels
from finetune.products import learn_products
from retriever.arrays import Vectors
from retriever.products import VOTERS, ProductDetector, ProductModel

CURVE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Detected = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""(questions, products) probabilities, and what counts as detected."""


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder ray_docs")
    parser.add_argument("--encoder", help="reference of the encoder; the configured one if not given")
    parser.add_argument(
        "--pairs", action="store_true", help="also learn from questions_train.jsonl (minutes)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ray = open_ray(Path(folder) / "index", arguments.encoder)
        report(ray, arguments.data, with_pairs=arguments.pairs)


def report(ray: RayIndex, data: Path, *, with_pairs: bool) -> None:
    """Learn from documents alone and from questions too, and print what each detects."""
    rows = read_labelled(data)
    encode = ray.encoder.encode_queries
    parts = {
        name: ray.questions(part, encode([question for question, _ in part]))
        for name, part in (
            ("held out", rows.held_out),
            ("corrected", rows.corrected),
            ("uncorrected", rows.uncorrected),
        )
    }
    none, held_out = take(parts["corrected"], slice(0)), parts["held out"]
    pairs = (
        read_pairs(ray, data, avoided=[text for part in parts.values() for text in part.texts])
        if with_pairs
        else none
    )
    kinds = {
        "documents": (none, none),
        "+ uncorrected labels": (parts["uncorrected"], none),
        "+ corrected labels": (parts["corrected"], none),
        "+ all labels": (join(parts["corrected"], parts["uncorrected"]), none),
    }
    if with_pairs:
        kinds |= {"+ pairs": (none, pairs), "+ pairs, corrected labels": (parts["corrected"], pairs)}
    print(f"\n{len(held_out)} held-out questions; learnt from {len(parts['corrected'])} corrected, ", end="")
    print(f"{len(parts['uncorrected'])} uncorrected, {len(pairs)} of pairs\n")
    print("| learnt from | used | accuracy | macro-F1 | sure | right when sure | threshold |")
    print("|---|---|---|---|---|---|---|")
    learnt = {name: learn(ray, labelled, paired) for name, (labelled, paired) in kinds.items()}
    print_row("nothing", "names", detect(ray, None, NAMES, held_out), held_out.labels, 1.0)
    for name, model in learnt.items():
        threshold = 1.0 if model is None else model.threshold
        print_row(name, "classifier", detect(ray, model, {}, held_out), held_out.labels, threshold)
        print_row(name, "both", detect(ray, model, NAMES, held_out), held_out.labels, threshold)
    print_curve(detect(ray, learnt["+ corrected labels"], NAMES, held_out)[0], held_out.labels)


def learn(ray: RayIndex, labelled: ProductQuestions, paired: ProductQuestions) -> ProductModel | None:
    """What is learnt about the products of the corpus."""
    return learn_products(
        ray.index.vectors,
        ray.index.words,
        product_ids=ray.product_ids,
        names=NAMES,
        passages=ray.passages,
        labelled=labelled,
        paired=paired,
        seed=0,
    )


def read_pairs(ray: RayIndex, data: Path, *, avoided: Sequence[str]) -> ProductQuestions:
    """``questions_train.jsonl`` as questions about the product of their page."""
    known = {fold_question(text) for text in avoided}
    rows = []
    for row in read_rows(data / "questions_train.jsonl"):
        product = page_product(row["gold_page"].removeprefix(ADDRESS))
        if fold_question(row["question"]) not in known:
            rows.append((row["question"], [product] if product else []))
    return ray.questions(rows, ray.encoder.encode_queries([question for question, _ in rows]))


def take(questions: ProductQuestions, rows: slice) -> ProductQuestions:
    """Some of the questions."""
    return ProductQuestions(
        texts=questions.texts[rows], labels=questions.labels[rows], vectors=questions.vectors[rows]
    )


def join(first: ProductQuestions, second: ProductQuestions) -> ProductQuestions:
    """Both."""
    return ProductQuestions(
        texts=[*first.texts, *second.texts],
        labels=np.concatenate([first.labels, second.labels]),
        vectors=np.concatenate([first.vectors, second.vectors]),
    )


def detect(
    ray: RayIndex, model: ProductModel | None, names: Mapping[str, Sequence[str]], questions: ProductQuestions
) -> Detected:
    """What a detector says of questions, as search asks it."""
    detector = ProductDetector(ray.knowing(model), names)
    dense = ray.index.vectors.search(questions.vectors, k=VOTERS)
    probabilities, detected = [], []
    for place, text in enumerate(questions.texts):
        query: Vectors = questions.vectors[place : place + 1]
        words = ray.index.words.search(text, k=VOTERS)
        probabilities.append(detector.probabilities(text, query, dense[place], words))
        detected.append([one.product_id for one in detector.detect(text, query, dense[place], words)])
    return np.stack(probabilities), as_labels(detected, ray.product_ids)


def best_guess(probabilities: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """(questions,) the likeliest product; the number of products, which stands for none, below ``least``."""
    guess: NDArray[np.int64] = probabilities.argmax(axis=1)
    guess[probabilities.max(axis=1) < least] = probabilities.shape[1]
    return guess


def accuracy(guess: NDArray[np.int64], labels: Labels) -> float:
    """Share of questions whose product, or that they have none, is guessed."""
    return float(np.mean(guess == _gold(labels)))


def macro_f1(guess: NDArray[np.int64], labels: Labels) -> float:
    """F1 of each product, and of having none, averaged."""
    gold, scores = _gold(labels), []
    for one in range(labels.shape[1] + 1):
        right = np.sum((guess == one) & (gold == one))
        scores.append(2 * right / max(1, np.sum(guess == one) + np.sum(gold == one)))
    return float(np.mean(scores))


def _gold(labels: Labels) -> NDArray[np.int64]:
    gold: NDArray[np.int64] = labels.argmax(axis=1)
    gold[~labels.any(axis=1)] = labels.shape[1]
    return gold


def print_row(name: str, used: str, found: Detected, labels: Labels, threshold: float) -> None:
    """One line: the best guess counts from 0.5 on; sure is what search acts on."""
    probabilities, detected = found
    guess, sure = best_guess(probabilities, 0.5), detected.any(axis=1)
    right = labels[detected].mean() if detected.any() else float("nan")
    print(
        f"| {name} | {used} | {accuracy(guess, labels):.3f} | {macro_f1(guess, labels):.3f} | "
        f"{sure.mean():.2f} | {right:.3f} | {threshold:.2f} |"
    )


def print_curve(probabilities: NDArray[np.float64], labels: Labels) -> None:
    """How often a probability is reached, and how often it is right then."""
    print(
        "\n| probability at least | questions | products right | accuracy, below it none |\n|---|---|---|---|"
    )
    for least in CURVE:
        reached = probabilities >= least
        guess = best_guess(probabilities, least)
        print(
            f"| {least:.1f} | {reached.any(axis=1).mean():.2f} | {labels[reached].mean():.3f} | "
            f"{accuracy(guess, labels):.3f} |"
        )


if __name__ == "__main__":
    main()

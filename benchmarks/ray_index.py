"""The passages of the suite ``ray`` with their products, as an index that the measures of products search."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.db.document_views import document_uris
from app.db.passages import get_embeddings, live_passages
from app.embedding import embed_missing
from app.settings import load_settings
from app.wiring import build_services
from benchmarks.ray_products import ALIASES, PRODUCTS, label_products, page_product
from benchmarks.ray_suite import ADDRESS
from finetune.product_examples import ProductPassages, ProductQuestions, as_labels
from ingest.passages import contextual_text
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.products import ProductIndex, ProductModel

NAMES = {name: (name, *ALIASES.get(name, ())) for name in PRODUCTS.values()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RayIndex:
    """The corpus of the suite ``ray``.

    Attributes:
        encoder: What made its vectors.
        index: Its passages; a product's id is its name, a document's its uri without the ending.
        passages: The same passages, to learn from.
    """

    encoder: Encoder
    index: Index
    passages: ProductPassages

    @property
    def product_ids(self) -> tuple[str, ...]:
        """The products, in the order of every array."""
        return self.index.products.ids

    def knowing(self, model: ProductModel | None) -> ProductIndex:
        """The products of the index with what was learnt about them."""
        return replace(self.index.products, model=model)

    def questions(self, rows: Sequence[tuple[str, Sequence[str]]], vectors: Vectors) -> ProductQuestions:
        """Questions with the names of their products."""
        return ProductQuestions(
            texts=[question for question, _ in rows],
            labels=as_labels([one for _, one in rows], self.product_ids),
            vectors=vectors,
        )


def open_ray(folder: Path, encoder: str | None) -> RayIndex:
    """Read the documents of the home ``evaluations/ray``, which ``footnote evaluate --suite ray`` makes.

    Args:
        folder: A place that does not exist yet, for the index.
        encoder: Reference of the encoder; the configured one if None. Passages that it did not embed yet are
            embedded, and kept.
    """
    base = load_settings()
    home = base.home / "evaluations" / "ray"
    if not (home / "footnote.db").is_file():
        raise SystemExit(f"error: no home {home}; run first: footnote evaluate --suite ray")
    settings = load_settings(
        home=home, models=base.models_folder, database_url=None, encoder=encoder or base.encoder
    )
    services = build_services(settings)
    embed_missing(services.database, services.encoder, report=lambda *_: None)
    with services.database.reading() as session:
        uris = document_uris(session)
        views = list(live_passages(session))
        cached = get_embeddings(
            session, services.encoder.fingerprint, list({view.embedding_sha256 for view in views})
        )
    vectors = np.stack([np.frombuffer(cached[view.embedding_sha256], dtype="<f4") for view in views])
    documents = [page_of(uris[view.document_id]) for view in views]
    entries = [
        IndexEntry(
            passage_id=view.id,
            document_id=document,
            product_id=page_product(document),
            text=contextual_text(view.title, view.heading_path, view.text),
        )
        for view, document in zip(views, documents, strict=True)
    ]
    build_index(
        folder,
        entries,
        vectors,
        encoder_fingerprint=services.encoder.fingerprint,
        dimension=services.encoder.dimension,
        created_at=datetime.now(UTC),
    )
    index = open_index(folder, encoder_fingerprint=services.encoder.fingerprint)
    passages = ProductPassages(
        texts=[entry.text for entry in entries],
        documents=documents,
        numbers=index.products.numbers,
        vectors=vectors,
    )
    encoder_in_use = services.encoder
    services.close()
    return RayIndex(encoder=encoder_in_use, index=index, passages=passages)


def page_of(address: str) -> str:
    """A page or its source file, without address and ending: ``data/overview``."""
    return address.removeprefix(ADDRESS).rsplit(".", 1)[0]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file of the benchmark data."""
    if not path.is_file():
        raise SystemExit(f"error: no file {path}; name the folder ray_docs of the benchmark data")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fold_question(question: str) -> str:
    """A question as duplicates are told by: without case and double spaces."""
    return " ".join(question.casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """``product_questions.jsonl``: questions with the names of their products, in three parts.

    Attributes:
        held_out: Half of the distinct questions that were corrected by hand; never learnt from.
        corrected: The other half.
        uncorrected: The rest, without any question of the first part.
    """

    held_out: list[tuple[str, list[str]]]
    corrected: list[tuple[str, list[str]]]
    uncorrected: list[tuple[str, list[str]]]


def read_labelled(data: Path, *, seed: int = 0) -> LabelledRows:
    """Divide the labelled questions; what is asked in ``questions_dev.jsonl`` is left out of all parts."""
    asked = {fold_question(row["question"]) for row in read_rows(data / "questions_dev.jsonl")}
    rows = [
        row
        for row in read_rows(data / "product_questions.jsonl")
        if fold_question(row["question"]) not in asked
    ]
    by_hand = sorted({fold_question(row["question"]) for row in rows if row["corrected_by_hand"]})
    np.random.default_rng(seed).shuffle(by_hand)
    held_out = set(by_hand[: len(by_hand) // 2])
    parts: dict[str, list[tuple[str, list[str]]]] = {"held_out": [], "corrected": [], "uncorrected": []}
    for row in rows:
        is_held_out = fold_question(row["question"]) in held_out
        if is_held_out and not row["corrected_by_hand"]:
            continue
        part = "held_out" if is_held_out else "corrected" if row["corrected_by_hand"] else "uncorrected"
        parts[part].append((row["question"], label_products(row["product"])))
    return LabelledRows(**parts)

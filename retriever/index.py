"""An index version: one immutable directory with passages and the questions that they answer."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import numpy as np

from retriever.arrays import RowMask, Rows, Vectors
from retriever.documents import DocumentIndex, open_documents, write_documents
from retriever.errors import DimensionMismatch, EncoderMismatch, EntriesMismatch, IndexDamaged, IndexExists
from retriever.manifest import (
    FORMAT,
    MANIFEST_NAME,
    Manifest,
    check_files,
    read_manifest,
    record_files,
    render_manifest,
)
from retriever.products import ProductIndex, ProductModel, open_products, write_products
from retriever.questions import (
    IndexedQuestion,
    QuestionIndex,
    open_questions,
    read_pair_ids,
    write_questions,
)
from retriever.vectors import VectorIndex, open_vectors, write_vectors
from retriever.words import WordIndex, open_words, write_words
from retriever.writing import telling_full_disk

_ENTRIES = "entries.json"
_VECTORS = "vectors.faiss"
_WORDS = "words"
_DOCUMENTS = "documents.npy"
_QUESTIONS = "questions"
_PRODUCTS = "products.npz"
_NO_ROWS: Rows = np.empty(0, dtype=np.int64)

KeyT = TypeVar("KeyT")

LearnProducts = Callable[[VectorIndex, WordIndex], ProductModel | None]
"""Learns the products of an index from its finished vectors and words; None where nothing is to be learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One passage that is to be found.

    Attributes:
        passage_id: Its id, once per index.
        document_id: The document that it is a cut of.
        product_id: The product that the document is about, or None.
        text: What it is found by: the passage, with title and headings where the caller adds them. It
            is not stored.
    """

    passage_id: str
    document_id: str
    product_id: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Index:
    """An open index version. Read-only, and safe to search from any number of threads.

    Attributes:
        directory: Where it lies. Its files stay readable while the index is open, even if removed.
        manifest: What it says about itself.
        vectors: One vector per row.
        words: One bag of words per row: the passage's and those of the questions that it answers.
        questions: The questions of QA pairs, which lead to rows.
        documents: Which document each row belongs to, and where each document points.
        products: Which product each row is of, and what was learnt about them.
        passage_ids: The passage of each row.
        document_ids: The document of each row.
        rows_by_document: The rows of each document, rising.
        rows_by_product: The rows of each product, rising; those of no product under None.
    """

    directory: Path
    manifest: Manifest
    vectors: VectorIndex
    words: WordIndex
    questions: QuestionIndex
    documents: DocumentIndex
    products: ProductIndex
    passage_ids: Sequence[str]
    document_ids: Sequence[str]
    rows_by_document: Mapping[str, Rows]
    rows_by_product: Mapping[str | None, Rows]

    def __len__(self) -> int:
        return len(self.passage_ids)

    def allowed_rows(
        self, *, hidden_documents: Collection[str] = (), products: Collection[str | None] | None = None
    ) -> RowMask | None:
        """Which rows may be shown; None where nothing is held back.

        Args:
            hidden_documents: Documents that are never shown; unknown ids are ignored.
            products: The only products that are shown, None standing for documents of no product; or
                None for all.
        """
        if not hidden_documents and products is None:
            return None
        allowed = np.full(len(self), fill_value=products is None)  # (rows,)
        for product in products or ():
            allowed[self.rows_by_product.get(product, _NO_ROWS)] = True
        for document in hidden_documents:
            allowed[self.rows_by_document.get(document, _NO_ROWS)] = False
        return allowed


def build_index(
    directory: Path,
    entries: Sequence[IndexEntry],
    vectors: Vectors,
    *,
    encoder_fingerprint: str,
    dimension: int,
    created_at: datetime,
    questions: Sequence[IndexedQuestion] = (),
    question_vectors: Vectors | None = None,
    learn_products: LearnProducts | None = None,
) -> Manifest:
    """Write an index version, all of it or nothing.

    The files are written beside ``directory`` under a hidden name, flushed to the disk, and renamed
    at the end. What a killed build left under that name is removed by the next one, so only one build
    per directory may run at a time.

    Args:
        directory: A place that does not exist yet; its parent is created.
        entries: The passages, in any order; none is a valid index.
        vectors: (len(entries), dimension) float32 unit rows, in the same order.
        encoder_fingerprint: The encoder that made the vectors.
        dimension: What the encoder says.
        created_at: For the manifest.
        questions: The questions of QA pairs whose evidence is among the entries. Their words are added
            to those of their evidence.
        question_vectors: (len(questions), dimension) float32 unit rows, encoded as queries, in the same
            order; may be None where there are no questions.
        learn_products: What it learns about products becomes a part of the index; None for nothing.

    Raises:
        IndexExists: If ``directory`` exists.
        EntriesMismatch: If a passage id or pair id repeats, entries or questions differ in number from
            their vectors, or a question rests on nothing or on a passage that is no entry.
        DimensionMismatch, VectorsNotUnit: If the vectors are not what the encoder should give.
        OSError: If the disk is full.
    """
    _check_entries(entries, vectors)
    if question_vectors is None:
        question_vectors = np.empty((0, dimension), dtype=np.float32)
    passage_ids = [entry.passage_id for entry in entries]
    rows = {passage_id: row for row, passage_id in enumerate(passage_ids)}
    if directory.exists():
        raise IndexExists(directory)
    building = directory.with_name(f".{directory.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    try:
        with telling_full_disk(directory):
            building.mkdir(parents=True)
            _write_entries(building / _ENTRIES, entries)
            write_vectors(building / _VECTORS, vectors, dimension=dimension)
            write_documents(building / _DOCUMENTS, [entry.document_id for entry in entries], vectors)
            write_questions(building / _QUESTIONS, questions, question_vectors, rows, dimension=dimension)
            write_words(building / _WORDS, [entry.text for entry in entries])
            _write_products(building, learn_products)
            manifest = Manifest(
                format=FORMAT,
                created_at=created_at,
                encoder_fingerprint=encoder_fingerprint,
                dimension=dimension,
                passages=len(entries),
                documents=len({entry.document_id for entry in entries}),
                questions=len(questions),
                files=record_files(building),
            )
            (building / MANIFEST_NAME).write_bytes(render_manifest(manifest))
            _publish(building, directory)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return manifest


def _check_entries(entries: Sequence[IndexEntry], vectors: Vectors) -> None:
    if len(entries) != len(vectors):
        raise EntriesMismatch(f"there are {len(entries)} passages and {len(vectors)} vectors")
    if len({entry.passage_id for entry in entries}) != len(entries):
        raise EntriesMismatch("a passage id stands twice")


def _write_entries(path: Path, entries: Sequence[IndexEntry]) -> None:
    columns = {
        "passages": [entry.passage_id for entry in entries],
        "documents": [entry.document_id for entry in entries],
        "products": [entry.product_id for entry in entries],
    }
    path.write_text(json.dumps(columns), encoding="utf-8")


def _write_products(building: Path, learn: LearnProducts | None) -> None:
    if learn is None:
        return
    model = learn(open_vectors(building / _VECTORS), open_words(building / _WORDS))
    if model is not None:
        write_products(building / _PRODUCTS, model)


def _publish(building: Path, directory: Path) -> None:
    """Flush every file and folder, then give the whole its name in one step."""
    for path in (*building.rglob("*"), building):
        _flush(path)
    if directory.exists():  # someone else was quicker; a rename would replace an empty directory
        raise IndexExists(directory)
    building.rename(directory)
    _flush(directory.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_index(directory: Path, *, encoder_fingerprint: str) -> Index:
    """Open an index version after checking every byte of it.

    Args:
        directory: What `build_index` wrote.
        encoder_fingerprint: The encoder whose vectors will be searched for.

    Raises:
        IndexDamaged: If a file is missing or is not what was written; names the file.
        IndexFormatUnknown: If another version of the program wrote it.
        EncoderMismatch: If another encoder made its vectors.
    """
    manifest = read_manifest(directory)
    if manifest.encoder_fingerprint != encoder_fingerprint:
        raise EncoderMismatch(expected=encoder_fingerprint, got=manifest.encoder_fingerprint)
    check_files(directory, manifest)
    columns = json.loads((directory / _ENTRIES).read_text(encoding="utf-8"))
    index = Index(
        directory=directory,
        manifest=manifest,
        vectors=open_vectors(directory / _VECTORS),
        words=open_words(directory / _WORDS),
        questions=open_questions(directory / _QUESTIONS),
        documents=open_documents(directory / _DOCUMENTS, columns["documents"]),
        products=open_products(directory / _PRODUCTS, columns["products"]),
        passage_ids=columns["passages"],
        document_ids=columns["documents"],
        rows_by_document=_rows_by(columns["documents"]),
        rows_by_product=_rows_by(columns["products"]),
    )
    _check_counts(index)
    return index


def _rows_by(keys: Sequence[KeyT]) -> dict[KeyT, Rows]:
    rows: dict[KeyT, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: np.array(found, dtype=np.int64) for key, found in rows.items()}


def _check_counts(index: Index) -> None:
    counts = {len(index), len(index.vectors), len(index.words), index.manifest.passages}
    if len(counts) != 1:
        raise IndexDamaged(index.directory / MANIFEST_NAME, "names another number of passages than the files")
    if len({len(index.questions), len(index.questions.vectors), index.manifest.questions}) != 1:
        raise IndexDamaged(
            index.directory / MANIFEST_NAME, "names another number of questions than the files"
        )
    if index.vectors.dimension != index.manifest.dimension:
        raise DimensionMismatch(expected=index.manifest.dimension, got=index.vectors.dimension)


def read_names(directory: Path) -> frozenset[str]:
    """Ids of the documents and QA pairs that an index version holds, or what a killed build left of one."""
    names: set[str] = set()
    with contextlib.suppress(OSError, ValueError):  # what was not written yet names nothing
        names.update(json.loads((directory / _ENTRIES).read_text(encoding="utf-8"))["documents"])
    with contextlib.suppress(OSError, ValueError):
        names.update(read_pair_ids(directory / _QUESTIONS))
    return frozenset(names)

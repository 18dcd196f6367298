"""Which document each passage belongs to, and where each document as a whole points."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retriever.arrays import Rows, Vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DocumentIndex:
    """The documents of an index.

    Attributes:
        ids: Id of each document, in the order of their first passages.
        numbers: (rows,), the document of each passage, a position in ``ids``.
        vectors: (documents, dimension): the direction of the sum of a document's passages; unit rows, or
            zero where passages cancel out.
    """

    ids: Sequence[str]
    numbers: Rows
    vectors: Vectors


def number_documents(document_ids: Sequence[str]) -> tuple[list[str], Rows]:
    """Distinct ids in order of appearance, and each entry's position among them."""
    places: dict[str, int] = {}
    numbers = [places.setdefault(document_id, len(places)) for document_id in document_ids]
    return list(places), np.array(numbers, dtype=np.int64)


def write_documents(path: Path, document_ids: Sequence[str], vectors: Vectors) -> None:
    """Write the directions of documents.

    Args:
        path: File to write, ending in ``.npy``.
        document_ids: (n,), the document of each passage.
        vectors: (n, dimension), unit rows of the passages.
    """
    ids, numbers = number_documents(document_ids)
    sums = np.zeros((len(ids), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, numbers, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    np.save(path, sums / np.maximum(lengths, np.finfo(np.float32).tiny))


def open_documents(path: Path, document_ids: Sequence[str]) -> DocumentIndex:
    """Open what `write_documents` wrote for the same passages; vectors are memory-mapped.

    Raises:
        OSError, ValueError: If the file is missing or unreadable; checksums are checked before this.
    """
    ids, numbers = number_documents(document_ids)
    vectors: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    return DocumentIndex(ids=ids, numbers=numbers, vectors=np.asarray(vectors))

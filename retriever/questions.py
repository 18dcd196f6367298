"""An index's second part: the questions of QA pairs, each leading to the passages that answer it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retriever.arrays import RowMask, Rows, Vectors
from retriever.errors import EntriesMismatch
from retriever.vectors import EXACT_LIMIT, VectorIndex, open_vectors, write_vectors

_PAIRS = "pairs.json"
_VECTORS = "vectors.faiss"
_STARTS = "starts.npy"
_EVIDENCE = "evidence.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedQuestion:
    """The question of one QA pair.

    Attributes:
        pair_id: The pair, once per index.
        question: What the pair is found by. It is not stored.
        passage_ids: The passages that the pair's answer rests on: at least one, the best first; one
            that is named again counts once.
    """

    pair_id: str
    question: str
    passage_ids: tuple[str, ...]


class QuestionIndex:
    """The questions of an open index version. Read-only; any number of threads may ask it at once.

    Attributes:
        vectors: One vector per question.
        pair_ids: The pair of each question.
        rows_by_pair: The question of each pair.
    """

    def __init__(
        self, vectors: VectorIndex, pair_ids: Sequence[str], *, starts: Rows, evidence: Rows
    ) -> None:
        self.vectors = vectors
        self.pair_ids = pair_ids
        self.rows_by_pair = {pair_id: row for row, pair_id in enumerate(pair_ids)}
        self._starts = starts  # (questions + 1,): question i rests on evidence[starts[i] : starts[i + 1]]
        self._evidence = evidence  # (links,), rows of passages

    def __len__(self) -> int:
        return len(self.pair_ids)

    def evidence(self, row: int) -> list[int]:
        """The rows of the passages that one question's answer rests on: at least one, without repeats."""
        start, end = self._starts[row : row + 2].tolist()
        found: list[int] = self._evidence[start:end].tolist()
        return found

    def allowed_rows(self, *, passages: RowMask | None, hidden_pairs: Collection[str]) -> RowMask | None:
        """Which questions may be asked: those with a passage that may be shown; None for all.

        Args:
            passages: Rows of passages that may be shown; None for all.
            hidden_pairs: Pairs that must not be used; unknown ids are ignored.
        """
        if not len(self) or (passages is None and not hidden_pairs):
            return None
        allowed = np.ones(len(self), dtype=bool)
        if passages is not None:
            allowed = np.logical_or.reduceat(passages[self._evidence], self._starts[:-1])
        hidden = [self.rows_by_pair[pair] for pair in hidden_pairs if pair in self.rows_by_pair]
        allowed[hidden] = False
        return allowed


def write_questions(
    directory: Path,
    questions: Sequence[IndexedQuestion],
    vectors: Vectors,
    rows: Mapping[str, int],
    *,
    dimension: int,
    exact_limit: int = EXACT_LIMIT,
) -> None:
    """Write questions and what they rest on; row ``i`` is ``questions[i]``.

    Args:
        directory: A folder that does not exist yet.
        questions: Any number, none included.
        vectors: (len(questions), dimension) unit rows of the questions, encoded as queries.
        rows: The row of every passage of the index.
        dimension: What the encoder says.
        exact_limit: See `retriever.vectors.write_vectors`.

    Raises:
        EntriesMismatch: If questions and vectors differ in number, a pair id repeats, or a question
            rests on nothing or on a passage that the index does not hold.
        DimensionMismatch, VectorsNotUnit: If the vectors are not what the encoder should give.
    """
    _check_questions(questions, vectors)
    evidence = [_evidence_rows(question, rows) for question in questions]
    directory.mkdir()
    write_vectors(directory / _VECTORS, vectors, dimension=dimension, exact_limit=exact_limit)
    starts = np.cumsum([0, *map(len, evidence)], dtype=np.int64)
    np.save(directory / _STARTS, starts)
    np.save(directory / _EVIDENCE, np.array([row for found in evidence for row in found], dtype=np.int64))
    pair_ids = [question.pair_id for question in questions]
    (directory / _PAIRS).write_text(json.dumps(pair_ids), encoding="utf-8")


def _check_questions(questions: Sequence[IndexedQuestion], vectors: Vectors) -> None:
    if len(questions) != len(vectors):
        raise EntriesMismatch(f"there are {len(questions)} questions and {len(vectors)} vectors of them")
    if len({question.pair_id for question in questions}) != len(questions):
        raise EntriesMismatch("a pair id stands twice")


def _evidence_rows(question: IndexedQuestion, rows: Mapping[str, int]) -> list[int]:
    if not question.passage_ids:
        raise EntriesMismatch(f"pair {question.pair_id} rests on no passage")
    for passage_id in question.passage_ids:
        if passage_id not in rows:
            raise EntriesMismatch(f"pair {question.pair_id} rests on {passage_id}, which is no entry")
    return [rows[passage_id] for passage_id in dict.fromkeys(question.passage_ids)]


def open_questions(directory: Path, *, exact_limit: int = EXACT_LIMIT) -> QuestionIndex:
    """Open what `write_questions` wrote; vectors and evidence are memory-mapped.

    Raises:
        OSError, RuntimeError, ValueError: If a file is missing or unreadable; checksums are checked
            before this is called.
    """
    return QuestionIndex(
        open_vectors(directory / _VECTORS, exact_limit=exact_limit),
        read_pair_ids(directory),
        starts=_mapped(directory / _STARTS),
        evidence=_mapped(directory / _EVIDENCE),
    )


def read_pair_ids(directory: Path) -> list[str]:
    """The pair of each question that `write_questions` wrote."""
    pair_ids: list[str] = json.loads((directory / _PAIRS).read_text(encoding="utf-8"))
    return pair_ids


def _mapped(path: Path) -> Rows:
    array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(array)  # a plain view of the mapped pages: memmap's own slicing is slow

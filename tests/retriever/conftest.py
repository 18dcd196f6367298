from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.index import Index, IndexEntry, build_index, open_index
from retriever.questions import IndexedQuestion

BuildIndex = Callable[..., Index]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class BagEncoder:
    """A text's vector is the unit sum of its words' random vectors: shared words, shared direction."""

    dimension = 24
    max_tokens = 64
    fingerprint = "bag-of-words"

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            drawn = [self._draw(word) for word in text.lower().split() or [""]]
            vectors[row] = sum(drawn) / np.linalg.norm(sum(drawn))
        return vectors

    def token_offsets(self, text: str) -> list[int]:
        return [place for place in range(len(text)) if text[place : place + 1].strip()]

    def _draw(self, word: str) -> Vectors:
        return np.random.default_rng(crc32(word.encode())).normal(size=self.dimension).astype(np.float32)


@pytest.fixture
def encoder() -> Encoder:
    return BagEncoder()


@pytest.fixture
def built(tmp_path: Path, encoder: Encoder) -> BuildIndex:
    """Builds an index of some entries, and questions if there are any, and opens it."""

    def build(entries: Sequence[IndexEntry], questions: Sequence[IndexedQuestion] = ()) -> Index:
        directory = tmp_path / "indexes" / "version"
        build_index(
            directory,
            entries,
            encoder.encode_passages([entry.text for entry in entries]),
            encoder_fingerprint=encoder.fingerprint,
            dimension=encoder.dimension,
            created_at=NOW,
            questions=questions,
            question_vectors=encoder.encode_queries([question.question for question in questions]),
        )
        return open_index(directory, encoder_fingerprint=encoder.fingerprint)

    return build

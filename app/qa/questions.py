"""The questions of pairs that count, with their vectors, against which new ones are compared."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import select

from app.db.pair_drafts import PairStatus, question_sha256
from app.db.pair_evidence import missing_question_vectors
from app.db.passages import add_embeddings, get_embeddings
from app.db.session import Database
from app.db.tables import QAPair
from app.embedding import EMBEDDED_AT_ONCE
from retriever.arrays import Vectors
from retriever.encoder import Encoder

_FIRST_ROOM = 1024
# What was rejected is there too: the same found again must not be approved unseen.
_COMPARED = (PairStatus.APPROVED, PairStatus.PENDING, PairStatus.STALE, PairStatus.REJECTED)


def embed_questions(database: Database, encoder: Encoder) -> None:
    """Embed every approved pair's question that has no cached vector; commits as it goes."""
    while True:
        with database.reading() as session:
            questions = missing_question_vectors(session, encoder.fingerprint, limit=EMBEDDED_AT_ONCE)
        if not questions:
            return
        question_vectors(database, encoder, questions)


def question_vectors(database: Database, encoder: Encoder, questions: Sequence[str]) -> Vectors:
    """The vectors of questions, (len(questions), dimension); what was not cached is from now on."""
    digests = [question_sha256(question) for question in questions]
    with database.reading() as session:
        cached = get_embeddings(session, encoder.fingerprint, list(dict.fromkeys(digests)))
    missing = {digest: text for digest, text in zip(digests, questions, strict=True) if digest not in cached}
    if missing:
        encoded = encoder.encode_queries(list(missing.values()))
        fresh = {
            digest: np.ascontiguousarray(vector, dtype="<f4").tobytes()
            for digest, vector in zip(missing, encoded, strict=True)
        }
        with database.writing() as session:
            add_embeddings(session, encoder.fingerprint, fresh)
        cached |= fresh
    vectors = np.empty((len(digests), encoder.dimension), dtype=np.float32)
    for row, digest in enumerate(digests):
        vectors[row] = np.frombuffer(cached[digest], dtype="<f4")
    return vectors


class KnownQuestions:
    """Questions that were taken in so far; grows while pairs are filtered.

    Attributes:
        ids: Their pairs.
        questions: Their words.
        answers: The pairs' answers.
        splits: The pairs' splits.
        products: The pairs' products, by id; None for no product.
        origins: Who the pairs come from.
    """

    def __init__(self, database: Database, encoder: Encoder) -> None:
        self.ids: list[str] = []
        self.questions: list[str] = []
        self.answers: list[str] = []
        self.splits: list[str] = []
        self.products: list[str | None] = []
        self.origins: list[str] = []
        self._room: Vectors = np.empty((_FIRST_ROOM, encoder.dimension), dtype=np.float32)
        with database.reading() as session:
            rows = (
                session.execute(
                    select(QAPair).where(QAPair.status.in_(_COMPARED)).order_by(QAPair.created_at, QAPair.id)
                )
                .scalars()
                .all()
            )
        vectors = question_vectors(database, encoder, [row.question for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            self.add(row, vector)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def vectors(self) -> Vectors:
        """(len(self), dimension)."""
        return self._room[: len(self)]

    def add(self, pair: QAPair, vector: Vectors) -> None:
        """Take in one more."""
        if len(self) == len(self._room):
            self._room = np.concatenate([self._room, np.empty_like(self._room)])
        self._room[len(self)] = vector
        self.ids.append(pair.id)
        self.questions.append(pair.question)
        self.answers.append(pair.answer)
        self.splits.append(pair.split)
        self.products.append(pair.product_id)
        self.origins.append(pair.origin)

    def forget_after(self, count: int) -> None:
        """Drop all but the first ``count``."""
        for column in (self.questions, self.answers, self.splits, self.products, self.origins, self.ids):
            del column[count:]

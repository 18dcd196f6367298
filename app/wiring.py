"""Putting the parts together: settings in, services out. Models and indexes open when first needed."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Engine

from app.answering import Answerer, Event, Turn
from app.db.documents import deleted_documents
from app.db.indexes import live_index
from app.db.pair_evidence import withdrawn_pairs
from app.db.session import Database, migrate, open_engine
from app.models import Models
from app.qa.gaps import Gap, find_gaps
from app.search_log import SearchLog
from app.searching import Found, LiveIndex, find_passages
from app.settings import Settings
from generator.answers import AnswerConfig
from generator.models import Generator
from retriever.encoder import Encoder
from retriever.index import Index, open_index
from retriever.reranking import TimedReranker
from retriever.search import SearchConfig


class NotReady(Exception):
    """The service can't answer yet; the message says what is missing."""


class Busy(Exception):
    """More questions wait for the generator than are allowed to."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} questions are being answered or waiting already; try again in a while")


class JobNotFound(Exception):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r}; GET /v1/jobs lists them")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job: what it is, its state, and how far it is within its stage."""

    id: str
    kind: str
    state: str
    stage: str
    done: int
    total: int
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime


class Jobs(Protocol):
    """Work in the background, as the rest of the program sees it."""

    def ingest(self, versions: Sequence[tuple[str, int]]) -> str:
        """Start parsing, embedding and indexing document versions; the job's id."""
        ...

    def reindex(self) -> str:
        """Start bringing the index up to date; the job's id."""
        ...

    def build_pairs(self, *, write: int | None, after: str | None = None) -> str:
        """Start compiling QA pairs, once the job ``after`` has ended; the job's id."""
        ...

    def get(self, job_id: str) -> JobView:
        """One job; raises `JobNotFound`."""
        ...

    def recent(self, *, limit: int) -> list[JobView]:
        """The newest jobs first."""
        ...


class Services:
    """What routes, jobs and commands work with. Safe to share between threads.

    Args:
        settings: The settings of this process.
        engine: An engine of a migrated database.
        models: The models of these settings.
    """

    def __init__(self, settings: Settings, engine: Engine, models: Models) -> None:
        self.settings = settings
        self.database = Database(engine)
        self.search_log = SearchLog(self.database, kept=timedelta(days=settings.kept_searches_days))
        self._models = models
        self._opened: tuple[str, Index] | None = None
        self._opening = threading.Lock()
        self._asking = threading.BoundedSemaphore(settings.waiting_answers)

    @property
    def encoder(self) -> Encoder:
        """The encoder; see `Models.encoder`."""
        return self._models.encoder

    @property
    def search_config(self) -> SearchConfig:
        """How to search with the encoder; see `Models.search_config`."""
        return self._models.search_config

    @property
    def reranker(self) -> TimedReranker | None:
        """The reranker; see `Models.reranker`."""
        return self._models.reranker

    @property
    def generator(self) -> Generator:
        """The generator; see `Models.generator`."""
        return self._models.generator

    def live_index(self) -> LiveIndex:
        """The index that is live at this moment, opened if another version became live.

        Raises:
            NotReady: Before the first index was built.
            RetrieverError: If the index is damaged or belongs to another encoder.
        """
        with self.database.reading() as session:
            live = live_index(session)
            if live is None:
                raise NotReady("no index is live yet; upload documents, or run: footnote ingest PATH")
            hidden_documents = deleted_documents(session, since=live.created_at)
            hidden_pairs = withdrawn_pairs(session, since=live.created_at)
        opened = self._opened
        if opened is None or opened[0] != live.id:
            opened = self._open(live.id)
        return LiveIndex(
            id=live.id,
            index=opened[1],
            hidden_documents=hidden_documents,
            hidden_pairs=hidden_pairs,
        )

    def _open(self, index_id: str) -> tuple[str, Index]:
        with self._opening:
            if self._opened is None or self._opened[0] != index_id:
                directory = self.settings.indexes_folder / index_id
                index = open_index(directory, encoder_fingerprint=self.encoder.fingerprint)
                self._opened = (index_id, index)
            return self._opened

    def search(self, question: str, *, k: int, products: Sequence[str] | None = None) -> Found:
        """The passages that fit a question best; see `app.searching.find_passages`."""
        return find_passages(
            self.database,
            self.live_index(),
            self.encoder,
            question,
            k=k,
            products=products,
            config=self.search_config,
            reranker=self.reranker,
        )

    def stream_answer(
        self, question: str, *, products: Sequence[str] | None = None, conversation: Sequence[Turn] = ()
    ) -> Iterator[Event]:
        """Answer a question, sentence by checked sentence; see `app.answering.Answerer.stream`.

        Raises:
            Busy: At the first event, if too many questions are waiting already.
        """
        settings = self.settings
        config = AnswerConfig(prompt_tokens=settings.evidence_tokens, max_new_tokens=settings.answer_tokens)
        if not self._asking.acquire(blocking=False):
            raise Busy(settings.waiting_answers)
        try:
            answerer = Answerer(
                self.database,
                self.encoder,
                self.generator,
                search=self.search_config,
                passages=settings.evidence_passages,
                curated_similarity=settings.curated_similarity,
                config=config,
                reranker=self.reranker,
            )
            yield from answerer.stream(
                self.live_index(), question, products=products, conversation=conversation
            )
        finally:
            self._asking.release()

    def ask(
        self, question: str, *, products: Sequence[str] | None = None, conversation: Sequence[Turn] = ()
    ) -> dict[str, Any]:
        """Answer a question; the whole answer, as ``POST /v1/answers`` gives it."""
        *_, last = self.stream_answer(question, products=products, conversation=conversation)
        return last.data

    def gaps(self, *, limit: int) -> list[Gap]:
        """What readers ask and the documents do not answer; see `app.qa.gaps.find_gaps`."""
        return find_gaps(
            self.database, self.encoder, lambda question, k: self.search(question, k=k), limit=limit
        )

    def warm_up(self) -> None:
        """Load the models and open the live index, if there is one."""
        _ = self.encoder, self.generator, self.reranker
        with contextlib.suppress(NotReady):
            self.live_index()

    @property
    def models_are_loaded(self) -> bool:
        """Whether both models are in memory."""
        return self._models.are_loaded

    def close(self) -> None:
        """Write what is left of the search log, and give back the database's connections."""
        self.search_log.close()
        self.database.close()


def build_services(settings: Settings, models: Models | None = None) -> Services:
    """Services on a migrated database; nothing else is loaded yet.

    Args:
        settings: The settings of this process.
        models: Models of these settings that are loaded already, if there are any.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    return Services(settings, engine, models or Models(settings))

"""Putting the parts together: settings in, services out. Models and indexes open when first needed."""

import contextlib
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from app.answering import Answerer, Event, Turn
from app.bundles import Bundle
from app.db.session import Database, migrate, open_engine
from app.metrics import Metrics
from app.models import Models
from app.observability import logger
from app.qa.gaps import Gap, find_gaps
from app.search_log import SearchLog
from app.searching import Found, LiveIndex, find_passages
from app.serving import Serving
from app.settings import Settings
from app.tracing import note_stages
from generator.models import Generator
from retriever.encoder import Encoder
from retriever.reranking import TimedReranker
from retriever.search import SearchConfig


class NotReady(Exception):
    """The service can't answer yet; the message says what is missing."""


class Busy(Exception):
    """More questions wait for the generator than are allowed to."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} questions are being answered or waiting already; try again in a while")


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
        self.serving = Serving(settings, self.database, models)
        self.metrics = Metrics()
        self._not_warm: str | None = None
        self._asking = threading.BoundedSemaphore(settings.waiting_answers)
        # More at once than there are processors are no faster, and leave none to whoever waits for an answer.
        self._searching = threading.BoundedSemaphore(count_processors())

    @property
    def encoder(self) -> Encoder:
        """The encoder that answers now; see `Models.encoder`."""
        return self.serving.lineup().models.encoder

    @property
    def search_config(self) -> SearchConfig:
        """How to search with the encoder; see `Models.search_config`."""
        return self.serving.lineup().models.search_config

    @property
    def reranker(self) -> TimedReranker | None:
        """The reranker that answers now; see `Models.reranker`."""
        return self.serving.lineup().models.reranker

    @property
    def generator(self) -> Generator:
        """The generator that answers now; see `Models.generator`."""
        return self.serving.lineup().models.generator

    def bundle(self) -> Bundle:
        """All that answers a request that begins now; a request takes one, and uses it to its end.

        Raises:
            NotReady: Before the first index was built.
            ReleaseDamaged: If a release is live that this program can't use.
            RetrieverError: If the index is damaged or belongs to another encoder.
        """
        bundle = self.serving.bundle()
        if bundle is None:
            raise NotReady("no index is live yet; upload documents, or run: footnote ingest PATH")
        return bundle

    def live_index(self) -> LiveIndex:
        """The index that answers now; see `bundle`."""
        return self.bundle().live

    def search(
        self,
        question: str,
        *,
        k: int,
        products: Sequence[str] | None = None,
        allowed_products: Collection[str] | None = None,
    ) -> Found:
        """The passages that fit a question best; see `app.searching.find_passages`."""
        bundle = self.bundle()
        models = bundle.lineup.models
        with self._searching:
            found = find_passages(
                self.database,
                bundle.live,
                models.encoder,
                question,
                k=k,
                products=products,
                allowed_products=allowed_products,
                config=models.search_config,
                reranker=models.reranker,
            )
        self._observe(found.seconds)
        logger().info("searched", index=found.index_version, hits=len(found.hits), **_rounded(found.seconds))
        return found

    def stream_answer(
        self,
        question: str,
        *,
        products: Sequence[str] | None = None,
        allowed_products: Collection[str] | None = None,
        conversation: Sequence[Turn] = (),
    ) -> Iterator[Event]:
        """Answer a question, sentence by checked sentence; see `app.answering.Answerer.stream`.

        Raises:
            Busy: At the first event, if too many questions are waiting already.
        """
        if not self._asking.acquire(blocking=False):
            self.metrics.count_turned_away()
            raise Busy(self.settings.waiting_answers)
        try:
            with self.metrics.answering():
                yield from self._stream_answer(question, products, allowed_products, conversation)
        finally:
            self._asking.release()

    def _stream_answer(
        self,
        question: str,
        products: Sequence[str] | None,
        allowed_products: Collection[str] | None,
        conversation: Sequence[Turn],
    ) -> Iterator[Event]:
        bundle = self.bundle()
        models, thresholds = bundle.lineup.models, bundle.lineup.thresholds
        answerer = Answerer(
            self.database,
            models.encoder,
            models.generator,
            search=models.search_config,
            passages=thresholds.evidence_passages,
            curated_similarity=thresholds.curated_similarity,
            config=thresholds.answer,
            reranker=models.reranker,
            release=bundle.lineup.release,
        )
        events = answerer.stream(
            bundle.live,
            question,
            products=products,
            allowed_products=allowed_products,
            conversation=conversation,
        )
        for event in events:
            if event.name == "final_answer":
                self._record_answer(event.data)
            yield event

    def _observe(self, stages: Mapping[str, float]) -> None:
        self.metrics.observe_stages(stages)
        note_stages(stages)

    def _record_answer(self, answer: Mapping[str, Any]) -> None:
        """Count an answer and its stages, and log it without any of its words."""
        spent = {name: milliseconds / 1000 for name, milliseconds in answer["timings_ms"].items()}
        inner = ("encode", "rerank", "generate", "check")
        stages = {name: spent[name] for name in inner if name in spent}
        stages["search"] = spent["search"] - sum(stages.get(name, 0.0) for name in ("encode", "rerank"))
        self._observe(stages)
        self.metrics.count_answer(status=answer["status"], origin=answer["origin"])
        logger().info("answered", answer=answer["id"], status=answer["status"], **_rounded(stages))

    def ask(
        self,
        question: str,
        *,
        products: Sequence[str] | None = None,
        allowed_products: Collection[str] | None = None,
        conversation: Sequence[Turn] = (),
    ) -> dict[str, Any]:
        """Answer a question; the whole answer, as ``POST /v1/answers`` gives it."""
        *_, last = self.stream_answer(
            question, products=products, allowed_products=allowed_products, conversation=conversation
        )
        return last.data

    def gaps(self, *, limit: int, allowed_products: Collection[str] | None = None) -> list[Gap]:
        """What readers ask and the documents do not answer; see `app.qa.gaps.find_gaps`."""
        return find_gaps(
            self.database,
            self.encoder,
            lambda question, k: self.search(question, k=k, allowed_products=allowed_products),
            limit=limit,
            allowed_products=allowed_products,
        )

    def warm_up(self) -> None:
        """Load the models and open the live index, if there is one; `check_ready` tells what failed."""
        try:
            self.serving.lineup().models.load()
            with contextlib.suppress(NotReady):
                self.live_index()
        except Exception as error:
            self._not_warm = str(error)
            raise
        self._not_warm = None

    def check_ready(self) -> Bundle:
        """What answers now, without loading a model for it.

        Raises:
            NotReady: If models are not in memory, no index is live, or another release should answer.
            DATABASE_AWAY: One of them, if the database does not answer.
        """
        if self.serving.not_followed is not None:
            raise NotReady(f"the live release can't be loaded: {self.serving.not_followed}")
        if not self.serving.lineup().models.are_loaded:
            loading = "the models are being loaded; if this lasts, run: footnote doctor"
            raise NotReady(self._not_warm or loading)
        return self.bundle()

    def close(self) -> None:
        """End the watching, write what is left of the search log, give back the database's connections."""
        self.serving.close()
        self.search_log.close()
        self.database.close()


def count_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    """Stages as fields of a log line."""
    return {f"{stage}_ms": round(spent * 1000, 1) for stage, spent in seconds.items()}


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

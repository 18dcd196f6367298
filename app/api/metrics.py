"""``/metrics``: what Prometheus scrapes."""

import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from app.api.dependencies import UsesServices
from app.bundles import Bundle
from app.db.document_views import count_states
from app.db.documents import State
from app.db.indexes import IndexView, live_index
from app.failures import name_failure
from app.job_views import Jobs
from app.observability import logger
from app.wiring import Services
from generator.prompt import PROMPT_VERSION

router = APIRouter(tags=["health"])

READING_SECONDS = 2.0  # a scrape goes on without what a slow database could tell


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(services: UsesServices) -> Response:
    """Measures of this process and the state of the service, in Prometheus's text format."""
    content, media_type = services.metrics.render()
    return Response(content, media_type=media_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the database says, and what answers now; ``bundle`` is None where nothing does."""

    index: IndexView | None
    documents: Mapping[State, int]
    jobs: Mapping[tuple[str, str], int]
    bundle: Bundle | None


class StateCollector(Collector):
    """Reads the state of the service when it is scraped, for a short time only.

    Args:
        services: Of the application.
        jobs: Of the same.
    """

    def __init__(self, services: Services, jobs: Jobs) -> None:
        self._services = services
        self._jobs = jobs
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metrics")

    def collect(self) -> Iterable[Metric]:
        """The state as gauges; without those of the database where it does not answer in time."""
        yield CounterMetricFamily(
            "footnote_searches_dropped",
            "Searches that did not get on record because the database was away for long.",
            value=self._services.search_log.dropped,
        )
        yield GaugeMetricFamily(
            "footnote_home_free_bytes",
            "Free space of the disk that FOOTNOTE_HOME is on.",
            value=shutil.disk_usage(self._services.settings.home).free,
        )
        reading = self._reader.submit(self._read)
        try:
            state = reading.result(timeout=READING_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the scrape says
            reading.cancel()
            logger().error("state_not_read", reason=name_failure(error))
            state = None
        yield GaugeMetricFamily(
            "footnote_database_up", "Whether the database answered this scrape.", value=state is not None
        )
        is_ready = state is not None and state.bundle is not None
        yield GaugeMetricFamily(
            "footnote_ready", "Whether questions are answered, as /readyz.", value=is_ready
        )
        if state is not None:
            yield from _describe(state)

    def _read(self) -> _State:
        with self._services.database.reading() as session:
            index, documents = live_index(session), count_states(session)
        try:
            bundle = self._services.check_ready()
        except Exception:  # noqa: BLE001 - /readyz says why
            bundle = None
        return _State(index=index, documents=documents, jobs=self._jobs.counts(), bundle=bundle)

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=False, cancel_futures=True)


def _describe(state: _State) -> Iterable[Metric]:
    documents = GaugeMetricFamily("footnote_documents", "Versions of live documents.", labels=["state"])
    for step, count in state.documents.items():
        documents.add_metric([step.value], count)
    yield documents
    jobs = GaugeMetricFamily("footnote_jobs", "Jobs that wait, run, or failed.", labels=["kind", "state"])
    for (kind, name), count in state.jobs.items():
        jobs.add_metric([kind, name], count)
    yield jobs
    if state.index is not None:
        yield from _describe_index(state.index)
    if state.bundle is not None:
        yield _describe_versions(state.bundle)


def _describe_index(index: IndexView) -> Iterable[Metric]:
    age = (datetime.now(UTC) - index.created_at).total_seconds()
    yield GaugeMetricFamily("footnote_index_age_seconds", "Since the live index was built.", value=age)
    items = GaugeMetricFamily("footnote_index_items", "What the live index holds.", labels=["kind"])
    items.add_metric(["documents"], index.documents)
    items.add_metric(["passages"], index.passages)
    items.add_metric(["pairs"], index.pairs)
    yield items


def _describe_versions(bundle: Bundle) -> Metric:
    models = bundle.lineup.models
    live = {
        "release": bundle.lineup.release or "none",
        "index": bundle.live.id,
        "retriever": models.encoder.fingerprint,
        "generator": models.generator.fingerprint,
        "prompt": PROMPT_VERSION,
    }
    return InfoMetricFamily(
        "footnote_live", "Versions of what answers now, as answers name them.", value=live
    )

"""What this process counts and times while it serves, in the form that Prometheus reads.

Labels have few values: templates of routes, never addresses; stages and states, never questions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
UNMATCHED = "unmatched"  # the route of an address that there is none for
OTHER = "OTHER"  # any further method: a caller may invent them
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The measures of one application, in a registry of their own. Safe to share between threads."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for every one, which nobody reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "http_request_duration_seconds",
            "Time from a request to the end of its response.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "footnote_stage_duration_seconds",
            "Time that searches and answers spent in a stage.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answers = Counter(
            "footnote_answers",
            "Answers by status (abstained is a refusal) and by where their words come from.",
            ("status", "origin"),
            registry=self.registry,
        )
        self._answering = Gauge(
            "footnote_answers_in_progress",
            "Questions that are being answered or wait for the generator.",
            registry=self.registry,
        )
        self._refused = Counter(
            "footnote_questions_turned_away",
            "Questions that got 503 because too many waited already.",
            registry=self.registry,
        )

    def observe_request(self, *, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request; ``route`` is the template of its path, None where there is none."""
        labels = {"method": method if method in METHODS else OTHER, "route": route or UNMATCHED}
        self._requests.labels(**labels, status=str(status)).inc()
        self._latency.labels(**labels).observe(seconds)

    def observe_stages(self, seconds: Mapping[str, float]) -> None:
        """Record how long the stages of a search or an answer took."""
        for stage, spent in seconds.items():
            self._stages.labels(stage=stage).observe(spent)

    def count_answer(self, *, status: str, origin: str) -> None:
        """Count an answer or a refusal."""
        self._answers.labels(status=status, origin=origin).inc()

    def count_turned_away(self) -> None:
        """Count a question that found too many before it."""
        self._refused.inc()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count a question as being answered, or waiting, while the block runs."""
        with self._answering.track_inprogress():
            yield

    def render(self) -> tuple[bytes, str]:
        """Everything as Prometheus reads it, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

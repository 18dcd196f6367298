"""What this process counts and times while it serves or works, in the form that Prometheus reads.

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
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
UNMATCHED = "unmatched"  # the route of an address that there is none for
OTHER = "OTHER"  # any further method: a caller may invent them
STEP_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
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
        self._steps = Histogram(
            "footnote_job_step_duration_seconds",
            "Time that steps of jobs took in this process, by how they ended: ended, failed or stopped.",
            ("kind", "step", "outcome"),
            buckets=STEP_SECONDS,
            registry=self.registry,
        )
        self._retried = Counter(
            "footnote_job_steps_retried",
            "Steps that were begun again after a failure that may pass.",
            ("kind", "step"),
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

    def observe_step(self, *, kind: str, step: str, outcome: str, seconds: float) -> None:
        """Record how long a step of a job took, and how it ended."""
        self._steps.labels(kind=kind, step=step, outcome=outcome).observe(seconds)

    def count_retry(self, *, kind: str, step: str) -> None:
        """Count a step that is begun again."""
        self._retried.labels(kind=kind, step=step).inc()

    def render(self) -> tuple[bytes, str]:
        """Everything as Prometheus reads it, and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class PortTaken(Exception):
    """The address for the metrics of a worker can't be bound to."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"can't serve metrics on {host}:{port} ({error.strerror}); give another --metrics-port or "
            "--metrics-host"
        )


def serve_metrics(metrics: Metrics, host: str, port: int) -> int:
    """Serve the measures of a process that serves nothing else, over HTTP, until the process ends.

    Args:
        metrics: Of this process.
        host: The address to bind to.
        port: 0 for any that is free.

    Returns:
        The port.

    Raises:
        PortTaken: If that address can't be had.
    """
    try:
        server, _thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise PortTaken(host, port, error) from error
    return server.server_port

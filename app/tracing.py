"""Spans of requests and of jobs' steps, for OpenTelemetry. Without an address for them they are not kept.

A span has numbers, ids and templates of routes, never the words of a question or a document.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

import structlog
from opentelemetry import propagate, trace

from app.settings import Settings, SettingsInvalid

_TRACER = trace.get_tracer("footnote", version("footnote"))


def configure_tracing(settings: Settings) -> Callable[[], None]:
    """Send spans to ``traces_address``, in batches from a thread of their own, if there is one.

    Returns:
        To be called at the end: it sends those that wait.

    Raises:
        SettingsInvalid: If the packages for it are missing.
    """
    if settings.traces_address is None:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise SettingsInvalid(
            f"traces_address needs packages that are not here ({error.name}): pip install 'footnote[traces]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "footnote"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_address)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def request_span(method: str, headers: Mapping[str, str]) -> Iterator[Callable[[str | None, int], None]]:
    """A span of a request, within the caller's if its header ``traceparent`` names one.

    Yields:
        What tells the span how it ended: the template of the route, or None, and the status.
    """
    with _TRACER.start_as_current_span(
        method,
        context=propagate.extract(headers),
        kind=trace.SpanKind.SERVER,
        attributes=_bound(),
        record_exception=False,
    ) as span:

        def end(route: str | None, status: int) -> None:
            span.update_name(method if route is None else f"{method} {route}")
            span.set_attributes({"http.request.method": method, "http.response.status_code": status})
            if route is not None:
                span.set_attribute("http.route", route)
            if status >= 500:  # noqa: PLR2004 - where HTTP's faults of a server begin
                span.set_status(trace.StatusCode.ERROR)

        yield end


@contextmanager
def step_span(name: str) -> Iterator[None]:
    """A span of a job's step; an exception marks it, without its message."""
    with _TRACER.start_as_current_span(
        f"step {name}", attributes=_bound(), record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def note_stages(seconds: Mapping[str, float]) -> None:
    """Put how long the stages of a search or an answer took on the span of its request."""
    trace.get_current_span().set_attributes(
        {f"footnote.{stage}_seconds": round(spent, 4) for stage, spent in seconds.items()}
    )


def _bound() -> dict[str, str]:
    """The fields that lines of the log have as well: ids of request and job, and the job's kind."""
    fields = structlog.contextvars.get_contextvars()
    return {f"footnote.{name}": str(value) for name, value in fields.items()}

"""Structured logs: one event a line, never the text of a document or a question."""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

Keep = Callable[[Mapping[str, Any]], object]

_keep: ContextVar[Keep | None] = ContextVar("keep", default=None)

_LIBRARIES = (
    "alembic",
    "bm25s",
    "dbos",
    "httpx",
    "sentence_transformers",
    "trafilatura",
    "transformers",
)


def configure_logging(level: str) -> None:
    """Send structured events to standard error, as text on a terminal and as JSON otherwise.

    What libraries say of their own goes the same way, from warnings on.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    shown = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[*shared, _keep_line, _drop_below(shown), describe_exception, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(min(shown, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, describe_exception],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _quieten_libraries()


@contextmanager
def kept_lines(keep: Keep) -> Iterator[None]:
    """Meanwhile ``keep`` gets every line that this thread logs from level info on, shown or not."""
    token = _keep.set(keep)
    try:
        yield
    finally:
        _keep.reset(token)


def _keep_line(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.ProcessorReturnValue:
    keep = _keep.get()
    if keep is not None and line["level"] != "debug":
        keep(dict(line))
    return line


def _drop_below(shown: int) -> structlog.typing.Processor:
    """Show only lines of this level and above; the jobs' own log has kept theirs before."""
    levels = logging.getLevelNamesMapping()

    def drop(
        _logger: object, _method: str, line: structlog.typing.EventDict
    ) -> structlog.typing.ProcessorReturnValue:
        if levels[line["level"].upper()] < shown:
            raise structlog.DropEvent
        return line

    return drop


def describe_exception(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say where an exception comes from, without its message: that may quote a document or a question."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else (sys.exc_info()[1] if given else None)
    if isinstance(given, tuple):
        error = given[1]
    if error is not None:
        event["exception"] = " <- ".join(_describe(one) for one in _chain(error))
    return event


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and what it came from, the first last."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _describe(error: BaseException) -> str:
    """Type and frames of an exception, the innermost first."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = ", ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__module__}.{type(error).__qualname__} at {places}"


def _quieten_libraries() -> None:
    """Keep libraries that write at every start (load reports, advice) out of the logs."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(transformers|sentence_transformers|torch)\..*")


def adopt_logger(name: str) -> None:
    """Let a library that writes by itself write as all others do."""
    adopted = logging.getLogger(name)
    adopted.handlers.clear()
    adopted.propagate = True


def logger() -> structlog.typing.FilteringBoundLogger:
    """The logger of the calling module."""
    bound_logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound_logger


def bound(**fields: object) -> AbstractContextManager[object]:
    """Fields of every event that is logged in this block, also by threads that work for a request.

    Those that are None are left out.
    """
    return structlog.contextvars.bound_contextvars(
        **{name: value for name, value in fields.items() if value is not None}
    )


def current_request_id() -> str | None:
    """Id of the request that this thread works for."""
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found

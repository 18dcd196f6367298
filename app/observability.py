"""Structured logs: one event a line, never the text of a document."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

Keep = Callable[[Mapping[str, Any]], object]

_keep: ContextVar[Keep | None] = ContextVar("keep", default=None)


def configure_logging(level: str) -> None:
    """Send structured events to standard error, as text on a terminal and as JSON otherwise."""
    terminal = sys.stderr.isatty()
    on_terminal = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: structlog.typing.Processor = on_terminal if terminal else structlog.processors.JSONRenderer()
    shown = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _keep_line,
            _drop_below(shown),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(shown, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
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


def _quieten_libraries() -> None:
    """Keep libraries that write at every start (load reports, advice) out of the logs."""
    for name in ("transformers", "sentence_transformers", "dbos", "bm25s", "alembic", "httpx", "trafilatura"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(transformers|sentence_transformers|torch)\..*")


def logger() -> structlog.typing.FilteringBoundLogger:
    """The logger of the calling module."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound

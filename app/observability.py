"""Structured logs: one event a line, never the text of a document."""

import logging
import sys
import warnings

import structlog


def configure_logging(level: str) -> None:
    """Send structured events to standard error, as text on a terminal and as JSON otherwise."""
    terminal = sys.stderr.isatty()
    on_terminal = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: structlog.typing.Processor = on_terminal if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _quieten_libraries()


def _quieten_libraries() -> None:
    """Keep libraries that write at every start (load reports, advice) out of the logs."""
    for name in ("transformers", "sentence_transformers", "dbos", "bm25s", "alembic", "httpx", "trafilatura"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(transformers|sentence_transformers|torch)\..*")


def logger() -> structlog.typing.FilteringBoundLogger:
    """The logger of the calling module."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return bound

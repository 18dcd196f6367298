"""Processes that run jobs, for tests that kill them. A fork server has the libraries loaded already."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from unittest import mock

import retriever.sentence_transformer_encoder  # noqa: F401 - once in the fork server, not in every worker
from app.job_engine import JobEngine
from app.settings import Settings
from app.wiring import build_services
from app.workflows import Run

DEADLINE_SECONDS = 300


def run_worker(settings: Settings) -> None:
    """What ``footnote worker`` does, until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    services = build_services(settings)
    engine = JobEngine(services)
    engine.start()
    ended.wait()
    engine.stop()
    services.close()


def run_hanging_worker(settings: Settings) -> None:
    """A worker that never ends the first step of an ingest."""

    def hang(run: Run, _versions: object) -> None:
        run.step("renew", lambda: time.sleep(DEADLINE_SECONDS))

    with mock.patch("app.job_engine.ingest_versions", hang):
        run_worker(settings)


@contextmanager
def worker(settings: Settings, target: Callable[[Settings], None] = run_worker) -> Iterator[BaseProcess]:
    """A process that runs jobs; it ends with the block, if it was not killed in it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.app.worker_processes"])
    process = context.Process(target=target, args=(settings,), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join(DEADLINE_SECONDS)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)

"""Workers and commands in processes of their own, also to be killed; a fork server has their libraries."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import retriever.sentence_transformer_encoder  # noqa: F401 - once in the fork server, not in every process
from app.cli.program import main
from app.job_engine import JobEngine
from app.settings import Settings
from app.wiring import build_services
from app.workflows import Run
from tests.conftest import ENCODER, GENERATOR, MODELS

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


def run_former_worker(settings: Settings) -> None:
    """A worker of before an upgrade that changed the steps of jobs; it hangs in the first."""
    with mock.patch("app.job_engine.WORKFLOWS_VERSION", "0"):
        run_hanging_worker(settings)


@contextmanager
def worker(settings: Settings, target: Callable[[Settings], None] = run_worker) -> Iterator[BaseProcess]:
    """A process that runs jobs; it ends with the block, if it was not killed in it."""
    process = _start(target, settings)
    try:
        yield process
    finally:
        process.terminate()
        process.join(DEADLINE_SECONDS)


def _start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.app.processes"])
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def run_command(arguments: tuple[str, ...], environment: Mapping[str, str], written: Path) -> None:
    """The program with these arguments; what it prints goes into files of this folder."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        with (written / name).open("w") as file:
            os.dup2(file.fileno(), number)
    os.environ.update(environment)
    sys.argv = ["footnote", *arguments]
    main()


def start_command(settings: Settings, written: Path, *arguments: str, **more: str) -> BaseProcess:
    """The program as a process, with a home, models and database of these settings."""
    environment = {
        "FOOTNOTE_HOME": str(settings.home),
        "FOOTNOTE_MODELS": str(settings.models_folder),
        "FOOTNOTE_GENERATOR": settings.generator,
        **more,
    }
    if settings.database_url is not None:
        environment["FOOTNOTE_DATABASE_URL"] = settings.database_url
    return _start(run_command, arguments, environment, written)


def footnote(home: Path, *arguments: str, **settings: str) -> CompletedProcess[str]:
    """What the program printed, and its exit code; offline, and quick to answer."""
    environment = {
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_MODELS": str(MODELS),
        "FOOTNOTE_ENCODER": ENCODER,
        "FOOTNOTE_GENERATOR": GENERATOR,
        "FOOTNOTE_OFFLINE": "true",
        "FOOTNOTE_EVIDENCE_TOKENS": "150",
        "FOOTNOTE_ANSWER_TOKENS": "30",
        **settings,
    }
    with TemporaryDirectory() as folder:
        process = _start(run_command, arguments, environment, Path(folder))
        process.join(DEADLINE_SECONDS)
        assert process.exitcode is not None, f"footnote {' '.join(arguments)} did not end"
        printed = [(Path(folder) / name).read_text() for name in ("stdout", "stderr")]
    return CompletedProcess(arguments, process.exitcode, *printed)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)

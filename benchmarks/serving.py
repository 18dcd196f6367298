"""The server as a process of its own: how soon it is ready, and how much memory it takes under load."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.settings import Settings
from benchmarks.homes import corpus_home

PORT = 18080
READY_SECONDS = 180
SEARCHES = 200
CLIENTS = 4


def measure_server(settings: Settings, docs: Path, _documents: int, questions: int) -> dict[str, Any]:
    """Start, ask and search at once from several clients, and read the peak of resident memory."""
    from benchmarks.searching import QUESTIONS  # noqa: PLC0415 - that module serves by this one

    corpus = corpus_home(settings, docs)
    began = time.perf_counter()
    with serving(corpus) as (address, process):
        ready = time.perf_counter() - began
        with (
            httpx.Client(base_url=address, timeout=600, trust_env=False) as client,
            ThreadPoolExecutor(CLIENTS) as pool,
        ):
            asked = [
                pool.submit(client.post, "/v1/answers", json={"question": question})
                for question in QUESTIONS[: min(questions, CLIENTS)]
            ]
            searched = [
                pool.submit(client.post, "/v1/search", json={"question": QUESTIONS[n % len(QUESTIONS)]})
                for n in range(SEARCHES)
            ]
            codes = {response.result().status_code for response in asked + searched}
        peak = resident_bytes(process.pid, peak=True)
    return {
        "ready after, s": round(ready, 1),
        "answers and searches": len(asked) + len(searched),
        "status codes": sorted(codes),
        "peak resident memory, GB": round(peak / 1e9, 2),
    }


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``footnote serve`` as a process, ready for questions; its address and the process."""
    environment = os.environ | {
        "FOOTNOTE_HOME": str(settings.home.resolve()),
        "FOOTNOTE_MODELS": str(settings.models_folder.resolve()),
        "FOOTNOTE_ANSWER_TOKENS": str(settings.answer_tokens),
        "FOOTNOTE_SERVE_JOBS": str(settings.serve_jobs),
        "FOOTNOTE_LOG_LEVEL": "error",
    }
    environment.pop("FOOTNOTE_DATABASE_URL", None)  # of the real home; these settings say what counts
    if settings.database_url is not None:
        environment["FOOTNOTE_DATABASE_URL"] = settings.database_url
    address = f"http://127.0.0.1:{PORT}"
    command = [sys.executable, "-m", "app.cli.program", "serve", "--port", str(PORT)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_ready(address, process)
        yield address, process
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server on {address} did not get ready")


def resident_bytes(pid: int, *, peak: bool = False) -> int:
    """Resident memory now, or the peak of it so far, from the kernel's own account of the process."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} has no {name}")

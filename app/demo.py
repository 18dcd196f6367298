"""``make demo``: documents in, pairs compiled, a server up, four questions answered with footnotes."""

import argparse
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvicorn

from app.api.access_control import make_key_if_needed
from app.catalogue import ModelUnavailable
from app.cli.documents import ingest_files, print_summary
from app.cli.keys import show_key
from app.cli.output import end_at_once, out, progress_bars
from app.cli.pairs import build_pairs, print_statistics
from app.db.api_keys import Role, any_key, create_key
from app.db.document_views import list_documents
from app.db.pairs import PairStatistics
from app.downloads import Progress
from app.main import create_app
from app.models import fetch_models
from app.observability import configure_logging
from app.rendering import render_answer
from app.settings import Settings, calm_idle_threads, load_settings
from app.wiring import Services, build_services

DJANGO = "Django==5.2"
DJANGO_PRODUCT = "Django"
DJANGO_ADDRESS = "https://docs.djangoproject.com/en/5.2/"
DJANGO_QUESTIONS = (
    "Which versions of Python does Django 5.2 support?",
    "What is the default value of SESSION_COOKIE_AGE?",
    "How can I run a single test case from the command line?",
    "What does Django mean, and how do you pronounce it?",
)
READY_TIMEOUT_SECONDS = 120
ANSWER_TIMEOUT_SECONDS = 600
KEY_LASTS = timedelta(hours=1)


class DemoFailed(Exception):
    """A step of the demonstration did not work; the message says which and what to do."""


def main() -> None:
    """Run the demonstration; ``--docs`` names a folder of the reader's own documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, help="a folder of your own documents; Django's if not given")
    parser.add_argument("--stop", action="store_true", help="end after the answers instead of serving on")
    arguments = parser.parse_args()
    calm_idle_threads()
    configure_logging("warning")
    settings = load_settings()
    if arguments.docs is not None:  # the reader's documents get a home of their own beside Django's
        own = settings.home / "own-documents"
        settings = load_settings(home=own, models=settings.models_folder, database_url=None)
    try:
        _run(settings, arguments.docs, stop=arguments.stop)
    except (DemoFailed, ModelUnavailable, httpx.HTTPError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        out.print("\ninterrupted; the next run goes on where this one was", highlight=False)
    end_at_once(0)


def _run(settings: Settings, docs: Path | None, *, stop: bool) -> None:
    with progress_bars() as progress:
        fetch_models(settings, progress)
        folder = django_docs(settings.home, progress) if docs is None else docs.resolve()
        services = build_services(settings)
        prefix = DJANGO_ADDRESS if docs is None else None
        product = DJANGO_PRODUCT if docs is None else None
        summary = ingest_files(services, [folder], uri_prefix=prefix, product=product, progress=progress)
        compiled = build_pairs(services, write=0, progress=progress)
        questions = DJANGO_QUESTIONS if docs is None else _own_questions(services)
        key = _key(services)
        services.close()
    print_summary(summary)
    print_statistics(PairStatistics(**compiled["pairs"]))
    with _serving(settings) as address:
        for question in questions:
            out.rule(question, align="left")
            answer = httpx.post(
                f"{address}/v1/answers",
                json={"question": question},
                headers={} if key is None else {"Authorization": f"Bearer {key}"},
                timeout=ANSWER_TIMEOUT_SECONDS,
                trust_env=False,  # no proxy stands between this machine and itself
            )
            answer.raise_for_status()
            text = render_answer(answer.json(), address=address)
            out.print(text, highlight=False, markup=False, soft_wrap=True)
        if not stop:
            out.print(
                f"\nServing on {address} (documentation at {address}/docs); Ctrl-C ends", highlight=False
            )
            threading.Event().wait()


def _key(services: Services) -> str | None:
    """A key to ask the questions with, where the server asks for one."""
    issued = make_key_if_needed(services.settings)
    if issued is not None:
        show_key(issued)
        return issued.token
    with services.database.writing() as session:
        if not any_key(session):
            return None
        now = datetime.now(UTC)
        return create_key(session, name="demo", role=Role.ASK, expires_at=now + KEY_LASTS, now=now).token


def _own_questions(services: Services) -> Sequence[str]:
    """Questions from the titles of three documents, since nobody has asked any yet."""
    with services.database.reading() as session:
        titles = [view.title for view in list_documents(session, after=None, limit=500) if view.passages]
    if not titles:
        raise DemoFailed("none of these files could be read; the table above says why")
    step = max(1, len(titles) // 3)
    return [f"What do the documents say about {title}?" for title in titles[::step][:3]]


def django_docs(home: Path, progress: Progress) -> Path:
    """Django's ``docs/`` folder, out of its source distribution, fetched once with pip."""
    target = home / "django-docs"
    if target.is_dir():
        return target
    progress("Fetching Django's documentation", 0, 1)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-binary", "django", "--dest", folder, DJANGO]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
        archives = sorted(Path(folder).glob("*.tar.gz"))
        if done.returncode != 0 or not archives:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise DemoFailed(f"pip download {DJANGO}: {reason}; or try: make demo DOCS=path/to/folder")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        docs = next(Path(folder).glob("*/docs"))
        try:
            docs.rename(target)  # whole or not at all; a move would put it inside a folder that is there
        except OSError:
            if not target.is_dir():  # else another demonstration was quicker
                raise
    progress("Fetching Django's documentation", 1, 1)
    return target


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    """A server in a thread of this process, ready for questions; its address."""
    address = f"http://{settings.host}:{settings.port}"
    config = uvicorn.Config(
        create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        _wait_until_ready(address, server, thread)
        yield address
    except KeyboardInterrupt:
        pass
    finally:
        server.should_exit = True
        thread.join()


def _wait_until_ready(address: str, server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    reason = "no answer"
    while time.monotonic() < deadline and thread.is_alive():
        time.sleep(0.3)
        if not server.started:  # another server may answer on this port
            continue
        try:
            response = httpx.get(f"{address}/readyz", timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            reason = str(error)
        else:
            if response.status_code == httpx.codes.OK:
                return
            reason = response.json()["detail"]
    raise DemoFailed(
        f"the server on {address} is not ready: {reason}; is the port free? FOOTNOTE_PORT sets another"
    )


if __name__ == "__main__":
    main()

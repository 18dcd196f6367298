"""Homes for measurements: an empty one, and one with a corpus that is kept between runs."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from app.cli.documents import ingest_files
from app.demo import DJANGO_ADDRESS, DJANGO_PRODUCT
from app.model_folders import TUNED
from app.settings import Settings, load_settings
from app.wiring import build_services
from benchmarks.postgres import copy_rows, empty_database, postgres_server


@contextmanager
def empty_home(settings: Settings, *, postgresql: bool = False) -> Iterator[Settings]:
    """The same settings with a new home, removed afterwards; the models stay where they are.

    With ``postgresql`` its rows are in a PostgreSQL that is started for it.
    """
    with tempfile.TemporaryDirectory(prefix="footnote-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        with _postgresql() if postgresql else nullcontext() as url:
            yield load_settings(home=home, models=settings.models_folder, database_url=url)


@contextmanager
def copied_home(
    settings: Settings, *, postgresql: bool = False, own_models: bool = False, **others: Any
) -> Iterator[Settings]:
    """The same settings, and ``others``, with a copy of the home without evaluations, runs and models.

    With ``postgresql`` the copy's rows are in a PostgreSQL that is started for it. With ``own_models`` what
    is tuned stays in the copy too: its models folder has links to the models that were not tuned.
    """
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder, ExitStack() as servers:
        home = Path(folder) / "home"
        left = shutil.ignore_patterns("evaluations", "training*", "models")
        shutil.copytree(settings.home, home, ignore=left)
        models = settings.models_folder
        if own_models:
            models = _link_models(models, home / "models")
        places = {"home": home, "models": models}
        own = load_settings(**places, database_url=None, **others)
        if postgresql:
            url = servers.enter_context(_postgresql())
            copy_rows(own, url)
            own = load_settings(**places, database_url=url, **others)
        yield own


@contextmanager
def _postgresql() -> Iterator[str]:
    """The address of an empty database of a server that stops afterwards."""
    with postgres_server() as address, empty_database(address) as url:
        yield url


def _link_models(models: Path, linked: Path) -> Path:
    linked.mkdir()
    for path in models.iterdir():
        if path.is_dir() and path.name != TUNED:
            (linked / path.name).symlink_to(path.resolve())
    return linked


def corpus_home(settings: Settings, docs: Path) -> Settings:
    """The demonstration's own home, with the documents of ``docs`` in it; a second call adds nothing."""
    services = build_services(settings)
    ingest_files(services, [docs], uri_prefix=DJANGO_ADDRESS, product=DJANGO_PRODUCT, progress=_silent)
    services.close()
    return settings


def _silent(_what: str, _done: int, _total: int) -> None:
    pass

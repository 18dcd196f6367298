"""Opening what an evaluation asks: a suite in a home of its own, or the pairs of this home."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from app.cli.documents import ingest_files
from app.cli.output import err
from app.downloads import Progress
from app.evaluations.questions import Asked, pair_questions, suite_questions
from app.settings import Settings, load_settings
from app.wiring import Services, build_services
from finetune.suites import SuiteInvalid, load_suite


@contextmanager
def open_questions(
    services: Services, suite: str | None, pairs: Literal["dev", "test"] | None, progress: Progress
) -> Iterator[tuple[Services, Asked]]:
    """Where the documents are, and what is asked of them.

    Args:
        services: Of this home.
        suite: Folder or name of a suite, whose documents are ingested first; None for the pairs of this home.
        pairs: Their split; dev if None.
        progress: Told how far it is.

    Raises:
        SuiteInvalid: If there is nothing to ask.
    """
    if suite is None:
        yield services, pair_questions(services.database, services.settings, pairs or "dev")
        return
    settings = services.settings
    loaded = load_suite(_suite_folder(settings, suite))
    home = settings.home / "evaluations" / loaded.manifest.name
    own = load_settings(home=home, models=settings.models_folder, database_url=None)
    with closing(build_services(own)) as corpus:
        summary = ingest_files(
            corpus,
            [loaded.documents],
            uri_prefix=loaded.manifest.uri_prefix,
            product=loaded.product_of,
            progress=progress,
        )
        for failure in summary["failed"]:
            err.print(
                f"not in the suite: {failure['file']}: {failure['error']}", markup=False, soft_wrap=True
            )
        yield corpus, suite_questions(corpus.database, loaded)


def _suite_folder(settings: Settings, suite: str) -> Path:
    for folder in (Path(suite), settings.home / "suites" / suite):
        if folder.is_dir():
            return folder
    raise SuiteInvalid(
        f"no suite {suite!r} here or in {settings.home / 'suites'}; docs/evaluation.md tells how to make one"
    )

"""``footnote ingest`` and ``footnote reindex``."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.output import out, print_json, print_table, progress_bars
from app.db.documents import Outcome, pending_versions
from app.db.indexes import corpus_sha256, live_index
from app.downloads import Progress
from app.failures import retry_temporary
from app.folders import FoundFile, find_files, printable
from app.job_engine import JobEngine
from app.job_lock import EngineElsewhere
from app.job_views import JobView
from app.jobs import JobQueue
from app.models import fetch
from app.settings import load_settings
from app.uploads import UploadTooLarge, accept_upload
from app.wiring import Services, build_services
from ingest.errors import IngestError, UnsupportedType

POLLING_SECONDS = 0.2
SHOWN_FAILURES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that was not taken in, and why."""

    file: str
    error: str


class JobFailed(Exception):
    """A job ended in an error."""


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; folders are walked.")],
    product: Annotated[str | None, typer.Option(help="The product that these documents are about.")] = None,
    uri_prefix: Annotated[
        str | None, typer.Option(help="Address of the folder; a file's address is this and its path below.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take in files, and make them searchable."""
    services = build_services(load_settings())
    with progress_bars() as progress:
        fetch(services.settings, services.settings.encoder, progress)
        summary = ingest_files(services, paths, product=product, uri_prefix=uri_prefix, progress=progress)
    services.close()
    if json:
        print_json(summary)
    else:
        print_summary(summary)
    if summary["failed"]:
        raise typer.Exit(1)


def ingest_files(
    services: Services,
    paths: Sequence[Path],
    *,
    product: str | Callable[[str], str | None] | None = None,
    uri_prefix: str | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Store every file below these paths and wait until all are searchable.

    Files that are there already are not touched, and nothing is loaded if nothing is new.

    Args:
        services: Where they go.
        paths: Files and folders.
        product: What they are about, or what tells it from a file's path below the folder that was named.
        uri_prefix: Address of the folder; the file's own address if None.
        progress: Told how far it is.

    Returns:
        Counts ``stored``, ``unchanged``; ``skipped``, the number of files of types that nothing reads, by
        reason; ``failed``, a list of file and error; ``near_duplicates``; ``index_version``.
    """
    files = list(find_files(paths))
    outcomes: Counter[Outcome] = Counter()
    skipped: Counter[str] = Counter()
    failures: list[Failure] = []
    versions: list[tuple[str, int]] = []
    seen: set[str] = set()
    for number, file in enumerate(files):
        progress("Storing files", number, len(files))
        uri = file.path.as_uri() if uri_prefix is None else uri_prefix + file.relative
        try:
            if uri in seen:
                raise _NotTaken(f"another file of this run has the address {uri}; ingest them one by one")  # noqa: TRY301
            seen.add(uri)
            stored = _store(services, file, product, uri)
        except UnsupportedType as error:
            if file.named:
                failures.append(Failure(file=printable(file.path), error=str(error)))
            else:
                skipped[file.path.suffix or file.path.name] += 1
        except (IngestError, UploadTooLarge, OSError, _NotTaken) as error:
            failures.append(Failure(file=printable(file.path), error=str(error)))
        else:
            outcomes[stored[1]] += 1
            if stored[1] is not Outcome.UNCHANGED:
                versions.append(stored[0])
    progress("Storing files", len(files), len(files))
    result = _make_searchable(services, versions, progress)
    failures += [Failure(file=one["name"], error=one["error"]) for one in result.get("failed", [])]
    return {
        "stored": result.get("stored", 0),
        "unchanged": outcomes[Outcome.UNCHANGED],
        "skipped": dict(skipped),
        "failed": [{"file": failure.file, "error": failure.error} for failure in failures],
        "near_duplicates": result.get("near_duplicates", []),
        "index_version": result.get("index_version"),
    }


class _NotTaken(Exception):
    """A path that was found but holds no file to take in."""


def _store(
    services: Services, file: FoundFile, product: str | Callable[[str], str | None] | None, uri: str
) -> tuple[tuple[str, int], Outcome]:
    if file.problem is not None:
        raise _NotTaken(file.problem)
    if file.path.stat().st_size > services.settings.max_upload_bytes:
        raise UploadTooLarge(file.path.name, services.settings.max_upload_bytes)
    stored = accept_upload(
        services.database,
        services.settings,
        data=file.path.read_bytes(),
        name=file.relative,
        uri=uri,
        title=None,
        product=product(file.relative) if callable(product) else product,
        now=datetime.now(UTC),
    )
    return (stored.document_id, stored.version), stored.outcome


def _make_searchable(
    services: Services, versions: Sequence[tuple[str, int]], progress: Progress
) -> dict[str, Any]:
    with services.database.reading() as session:
        live = live_index(session)
        current = live is not None and live.corpus_sha256 == corpus_sha256(session)
        waiting = pending_versions(session)
    if not versions and current and not waiting:
        return {"index_version": None if live is None else live.id}
    with closing(JobQueue(services)) as queue:
        # What an earlier run stored and did not finish is handed over again: repeating a version is safe.
        handed = list(dict.fromkeys([*versions, *waiting]))
        job_id = queue.ingest(handed)  # before the engine starts: what is handed over is no orphan
        with running_jobs(services):
            return wait_for(queue, job_id, progress)


@contextmanager
def running_jobs(services: Services) -> Iterator[None]:
    """Jobs are run meanwhile: by this process, or on SQLite by a server on the same home folder."""
    engine = JobEngine(services)
    try:
        engine.start()
    except EngineElsewhere:
        yield
        return
    try:
        yield
    finally:
        engine.stop()


def wait_for(queue: JobQueue, job_id: str, progress: Progress) -> dict[str, Any]:
    """Wait until a job has ended, also while the database does not answer for a while; its result.

    Raises:
        JobFailed: If it failed or was cancelled.
    """
    while True:
        job: JobView = retry_temporary(lambda: queue.get(job_id), pause=time.sleep)
        if job.stage not in ("waiting", "done"):
            progress(job.stage.capitalize(), job.done, job.total)
        if job.state == "succeeded":
            return job.result or {}
        if job.state not in ("waiting", "running"):
            reason = job.error or "somebody ended it"
            raise JobFailed(f"job {job_id} {job.state}: {reason}; to go on: footnote jobs retry {job_id}")
        time.sleep(POLLING_SECONDS)


def print_summary(summary: dict[str, Any]) -> None:
    """The table that ends an ingest."""
    rows: list[tuple[str, int, str]] = [
        ("stored", summary["stored"], ""),
        ("unchanged", summary["unchanged"], ""),
    ]
    if summary["skipped"]:
        kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(summary["skipped"].items()))
        rows.append(("skipped", sum(summary["skipped"].values()), f"no reader for: {kinds}"))
    if summary["near_duplicates"]:
        rows.append(("near-duplicates", len(summary["near_duplicates"]), "kept; pairs below"))
    rows.append(("failed", len(summary["failed"]), "" if not summary["failed"] else "reasons below"))
    print_table("Ingest", ("", "files", ""), rows)
    for first, second, similarity in summary["near_duplicates"][:SHOWN_FAILURES]:
        out.print(
            f"  near-duplicates ({similarity:.2f}): {first} and {second}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    for failure in summary["failed"][:SHOWN_FAILURES]:
        out.print(
            f"  failed: {failure['file']}: {failure['error']}", highlight=False, soft_wrap=True, markup=False
        )
    hidden = len(summary["failed"]) - SHOWN_FAILURES
    if hidden > 0:
        out.print(f"  and {hidden} more; --json lists them all")


def reindex(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Bring the index up to date with the documents, the encoder and the sizes of passages."""
    services = build_services(load_settings())
    with progress_bars() as progress:
        fetch(services.settings, services.settings.encoder, progress)
        with closing(JobQueue(services)) as queue, running_jobs(services):
            result = wait_for(queue, queue.reindex(), progress)
    services.close()
    if json:
        print_json(result)
    else:
        out.print(f"index version {result['index_version']} is live")

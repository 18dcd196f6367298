"""Work in the background as durable workflows. The only module that spells dbos.

One process at a time runs workflows on a database: the server, or a command while no server runs. Any
process can hand work over, by writing to the queue's tables. A workflow is a list of steps whose results
are recorded, so a process that was killed goes on at the first step that had not ended; every step is safe
to repeat.
"""

import fcntl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any

from dbos import DBOS, DBOSClient, DBOSConfig, WorkflowStatus

from app.db.document_views import get_outcomes
from app.db.documents import pending_versions, renew_versions_cut_otherwise
from app.db.jobs import Progress, get_progress, set_progress
from app.db.session import migration_lock
from app.db.tables import new_id
from app.indexing import build_live_index
from app.ingesting import cut_name, embed_missing, parse_version, record_near_duplicates
from app.observability import logger
from app.settings import Settings
from app.wiring import JobNotFound, JobView, Services

APPLICATION = "footnote"
WORKFLOWS_VERSION = "1"  # a changed list of steps needs a new number: old workflows must not resume in it
WORKFLOW = "ingest"
QUEUE = "work"
JOBS_AT_ONCE = 1  # embedding and index building take turns anyway
STOPPING_SECONDS = 120  # longest wait for the step under way to notice that it must stop
PARSED_AT_ONCE = 16  # documents in one recorded step

Versions = Sequence[tuple[str, int]]

_STATES = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "CANCELLED": "cancelled",
}


class EngineElsewhere(Exception):
    """Another process runs the jobs of this home folder."""


class JobQueue:
    """Hands work to whichever process runs the engine, and reads what became of it."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        with migration_lock(services.database.engine, services.settings.home):
            DBOS.migrate(services.settings.jobs_database)
        self._client = DBOSClient(
            system_database_url=services.settings.jobs_database, application_name=APPLICATION
        )

    def ingest(self, versions: Versions) -> str:
        """Start parsing, embedding and indexing document versions; the job's id."""
        job_id = new_id("job")
        self._client.enqueue(
            {"workflow_name": WORKFLOW, "queue_name": QUEUE, "workflow_id": job_id},
            [list(version) for version in versions],
        )
        return job_id

    def reindex(self) -> str:
        """Start bringing the index up to date; the job's id."""
        return self.ingest([])

    def get(self, job_id: str) -> JobView:
        """One job.

        Raises:
            JobNotFound: If there is none of this id.
        """
        found = self._client.list_workflows(workflow_ids=[job_id], load_input=False)
        if not found:
            raise JobNotFound(job_id)
        return self._views(found)[0]

    def recent(self, *, limit: int) -> list[JobView]:
        """The newest jobs first."""
        return self._views(self._client.list_workflows(limit=limit, sort_desc=True, load_input=False))

    def _views(self, workflows: Sequence[WorkflowStatus]) -> list[JobView]:
        with self._database.reading() as session:
            progress = get_progress(session, [workflow.workflow_id for workflow in workflows])
        return [_view(workflow, progress.get(workflow.workflow_id, Progress())) for workflow in workflows]

    def close(self) -> None:
        """Give back the database's connections."""
        self._client.destroy()


def _view(workflow: WorkflowStatus, progress: Progress) -> JobView:
    return JobView(
        id=workflow.workflow_id,
        kind=workflow.name,
        state=_STATES.get(workflow.status, "failed"),
        stage=progress.stage,
        done=progress.done,
        total=progress.total,
        error=None if workflow.error is None else str(workflow.error),
        result=workflow.output,
        created_at=datetime.fromtimestamp((workflow.created_at or 0) / 1000, tz=UTC),
    )


class Stopping(BaseException):
    """Ends a step because the engine stops. No Exception: the workflow has not failed, it goes on later."""


class JobEngine:
    """Runs workflows in this process, from `start` to `stop`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workflows = _Workflows(services)
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Take over the jobs of this home folder, unfinished ones first.

        Raises:
            EngineElsewhere: If another process runs them.
        """
        self._lock = _take_lock(self._services.settings)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._services.settings.jobs_database,
            "application_version": WORKFLOWS_VERSION,
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        DBOS(config=config)
        self._workflows.register()
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=0.2)
        self._adopt_orphans()

    def _adopt_orphans(self) -> None:
        """Start a job for versions whose uploader was killed between storing them and handing them over."""
        with self._services.database.reading() as session:
            waiting = pending_versions(session)
        if not waiting:
            return
        active = DBOS.list_workflows(status=["ENQUEUED", "PENDING", "DELAYED"])
        taken = {
            tuple(version)
            for workflow in active
            if workflow.app_version in (None, WORKFLOWS_VERSION) and workflow.input is not None
            for version in workflow.input["args"][0]
        }
        orphans = [version for version in waiting if version not in taken]
        if orphans:
            logger().info("orphans_adopted", count=len(orphans))
            DBOS.enqueue_workflow_with_options(
                {"workflow_name": WORKFLOW, "queue_name": QUEUE, "workflow_id": new_id("job")},
                [list(version) for version in orphans],
            )

    def stop(self) -> None:
        """Stop taking jobs and wait for the step under way to end; what is left goes on at the next start."""
        self._workflows.stop()
        DBOS.destroy(destroy_registry=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def ensure_engine_is_free(settings: Settings) -> None:
    """Raise EngineElsewhere if another process runs the jobs of this home folder."""
    _take_lock(settings).close()


def _take_lock(settings: Settings) -> IO[str]:
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = (settings.home / "jobs.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise EngineElsewhere(
            f"another process runs the jobs of {settings.home}: a server, or a command that has not ended; "
            "end it first, or set FOOTNOTE_HOME to another folder"
        ) from None
    return lock


class _Workflows:
    """The workflows and their steps, bound to this process's services."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = threading.Event()
        self._working = threading.Lock()

    def register(self) -> None:
        """Make the workflow known to the engine, before it is launched."""

        @DBOS.workflow(name=WORKFLOW)
        def ingest(versions: list[list[Any]]) -> dict[str, Any]:
            return self._ingest(versions)

    def stop(self) -> None:
        """End the step under way at its next report, and let no other begin."""
        self._stopping.set()
        if self._working.acquire(timeout=STOPPING_SECONDS):
            self._working.release()

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        """Run ``work`` as a recorded step: after a restart, its recorded result is used instead."""

        def run() -> Any:
            with self._working:
                self._check_stopping()
                return work()

        return DBOS.run_step({"name": name}, run)

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise Stopping

    def _ingest(self, given: Sequence[Sequence[Any]]) -> dict[str, Any]:
        job_id = str(DBOS.workflow_id)
        renewed = self._step("renew", self._renew)
        versions = [(str(version[0]), int(version[1])) for version in [*given, *renewed]]
        for begin in range(0, len(versions), PARSED_AT_ONCE):
            self._step("parse", partial(self._parse, job_id, versions, begin))
        self._step("embed", partial(self._embed, job_id))
        pairs = self._step("near_duplicates", partial(self._near_duplicates, versions))
        index_id = self._step("index", partial(self._index, job_id))
        outcome: dict[str, Any] = self._step(
            "outcome", partial(self._outcome, job_id, versions, pairs, index_id)
        )
        return outcome

    def _renew(self) -> list[tuple[str, int]]:
        """New versions of documents whose passages were cut for another encoder or by an older parser."""
        services = self._services
        with services.database.writing() as session:
            cut = cut_name(services.encoder, services.settings)
            return renew_versions_cut_otherwise(session, cut, now=datetime.now(UTC))

    def _parse(self, job_id: str, versions: Versions, begin: int) -> None:
        services = self._services
        self._report(job_id, "parsing", begin, len(versions))
        for document_id, version in versions[begin : begin + PARSED_AT_ONCE]:
            self._check_stopping()
            parse_version(services.database, services.settings, services.encoder, document_id, version)

    def _embed(self, job_id: str) -> None:
        embed_missing(
            self._services.database,
            self._services.encoder,
            report=partial(self._report, job_id, "embedding"),
        )

    def _near_duplicates(self, versions: Versions) -> list[tuple[str, str, float]]:
        return record_near_duplicates(self._services.database, [document_id for document_id, _ in versions])

    def _index(self, job_id: str) -> str:
        return build_live_index(
            self._services.database,
            self._services.settings,
            self._services.encoder,
            report=partial(self._report, job_id),
            now=lambda: datetime.now(UTC),
        )

    def _outcome(
        self, job_id: str, versions: Versions, pairs: Sequence[Sequence[Any]], index_id: str
    ) -> dict[str, Any]:
        with self._services.database.reading() as session:
            outcomes = get_outcomes(session, versions)
        self._report(job_id, "done", len(versions), len(versions))
        return {
            "stored": sum(outcome.error is None for outcome in outcomes),
            "failed": [
                {"document_id": outcome.document_id, "name": outcome.name, "error": outcome.error}
                for outcome in outcomes
                if outcome.error is not None
            ],
            "near_duplicates": [list(pair) for pair in pairs],
            "index_version": index_id,
        }

    def _report(self, job_id: str, stage: str, done: int, total: int) -> None:
        self._check_stopping()
        with self._services.database.writing() as session:
            set_progress(session, job_id, stage, done, total)

"""Work in the background as durable workflows. The only module that spells dbos.

One process at a time runs workflows on a database: the server, or a command while no server runs. Any
process can hand work over, by writing to the queue's tables. A workflow is a list of steps whose results
are recorded, so a process that was killed goes on at the first step that had not ended; every step is safe
to repeat.
"""

import fcntl
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
QUEUE = "work"
JOBS_AT_ONCE = 4
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
        self._reading_sessions = services.reading_sessions
        with migration_lock(services.engine, services.settings.home):
            DBOS.migrate(services.settings.jobs_database)
        self._client = DBOSClient(
            system_database_url=services.settings.jobs_database, application_name=APPLICATION
        )

    def ingest(self, versions: Versions) -> str:
        """Start parsing, embedding and indexing document versions; the job's id."""
        return self._enqueue("ingest", [list(version) for version in versions])

    def reindex(self) -> str:
        """Start bringing the index up to date; the job's id."""
        return self._enqueue("reindex")

    def _enqueue(self, workflow: str, *arguments: object) -> str:
        job_id = new_id("job")
        self._client.enqueue(
            {"workflow_name": workflow, "queue_name": QUEUE, "workflow_id": job_id}, *arguments
        )
        return job_id

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
        with self._reading_sessions() as session:
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


class JobEngine:
    """Runs workflows in this process, from `start` to `stop`."""

    def __init__(self, services: Services) -> None:
        self._services = services
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
        _Workflows(self._services).register()
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=0.2)
        self._adopt_orphans()

    def _adopt_orphans(self) -> None:
        """Start a job for versions whose uploader was killed between storing them and handing them over."""
        with self._services.sessions() as session:
            waiting = pending_versions(session)
        if not waiting:
            return
        active = DBOS.list_workflows(status=["ENQUEUED", "PENDING", "DELAYED"])
        taken = {
            tuple(version)
            for workflow in active
            if workflow.name == "ingest" and workflow.input is not None
            for version in workflow.input["args"][0]
        }
        orphans = [version for version in waiting if version not in taken]
        if orphans:
            logger().info("orphans_adopted", count=len(orphans))
            DBOS.enqueue_workflow_with_options(
                {"workflow_name": "ingest", "queue_name": QUEUE, "workflow_id": new_id("job")},
                [list(version) for version in orphans],
            )

    def stop(self) -> None:
        """Stop taking jobs; those under way go on at the next start."""
        DBOS.destroy(destroy_registry=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _take_lock(settings: Settings) -> IO[str]:
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = (settings.home / "jobs.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise EngineElsewhere(f"another process runs the jobs of {settings.home}") from None
    return lock


class _Workflows:
    """The workflows and their steps, bound to this process's services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self) -> None:
        """Make the workflows known to the engine, before it is launched."""

        @DBOS.workflow(name="ingest")
        def ingest(versions: list[list[Any]]) -> dict[str, Any]:
            return self._ingest([(str(version[0]), int(version[1])) for version in versions])

        @DBOS.workflow(name="reindex")
        def reindex() -> dict[str, Any]:
            renewed = _step("renew", self._renew)
            return self._ingest([(str(version[0]), int(version[1])) for version in renewed])

    def _ingest(self, versions: Versions) -> dict[str, Any]:
        job_id = str(DBOS.workflow_id)
        for begin in range(0, len(versions), PARSED_AT_ONCE):
            _step("parse", partial(self._parse, job_id, versions, begin))
        _step("embed", partial(self._embed, job_id))
        pairs = _step("near_duplicates", partial(self._near_duplicates, versions))
        index_id = _step("index", partial(self._index, job_id))
        outcome: dict[str, Any] = _step("outcome", partial(self._outcome, job_id, versions, pairs, index_id))
        return outcome

    def _renew(self) -> list[tuple[str, int]]:
        services = self._services
        with services.sessions.begin() as session:
            cut = cut_name(services.encoder, services.settings)
            renew_versions_cut_otherwise(session, cut, now=datetime.now(UTC))
            session.flush()
            return pending_versions(session)

    def _parse(self, job_id: str, versions: Versions, begin: int) -> None:
        services = self._services
        self._report(job_id, "parsing", begin, len(versions))
        for document_id, version in versions[begin : begin + PARSED_AT_ONCE]:
            parse_version(services.sessions, services.settings, services.encoder, document_id, version)

    def _embed(self, job_id: str) -> None:
        embed_missing(
            self._services.sessions,
            self._services.encoder,
            report=partial(self._report, job_id, "embedding"),
        )

    def _near_duplicates(self, versions: Versions) -> list[tuple[str, str, float]]:
        return record_near_duplicates(self._services.sessions, [document_id for document_id, _ in versions])

    def _index(self, job_id: str) -> str:
        return build_live_index(
            self._services.sessions,
            self._services.settings,
            self._services.encoder,
            report=partial(self._report, job_id),
            now=lambda: datetime.now(UTC),
        )

    def _outcome(
        self, job_id: str, versions: Versions, pairs: Sequence[Sequence[Any]], index_id: str
    ) -> dict[str, Any]:
        with self._services.sessions() as session:
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
        with self._services.sessions.begin() as session:
            set_progress(session, job_id, stage, done, total)


def _step(name: str, work: Callable[[], Any]) -> Any:
    """Run ``work`` as a recorded step: after a restart, its recorded result is used instead."""
    return DBOS.run_step({"name": name}, work)

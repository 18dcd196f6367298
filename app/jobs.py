"""Work in the background as durable workflows. The only module that spells dbos.

One process at a time runs workflows on a database: the server, or a command while no server runs. Any
process can hand work over, by writing to the queue's tables. A workflow is a list of steps whose results
are recorded, so a process that was killed goes on at the first step that had not ended; every step is safe
to repeat.
"""

import contextlib
import fcntl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, WorkflowStatus

from app.db.documents import pending_versions
from app.db.jobs import Progress, get_progress
from app.db.session import migration_lock
from app.db.tables import new_id
from app.observability import adopt_logger, bound, current_request_id, logger
from app.settings import Settings
from app.wiring import JobNotFound, JobView, Services
from app.workflows import Run, Stopping, Versions, build_pairs, ingest_versions

APPLICATION = "footnote"
WORKFLOWS_VERSION = "1"  # a changed list of steps needs a new number: old workflows must not resume in it
INGEST = "ingest"
PAIRS = "qa"
QUEUES = {INGEST: "work", PAIRS: "pairs"}  # one job at a time in each: uploads never wait for pairs
STOPPING_SECONDS = 120  # longest wait for the step under way to notice that it must stop

_ACTIVE = ("ENQUEUED", "PENDING", "DELAYED")
_STATES = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "CANCELLED": "cancelled",
}
_COUNTED = (*_ACTIVE, "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_REQUEST = "request_id"  # attribute of a job: the request that started it


class EngineElsewhere(Exception):
    """Another process runs the jobs of this home folder."""


class JobQueue:
    """Hands work to whichever process runs the engine, and reads what became of it."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        with migration_lock(services.database.engine, services.settings.home):
            DBOS.migrate(services.settings.jobs_database)
        self._client = DBOSClient(
            system_database_url=services.settings.jobs_database,
            application_name=APPLICATION,
            # A request must not wait until a server that is away is back; a locked file is free in a moment.
            retry_connection_errors=services.database.engine.dialect.name == "sqlite",
        )

    def ingest(self, versions: Versions) -> str:
        """Start parsing, embedding and indexing document versions; the job's id."""
        return self._enqueue(INGEST, [list(version) for version in versions])

    def build_pairs(self, *, write: int | None, after: str | None = None) -> str:
        """Start compiling QA pairs, or join a job that was asked for the same; the job's id.

        Args:
            write: Most passages that the generator writes pairs from; None for all of them.
            after: A job that must have ended before.
        """
        active = self._client.list_workflows(name=PAIRS, status=list(_ACTIVE))
        for workflow in active if after is None else ():
            if workflow.input is not None and list(workflow.input["args"]) == [write, None]:
                return str(workflow.workflow_id)
        return self._enqueue(PAIRS, write, after)

    def _enqueue(self, kind: str, *arguments: Any) -> str:
        """Hand a job over, with the id of the request that this thread works for; the job's id."""
        job_id, request_id = new_id("job"), current_request_id()
        options: EnqueueOptions = {
            "workflow_name": kind,
            "queue_name": QUEUES[kind],
            "workflow_id": job_id,
            "attributes": {} if request_id is None else {_REQUEST: request_id},
        }
        self._client.enqueue(options, *arguments)
        logger().info("job_started", job=job_id, kind=kind)
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

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many jobs there are by kind and state: waiting, running, and failed."""
        found = self._client.list_workflows(status=list(_COUNTED), load_input=False, load_output=False)
        none = {(kind, state): 0 for kind in QUEUES for state in ("waiting", "running", "failed")}
        return none | Counter((workflow.name, _STATES.get(workflow.status, "failed")) for workflow in found)

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
        adopt_logger("dbos")
        self._workflows.register()
        DBOS.launch()
        for queue in QUEUES.values():
            DBOS.register_queue(queue, worker_concurrency=1, polling_interval_sec=0.2)
        self._adopt_orphans()

    def _adopt_orphans(self) -> None:
        """Start a job for versions whose uploader was killed between storing them and handing them over."""
        with self._services.database.reading() as session:
            waiting = pending_versions(session)
        if not waiting:
            return
        active = DBOS.list_workflows(name=INGEST, status=list(_ACTIVE))
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
                {"workflow_name": INGEST, "queue_name": QUEUES[INGEST], "workflow_id": new_id("job")},
                [list(version) for version in orphans],
            )

    def stop(self) -> None:
        """Stop taking jobs and wait for the step under way to end; what is left goes on at the next start."""
        self._workflows.stop()
        DBOS.destroy(destroy_registry=True)
        self._workflows.close()
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
    """The workflows of `app.workflows`, bound to this process's services, with their steps recorded."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = threading.Event()
        self._working = threading.Lock()
        self._client = DBOSClient(
            system_database_url=services.settings.jobs_database, application_name=APPLICATION, lazy=True
        )

    def register(self) -> None:
        """Make the workflows known to the engine, before it is launched."""

        @DBOS.workflow(name=INGEST)
        def ingest(versions: list[list[Any]]) -> dict[str, Any]:
            with self._telling(INGEST):
                return ingest_versions(self._run(), versions)

        @DBOS.workflow(name=PAIRS)
        def qa(write: int | None, after: str | None) -> dict[str, Any]:
            if after is not None:
                with contextlib.suppress(Exception):  # whatever became of it, it has ended
                    DBOS.retrieve_workflow(after).get_result()
            with self._telling(PAIRS):
                return build_pairs(self._run(), write)

    def stop(self) -> None:
        """End the step under way at its next report, and let no other begin."""
        self._stopping.set()
        if self._working.acquire(timeout=STOPPING_SECONDS):
            self._working.release()

    def close(self) -> None:
        """Give back the database's connections."""
        self._client.destroy()

    @contextlib.contextmanager
    def _telling(self, kind: str) -> Iterator[None]:
        """Log how a job goes; all that it logs bears its id, and that of the request that started it."""
        job_id = str(DBOS.workflow_id)
        found = self._client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        attributes = (found[0].attributes if found else None) or {}
        with bound(request_id=attributes.get(_REQUEST), job=job_id, kind=kind):
            logger().info("job_begun")
            try:
                yield
            except Exception as error:
                logger().error("job_failed", exc_info=error)
                raise
            logger().info("job_ended")

    def _run(self) -> Run:
        return Run(
            services=self._services,
            job_id=str(DBOS.workflow_id),
            step=self._step,
            is_stopping=self._stopping.is_set,
        )

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        """Run ``work`` as a recorded step: after a restart, its recorded result is used instead."""

        def run() -> Any:
            with self._working:
                if self._stopping.is_set():
                    raise Stopping
                began = time.perf_counter()
                result = work()
                logger().info("step_ended", step=name, seconds=round(time.perf_counter() - began, 3))
                return result

        return DBOS.run_step({"name": name}, run)

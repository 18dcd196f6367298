"""The process that runs jobs: a server, ``footnote worker``, or a command while it waits for its own.

On SQLite one process at a time runs them. On PostgreSQL any number of processes do, each under a name of its
own. The one that goes on after another was killed begins at the first step that had not ended; every step is
safe to repeat.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, Any, TypedDict

from dbos import DBOS, DBOSClient, DBOSConfig, WorkflowStatus
from sqlalchemy.exc import SQLAlchemyError

from app.db.documents import pending_versions
from app.db.session import DATABASE_AWAY, claims
from app.db.source_items import waiting_versions
from app.db.tables import new_id
from app.failures import name_failure
from app.job_lock import lock_home
from app.job_records import EndedJobs
from app.job_runs import JobRun, JobRuns
from app.job_watch import JobWatch, Takeover
from app.jobs import (
    ACTIVE,
    APPLICATION,
    ENDED_BADLY,
    INGEST,
    PAIRS,
    PROMOTION,
    QUEUES,
    RELEASE,
    REQUEST,
    SYNC,
    TUNE_RETRIEVER,
    WORKFLOWS_VERSION,
    JobQueue,
    open_client,
)
from app.model_workflows import GateOptions, make_release, promote_release, tune_encoder
from app.observability import adopt_logger, bound, logger
from app.sync_workflow import sync_source
from app.wiring import Services
from app.workflows import Run, build_pairs, ingest_versions

STOPPING_SECONDS = 120  # longest wait for the steps under way to notice that they must stop
_RENEWING = "renewing"  # attribute of a workflow that is cancelled only to begin again
ORPHANED = timedelta(minutes=1)  # how old a version must be to be an orphan while this process runs


class Limits(TypedDict, total=False):
    """How many jobs of a queue run at once."""

    worker_concurrency: int  # in each process
    global_concurrency: int  # in all of them


LIMITS: dict[str, Limits] = {
    "work": {"worker_concurrency": 1},
    "syncs": {"worker_concurrency": 1},
    "pairs": {"global_concurrency": 1},  # a second one would do the same work
    "tuning": {"global_concurrency": 1},
    "releases": {"global_concurrency": 1},  # two that go live at once could not be told apart
}


class JobEngine:
    """Runs workflows in this process, from `start` to `stop`.

    Attributes:
        name: Which process this is, among those that run jobs of this database.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._runs = JobRuns(services.database, services.metrics)
        self.name = new_id("worker") if services.settings.shares_jobs else "local"
        self._lock: IO[str] | None = None
        self._client: DBOSClient | None = None
        self._watch: JobWatch | None = None
        self._takeover: Takeover | None = None
        self._engine: DBOS | None = None
        self._stranded: set[str] = set()

    def start(self) -> None:
        """Run the jobs of this home folder, unfinished ones first.

        Raises:
            EngineElsewhere: If another process has them to itself.
        """
        settings, database = self._services.settings, self._services.database
        self._lock = lock_home(settings)
        self._client = open_client(self._services)
        if settings.shares_jobs:
            self._takeover = Takeover(
                database,
                self.name,
                silence_seconds=settings.worker_silence_seconds,
                running=self._running_workers,
                take_over=DBOS._recover_pending_workflows,  # noqa: SLF001 - what its own server calls
            )
            self._takeover.give_sign()  # before a job is taken: who gave none is taken for dead
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": settings.jobs_database,
            "application_version": WORKFLOWS_VERSION,
            "executor_id": self.name,
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        self._engine = DBOS(config=config)
        adopt_logger("dbos")
        self._register()
        DBOS.launch()
        self._watch = JobWatch(
            self._runs,
            lost_runs=self._lost_runs,
            takeover=self._takeover,
            tend=self._tend,
        )
        self._watch.start()
        for queue, limits in LIMITS.items():
            DBOS.register_queue(queue, polling_interval_sec=0.2, **limits)
        self._renew_former()
        self._adopt_orphans(timedelta())

    def _register(self) -> None:
        """Make the workflows known to the engine, before it is launched."""

        @DBOS.workflow(name=INGEST)
        def ingest(versions: list[list[Any]]) -> dict[str, Any]:
            with self._run() as run:
                return ingest_versions(run, versions)

        @DBOS.workflow(name=PAIRS)
        def qa(write: int | None, after: str | None) -> dict[str, Any]:
            if after is not None:
                with contextlib.suppress(Exception):  # whatever became of it, it has ended
                    DBOS.retrieve_workflow(after).get_result()
            with self._run() as run:
                return build_pairs(run, write)

        @DBOS.workflow(name=SYNC)
        def sync(source_id: str) -> dict[str, Any]:
            with self._run() as run:
                return sync_source(run, source_id)

        @DBOS.workflow(name=TUNE_RETRIEVER)
        def tune_retriever(options: dict[str, Any]) -> dict[str, Any]:
            with self._run() as run:
                return tune_encoder(run, options)

        @DBOS.workflow(name=RELEASE)
        def release(encoder: str | None, generator: str | None, note: str) -> dict[str, Any]:
            with self._run() as run:
                return make_release(run, encoder, generator, note)

        @DBOS.workflow(name=PROMOTION)
        def promotion(release_id: str, gate: GateOptions | None, reason: str | None) -> dict[str, Any]:
            with self._run() as run:
                return promote_release(run, release_id, gate, reason)

    @contextlib.contextmanager
    def _run(self) -> Iterator[Run]:
        """A run of the calling workflow; after a restart, recorded results stand for the steps that ended."""
        job_id = str(DBOS.workflow_id)
        with self._telling(job_id) as kind, self._runs.begin(job_id, kind) as begun:
            yield Run(
                services=self._services,
                job_id=begun.job_id,
                step=lambda name, work: DBOS.run_step({"name": name}, lambda: begun.step(name, work)),
                is_stopping=begun.is_stopping,
                jobs=EndedJobs(self._services),
            )

    @contextlib.contextmanager
    def _telling(self, job_id: str) -> Iterator[str]:
        """Log how a job goes; all that it logs bears its id, and that of the request that started it.

        Yields:
            Its kind.
        """
        assert self._client is not None  # since the start
        (job,) = self._client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
        with bound(request_id=(job.attributes or {}).get(REQUEST), job_id=job_id, kind=job.name):
            logger().info("job_begun")
            try:
                yield job.name
            except Exception as error:
                logger().error("job_failed", exc_info=error)
                raise
            logger().info("job_ended")

    def _running_workers(self) -> set[str]:
        assert self._client is not None  # since the start
        running = self._client.list_workflows(
            status="PENDING", app_version=WORKFLOWS_VERSION, load_input=False, load_output=False
        )
        return {str(workflow.executor_id) for workflow in running}

    def _lost_runs(self, runs: Sequence[JobRun]) -> list[JobRun]:
        """Those runs whose job was cancelled, or is run by another process by now."""
        assert self._client is not None  # since the start
        found = self._client.list_workflows(
            workflow_ids=[run.job_id for run in runs], load_input=False, load_output=False
        )
        lost = {
            workflow.workflow_id
            for workflow in found
            if workflow.status == "CANCELLED"
            or (workflow.status == "PENDING" and workflow.executor_id != self.name)
        }
        return [run for run in runs if run.job_id in lost]

    def _renew_former(self) -> None:
        """Begin jobs of a former version of the workflows again: no process of this one goes on with them.

        One process at a time does so; one that is killed in between leaves a mark for the next.
        """
        assert self._client is not None  # since the start
        with claims(self._services.database.engine) as take:
            if not take("renew former jobs"):
                return
            listed = self._client.list_workflows(
                status=[*ACTIVE, "CANCELLED"], load_input=False, load_output=False
            )
            former = [one for one in listed if _is_former(one)]
            if not former:
                return
            with contextlib.closing(JobQueue(self._services)) as queue:
                for workflow in former:
                    self._renew(queue, workflow)

    def _renew(self, queue: JobQueue, workflow: WorkflowStatus) -> None:
        assert self._client is not None  # since the start
        job_id = workflow.workflow_id
        try:
            self._client.update_workflow_attributes(job_id, {_RENEWING: True}, merge=True)
            if workflow.status != "CANCELLED":
                queue.cancel(job_id)
            queue.retry(job_id)
            self._client.update_workflow_attributes(job_id, {_RENEWING: False}, merge=True)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one job must not keep a server from starting
            logger().error("former_job_not_renewed", job_id=job_id, reason=name_failure(error))
        else:
            logger().info("former_job_renewed", job_id=job_id, former=workflow.app_version)

    def _tend(self) -> None:
        self._free_stranded()
        self._adopt_orphans(ORPHANED)

    def _free_stranded(self) -> None:
        """Hand out again the jobs of this process that nothing runs, as it was at the last look too.

        The engine gives a job up where it can't record what became of a step, as on a full disk: without this
        it would stand as running until the next start.
        """
        assert self._client is not None  # since the start
        assert self._engine is not None
        pending = self._client.list_workflows(
            status="PENDING",
            executor_id=self.name,
            app_version=WORKFLOWS_VERSION,
            load_input=False,
            load_output=False,
        )
        running = set(self._engine._active_workflows_set.activeList())  # noqa: SLF001 - nothing else tells
        idle = {one.workflow_id: one.name for one in pending if one.workflow_id not in running}
        system = self._client._sys_db  # noqa: SLF001 - what the engine's own recovery does, for one job
        for job_id in self._stranded & idle.keys():
            if system.reenqueue_for_recovery(job_id, [self.name], QUEUES[idle[job_id]]):
                logger().warning("stranded_job_goes_on", job_id=job_id, kind=idle.pop(job_id))
        self._stranded = set(idle)

    def _adopt_orphans(self, least_age: timedelta) -> None:
        """Start a job for versions that were stored and never handed over: their uploader was killed."""
        assert self._client is not None  # since the start
        syncs = self._client.list_workflows(name=SYNC, status=list(ACTIVE), load_output=False)
        with self._services.database.reading() as session:
            waiting = pending_versions(session, before=datetime.now(UTC) - least_age)
            brought = {
                version
                for sync in syncs
                if sync.input is not None
                for version in waiting_versions(session, sync.input["args"][0])
            }
        waiting = [version for version in waiting if version not in brought]  # their sync hands them over
        if not waiting:
            return
        taken = {
            tuple(version)
            for status in (ACTIVE, ("CANCELLED", *ENDED_BADLY))
            for workflow in self._client.list_workflows(name=INGEST, status=list(status), load_output=False)
            if status is not ACTIVE or workflow.app_version in (None, WORKFLOWS_VERSION)
            if workflow.input is not None
            for version in workflow.input["args"][0]
        }
        orphans = [list(version) for version in waiting if version not in taken]
        if orphans:
            logger().info("orphans_adopted", count=len(orphans))
            named = hashlib.sha256(json.dumps([WORKFLOWS_VERSION, *orphans]).encode()).hexdigest()
            self._client.enqueue(  # one job, however many processes see these orphans at once
                {
                    "workflow_name": INGEST,
                    "queue_name": QUEUES[INGEST],
                    "workflow_id": f"job_{named[:24]}",
                },
                orphans,
            )

    def stop(self) -> None:
        """Stop taking jobs and wait for the steps under way to end; the rest goes on later or elsewhere."""
        if not self._runs.stop(seconds=STOPPING_SECONDS):
            logger().warning("steps_not_ended", seconds=STOPPING_SECONDS)
        if self._watch is not None:  # until here it gave signs of life
            self._watch.stop()
        DBOS.destroy(destroy_registry=True)
        if self._takeover is not None:
            with contextlib.suppress(SQLAlchemyError):  # the database is gone: they find out by the silence
                self._takeover.leave()
        if self._client is not None:
            self._client.destroy()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _is_former(workflow: WorkflowStatus) -> bool:
    """Whether a job is of an older version of the workflows, and nobody but this program cancelled it."""
    version = workflow.app_version or ""
    is_older = version.isdecimal() and int(version) < int(WORKFLOWS_VERSION)
    is_wanted = workflow.status != "CANCELLED" or bool((workflow.attributes or {}).get(_RENEWING))
    return is_older and is_wanted and workflow.name in QUEUES

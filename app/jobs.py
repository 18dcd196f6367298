"""Work in the background as durable workflows: handing it over, and seeing what becomes of it.

Any process can do that, by way of the tables of dbos, which only this module, `app.job_records` and
`app.job_engine` spell; the engine runs the work. A workflow is a list of steps whose results are recorded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowStatus, error

from app.db.jobs import Progress, get_log, get_progress
from app.db.session import migration_lock
from app.db.sources import end_sync
from app.db.tables import new_id
from app.job_views import (
    JobDetails,
    JobEnded,
    JobNotFound,
    JobState,
    JobUnderWay,
    JobView,
    StepView,
    job_details,
    moment,
)
from app.model_workflows import GateOptions
from app.observability import current_request_id, logger
from app.wiring import Services
from app.workflows import Versions

APPLICATION = "footnote"
WORKFLOWS_VERSION = "2"  # a changed list of steps needs a new number: old workflows must not resume in it
INGEST = "ingest"
PAIRS = "qa"
TUNE_RETRIEVER = "tune_retriever"
RELEASE, PROMOTION = "release", "promotion"
SYNC = "sync"
QUEUES = {
    INGEST: "work",
    PAIRS: "pairs",
    SYNC: "syncs",
    TUNE_RETRIEVER: "tuning",
    RELEASE: "releases",
    PROMOTION: "releases",
}
PAGE = 200  # jobs that are read at once where some are filtered out

ACTIVE = ("ENQUEUED", "PENDING", "DELAYED")
ENDED_BADLY = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_STATUSES: dict[JobState, Sequence[str]] = {
    "waiting": ("ENQUEUED", "DELAYED"),
    "running": ("PENDING",),
    "succeeded": ("SUCCESS",),
    "cancelled": ("CANCELLED",),
    "failed": ENDED_BADLY,
    "dismissed": ENDED_BADLY,
}
REQUEST = "request_id"  # attribute of a workflow: the request that started it
_DISMISSED = "dismissed"  # another
_COUNTED: Sequence[JobState] = ("waiting", "running", "failed")


class JobQueue:
    """Hands work to the processes that run the engine, and reads what became of it."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._client = open_client(services)

    def ingest(self, versions: Versions, job_id: str | None = None) -> str:
        """Start parsing, embedding and indexing document versions; the job's id."""
        return self._enqueue(INGEST, [list(version) for version in versions], job_id=job_id)

    def build_pairs(self, *, write: int | None, after: str | None = None) -> str:
        """Start compiling QA pairs, or join a job that was asked for the same; the job's id.

        Args:
            write: Most passages that the generator writes pairs from; None for all of them.
            after: A job that must have ended before.
        """
        active = self._client.list_workflows(name=PAIRS, status=list(ACTIVE))
        for workflow in active if after is None else ():
            if workflow.input is not None and list(workflow.input["args"]) == [write, None]:
                return str(workflow.workflow_id)
        return self._enqueue(PAIRS, write, after)

    def tune_retriever(self, options: Mapping[str, Any]) -> str:
        """Start tuning the encoder on this home; the job's id. See `app.model_workflows.tune_encoder`."""
        return self._enqueue(TUNE_RETRIEVER, dict(options))

    def reindex(self, job_id: str | None = None) -> str:
        """Start bringing the index up to date, as the job of this id if there is none yet; the job's id."""
        return self.ingest([], job_id)

    def sync(self, source_id: str, job_id: str | None = None) -> str:
        """Start syncing a source, or join the sync of it that waits or runs already; the job's id.

        Args:
            source_id: The source.
            job_id: Id of the job, if there is none of this id yet; a new one if None.
        """
        options = _options(SYNC, job_id or new_id("job"))
        options["deduplication_id"] = source_id
        options["duplication_policy"] = "return-existing"
        handle: Any = self._client.enqueue(options, source_id)
        started = str(handle.get_workflow_id())
        if started == options["workflow_id"]:
            logger().info("job_started", job_id=started, kind=SYNC)
        return started

    def make_release(self, *, encoder: str | None, generator: str | None, note: str) -> str:
        """Start recording a candidate with an index of its own; the job's id."""
        return self._enqueue(RELEASE, encoder, generator, note)

    def promote(self, release_id: str, gate: GateOptions | None, *, reason: str | None) -> str:
        """Start promoting a release; without a gate it is passed by, for a reason. The job's id."""
        return self._enqueue(PROMOTION, release_id, gate, reason)

    def _enqueue(self, kind: str, *arguments: object, job_id: str | None = None) -> str:
        job_id = job_id or new_id("job")
        self._client.enqueue(_options(kind, job_id), *arguments)
        logger().info("job_started", job_id=job_id, kind=kind)
        return job_id

    def get(self, job_id: str) -> JobView:
        """One job.

        Raises:
            JobNotFound: If there is none of this id.
        """
        return self._views([self._find(job_id)])[0]

    def _find(self, job_id: str) -> WorkflowStatus:
        found = self._client.list_workflows(workflow_ids=[job_id], load_input=False)
        if not found:
            raise JobNotFound(job_id)
        return found[0]

    def recent(
        self, *, limit: int, state: JobState | None = None, kinds: list[str] | None = None
    ) -> list[JobView]:
        """The newest jobs first, of some kinds or of all.

        Without a ``state``, those that failed come first, until somebody retries or dismisses them.
        """
        if state is not None:
            return self._views(list(islice(self._newest(state, kinds), limit)))
        failed = list(islice(self._newest("failed", kinds), limit))
        newest = self._client.list_workflows(name=kinds, limit=limit, sort_desc=True, load_input=False)
        known = {workflow.workflow_id for workflow in failed}
        found = [*failed, *(workflow for workflow in newest if workflow.workflow_id not in known)]
        return self._views(found[:limit])

    def _newest(self, state: JobState, kinds: list[str] | None) -> Iterator[WorkflowStatus]:
        statuses, offset = list(_STATUSES[state]), 0
        while True:
            page = self._client.list_workflows(
                name=kinds,
                status=statuses,
                limit=PAGE,
                offset=offset,
                sort_desc=True,
                load_input=False,
            )
            yield from (workflow for workflow in page if _state(workflow) == state)
            if len(page) < PAGE:
                return
            offset += PAGE

    def details(self, job_id: str) -> JobDetails:
        """The steps of a job and what it logged.

        Raises:
            JobNotFound: If there is none of this id.
        """
        workflow = self._find(job_id)
        recorded = self._client.list_workflow_steps(job_id, load_output=False)
        with self._database.reading() as session:
            progress = get_progress(session, [job_id]).get(job_id, Progress())
            log = get_log(session, job_id)
        steps = [
            StepView(
                name=step["function_name"],
                state="succeeded",
                started_at=moment(step["started_at_epoch_ms"]),
                ended_at=moment(step["completed_at_epoch_ms"]),
            )
            for step in recorded
        ]
        return job_details(steps, progress, log, state=_state(workflow))

    def cancel(self, job_id: str) -> JobView:
        """End a job before it is done; a step under way ends at its next report.

        Raises:
            JobNotFound: If there is none of this id.
            JobEnded: If it has ended.
        """
        job = self.get(job_id)
        if job.state not in ("waiting", "running"):
            raise JobEnded(job_id, job.state)
        self._client.cancel_workflow(job_id)
        job = self.get(job_id)
        if job.kind == SYNC and job.state == "cancelled":  # not one that ended by itself meanwhile
            with self._database.writing() as session:
                end_sync(session, self._source_of(job_id), {}, "it was cancelled", now=datetime.now(UTC))
        return job

    def _source_of(self, job_id: str) -> str:
        """The source that a sync is of."""
        (workflow,) = self._client.list_workflows(workflow_ids=[job_id], load_output=False)
        assert workflow.input is not None
        return str(workflow.input["args"][0])

    def retry(self, job_id: str) -> JobView:
        """Go on with a job that failed or was cancelled, at the step that failed or had not ended.

        Instead of a sync a new one begins, or the one under way is joined: the source has changed, and
        others of it may have run. The one that failed is dismissed.

        Returns:
            The job that goes on.

        Raises:
            JobNotFound: If there is none of this id.
            JobUnderWay: If it has not ended yet.
            JobEnded: If it succeeded.
        """
        workflow = self._find(job_id)
        state = _state(workflow)
        if state in ("waiting", "running"):
            raise JobUnderWay(job_id, state)
        if state == "succeeded":
            raise JobEnded(job_id, state)
        if workflow.name == SYNC:
            begun = self.sync(self._source_of(job_id))
            self._client.update_workflow_attributes(job_id, {_DISMISSED: True}, merge=True)
            return self.get(begun)
        try:
            self._client.rewind_workflow(
                job_id,
                start_step=self._first_undone(workflow),
                application_version=WORKFLOWS_VERSION,
                queue_name=QUEUES[workflow.name],
            )
        except error.DBOSException as refused:  # somebody was quicker
            raise JobUnderWay(job_id, self.get(job_id).state) from refused
        self._client.update_workflow_attributes(job_id, {_DISMISSED: False}, merge=True)
        return self.get(job_id)

    def _first_undone(self, workflow: WorkflowStatus) -> int:
        """The number of the step to go on with; steps count from 1. A step that fails is the last one."""
        steps = self._client.list_workflow_steps(workflow.workflow_id, load_output=False)
        is_another = workflow.app_version not in (None, WORKFLOWS_VERSION)
        if not steps or is_another:
            return 1
        last = steps[-1]["function_id"]
        return last if workflow.status in ENDED_BADLY else last + 1

    def dismiss(self, job_id: str) -> JobView:
        """Take note of a job that failed: it is listed as dismissed from now on.

        Raises:
            JobNotFound: If there is none of this id.
            JobUnderWay: If it has not ended yet.
            JobEnded: If it did not fail.
        """
        state = _state(self._find(job_id))
        if state in ("waiting", "running"):
            raise JobUnderWay(job_id, state)
        if state in ("succeeded", "cancelled"):
            raise JobEnded(job_id, state)
        self._client.update_workflow_attributes(job_id, {_DISMISSED: True}, merge=True)
        return self.get(job_id)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many jobs there are by kind and state: waiting, running, and failed ones not dismissed."""
        statuses = [status for state in _COUNTED for status in _STATUSES[state]]
        found = self._client.list_workflows(status=statuses, load_input=False, load_output=False)
        counted = Counter((workflow.name, _state(workflow)) for workflow in found)
        kinds = {*QUEUES, *(kind for kind, _ in counted)}
        return {(kind, state): counted[kind, state] for kind in kinds for state in _COUNTED}

    def _views(self, workflows: Sequence[WorkflowStatus]) -> list[JobView]:
        with self._database.reading() as session:
            progress = get_progress(session, [workflow.workflow_id for workflow in workflows])
        return [_view(workflow, progress.get(workflow.workflow_id, Progress())) for workflow in workflows]

    def close(self) -> None:
        """Give back the database's connections."""
        self._client.destroy()


def open_client(services: Services) -> DBOSClient:
    """A client of migrated tables; it says at once when they do not answer, so that requests never hang."""
    url = services.settings.jobs_database
    with migration_lock(services.database.engine, services.settings.home):
        DBOS.migrate(url)
    return DBOSClient(
        system_database_url=url,
        application_name=APPLICATION,
        retry_connection_errors=False,
    )


def _options(kind: str, job_id: str) -> EnqueueOptions:
    """How a job is handed over: with the id of the request that this thread works for."""
    request_id = current_request_id()
    return {
        "workflow_name": kind,
        "queue_name": QUEUES[kind],
        "workflow_id": job_id,
        "attributes": {} if request_id is None else {REQUEST: request_id},
    }


def _state(workflow: WorkflowStatus) -> JobState:
    if workflow.status in ENDED_BADLY:
        return "dismissed" if (workflow.attributes or {}).get(_DISMISSED) else "failed"
    return next(state for state, statuses in _STATUSES.items() if workflow.status in statuses)


def _view(workflow: WorkflowStatus, progress: Progress) -> JobView:
    return JobView(
        id=workflow.workflow_id,
        kind=workflow.name,
        state=_state(workflow),
        stage=progress.stage,
        done=progress.done,
        total=progress.total,
        error=_error(workflow),
        result=workflow.output,
        created_at=datetime.fromtimestamp((workflow.created_at or 0) / 1000, tz=UTC),
    )


def _error(workflow: WorkflowStatus) -> str | None:
    if workflow.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return "too many processes died while they ran it; see their logs, mend what it was, and retry it"
    return None if workflow.error is None else str(workflow.error)

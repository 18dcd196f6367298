"""``/v1/jobs`` and ``/v1/indexes``: work in the background and what it makes."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import UsesAccess, check_job, visible_jobs
from app.api.dependencies import UsesJobs, UsesServices
from app.api.fields import Storable
from app.api.problems import described
from app.db.indexes import list_indexes
from app.job_views import JobState, StepState

router = APIRouter(prefix="/v1", tags=["jobs"])


class JobResponse(BaseModel):
    """A job: ``done`` of ``total`` within its stage; ``result`` once it succeeded, ``error`` if it failed."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    kind: str
    state: JobState = Field(description="A failed job is dismissed once somebody took note of it.")
    stage: str
    done: int
    total: int
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime


class StepResponse(BaseModel):
    """A step of a job; ``ended_at`` is null while it runs."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    state: StepState
    started_at: datetime | None
    ended_at: datetime | None


class LogLineResponse(BaseModel):
    """What a job logged; the text of a document is never in it."""

    model_config = ConfigDict(from_attributes=True)
    at: datetime
    level: str
    event: str
    fields: dict[str, Any]


class JobDetailsResponse(JobResponse):
    """A job with its newest steps, after ``earlier_steps`` others, and the newest lines that it logged."""

    steps: list[StepResponse]
    earlier_steps: int
    log: list[LogLineResponse]


class JobList(BaseModel):
    """The newest jobs first; without a filter of states, those that failed before all others."""

    jobs: list[JobResponse]


class JobStarted(BaseModel):
    """A job that was started."""

    job_id: str


class IndexResponse(BaseModel):
    """An index version whose directory is kept."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    created_at: datetime
    encoder: str
    passages: int
    documents: int
    live: bool


class IndexList(BaseModel):
    """Index versions, newest first."""

    indexes: list[IndexResponse]


@router.get("/jobs", responses=described(422))
def list_jobs(
    jobs: UsesJobs,
    access: UsesAccess,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[Storable | None, Query(max_length=40, examples=["ingest"])] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> JobList:
    """The newest jobs; first those that failed, until somebody retries or dismisses them.

    Those of kinds that the key may start: an uploader sees ingests, a reviewer builds of pairs as well, an
    administrator all.
    """
    visible = visible_jobs(access)
    kinds = visible if kind is None else [one for one in (kind,) if visible is None or one in visible]
    found = [] if kinds == [] else jobs.recent(limit=limit, state=state, kinds=kinds)
    return JobList(jobs=[JobResponse.model_validate(job) for job in found])


@router.get("/jobs/{job_id}", responses=described(404, 422))
def read_job(job_id: Storable, jobs: UsesJobs, access: UsesAccess) -> JobDetailsResponse:
    """State, progress, error, steps and log of a job."""
    job = jobs.get(job_id)
    check_job(access, job.kind)
    return JobDetailsResponse.model_validate(asdict(job) | asdict(jobs.details(job_id)))


@router.post("/jobs/{job_id}/cancel", responses=described(404, 409, 422))
def cancel_job(job_id: Storable, jobs: UsesJobs, access: UsesAccess) -> JobResponse:
    """End a job before it is done; a step under way ends at its next report."""
    check_job(access, jobs.get(job_id).kind)
    return JobResponse.model_validate(jobs.cancel(job_id))


@router.post("/jobs/{job_id}/retry", responses=described(404, 409, 422))
def retry_job(job_id: Storable, jobs: UsesJobs, access: UsesAccess) -> JobResponse:
    """Go on with a job that failed or was cancelled, at the step that failed or had not ended.

    Instead of a sync a new one begins, or the one under way is joined: the answer has its id.
    """
    check_job(access, jobs.get(job_id).kind)
    return JobResponse.model_validate(jobs.retry(job_id))


@router.post("/jobs/{job_id}/dismiss", responses=described(404, 409, 422))
def dismiss_job(job_id: Storable, jobs: UsesJobs, access: UsesAccess) -> JobResponse:
    """Take note of a job that failed, so that it is no longer listed first."""
    check_job(access, jobs.get(job_id).kind)
    return JobResponse.model_validate(jobs.dismiss(job_id))


@router.get("/indexes")
def read_indexes(services: UsesServices) -> IndexList:
    """The index versions, and which one searches use."""
    with services.database.reading() as session:
        return IndexList(indexes=[IndexResponse.model_validate(view) for view in list_indexes(session)])


@router.post("/indexes", status_code=202)
def build_index(jobs: UsesJobs) -> JobStarted:
    """Start a build of a new index version from the live documents."""
    return JobStarted(job_id=jobs.reindex())

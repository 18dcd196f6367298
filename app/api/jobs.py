"""``/v1/jobs`` and ``/v1/indexes``: work in the background and what it makes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import UsesJobs, UsesServices
from app.api.problems import described
from app.db.indexes import list_indexes

router = APIRouter(prefix="/v1", tags=["jobs"])


class JobResponse(BaseModel):
    """A job: ``done`` of ``total`` within its stage; ``result`` once it succeeded, ``error`` if it failed."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    kind: str
    state: str = Field(description="waiting, running, succeeded, failed or cancelled")
    stage: str
    done: int
    total: int
    error: str | None
    result: dict[str, Any] | None
    created_at: datetime


class JobList(BaseModel):
    """The newest jobs first."""

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
def list_jobs(jobs: UsesJobs, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> JobList:
    """The newest jobs."""
    return JobList(jobs=[JobResponse.model_validate(job) for job in jobs.recent(limit=limit)])


@router.get("/jobs/{job_id}", responses=described(404, 422))
def read_job(job_id: str, jobs: UsesJobs) -> JobResponse:
    """State, progress and error of a job."""
    return JobResponse.model_validate(jobs.get(job_id))


@router.get("/indexes")
def read_indexes(services: UsesServices) -> IndexList:
    """The index versions, and which one searches use."""
    with services.database.reading() as session:
        return IndexList(indexes=[IndexResponse.model_validate(view) for view in list_indexes(session)])


@router.post("/indexes", status_code=202)
def build_index(jobs: UsesJobs) -> JobStarted:
    """Start a build of a new index version from the live documents."""
    return JobStarted(job_id=jobs.reindex())

"""``/v1/training-runs``: what was tuned here, and tuning as a job."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import UsesJobs, UsesServices
from app.api.fields import MAX_NUMBER
from app.api.jobs import JobStarted
from app.api.problems import described
from app.db.training_runs import get_run, list_runs

router = APIRouter(prefix="/v1/training-runs", tags=["training runs"])


class TuningOptions(BaseModel):
    """How to tune; what is not given is as for ``footnote tune retriever``."""

    model_config = ConfigDict(extra="forbid")
    epochs: Annotated[int | None, Field(ge=1, le=100, description="How often each example is seen.")] = None
    batch_size: Annotated[int | None, Field(ge=2, le=4096, description="Questions of a step.")] = None
    negatives: Annotated[int | None, Field(ge=0, le=100, description="Mined ones per question and step.")] = (
        None
    )
    learning_rate: Annotated[float | None, Field(ge=1e-7, le=1e-2, description="The largest.")] = None
    seed: Annotated[int | None, Field(ge=0, le=MAX_NUMBER)] = None


class TuningRequest(BaseModel):
    """What to tune, on the approved pairs and clicks of this home."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["retriever"]
    options: TuningOptions = TuningOptions()


class TrainingRunShown(BaseModel):
    """A model that was tuned here, or is being tuned; ``report`` is its manifest."""

    model_config = ConfigDict(from_attributes=True)
    id: str = Field(examples=["trn_3f2a9c0d11e24b6f8a7c5d90"])
    created_at: datetime
    ended_at: datetime | None
    kind: str = Field(description="retriever, reranker, generator or joint")
    state: str = Field(description="running, done or failed")
    base: str
    fingerprint: str | None
    report: dict[str, Any]
    error: str | None


class TrainingRunList(BaseModel):
    """The newest training runs first."""

    training_runs: list[TrainingRunShown]


@router.post("", status_code=202, responses=described(422))
def tune(request: TuningRequest, jobs: UsesJobs) -> JobStarted:
    """Start tuning; nothing goes live by itself. The job's result names the training run."""
    return JobStarted(job_id=jobs.tune_retriever(request.options.model_dump(exclude_none=True)))


@router.get("", responses=described(422))
def list_training_runs(
    services: UsesServices, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> TrainingRunList:
    """The newest training runs."""
    with services.database.reading() as session:
        found = list_runs(session, limit=limit)
    return TrainingRunList(training_runs=[TrainingRunShown.model_validate(one) for one in found])


@router.get("/{run_id}", responses=described(404, 422))
def read_training_run(run_id: str, services: UsesServices) -> TrainingRunShown:
    """One training run with its manifest."""
    with services.database.reading() as session:
        return TrainingRunShown.model_validate(get_run(session, run_id))

"""``POST /v1/training-runs``: tuning as a job."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import UsesJobs
from app.api.fields import MAX_NUMBER
from app.api.jobs import JobStarted
from app.api.problems import described

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


@router.post("", status_code=202, responses=described(422))
def tune(request: TuningRequest, jobs: UsesJobs) -> JobStarted:
    """Start tuning; nothing goes live by itself. The job's result names the training run."""
    return JobStarted(job_id=jobs.tune_retriever(request.options.model_dump(exclude_none=True)))

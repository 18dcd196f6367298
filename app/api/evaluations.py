"""``/v1/evaluations``: what search and answers were worth, run by run; ``footnote evaluate`` makes them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import UsesServices
from app.api.problems import described
from app.db.evaluation_runs import list_evaluations
from app.evaluations.answer_reports import AnswerSubject
from app.evaluations.pages import render_runs
from app.evaluations.reports import Subject
from app.evaluations.stored_runs import AnyRun, read_compared, read_run

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])


class EvaluationListed(BaseModel):
    """An evaluation run without its questions."""

    model_config = ConfigDict(from_attributes=True)
    id: str = Field(examples=["evl_3f2a9c0d11e24b6f8a7c5d90"])
    created_at: datetime
    suite: str = Field(description="The suite, or pairs and their split.", examples=["ray", "pairs dev"])
    subject: Subject | AnswerSubject
    summary: dict[str, Any] = Field(
        description="Number of questions, and the means by way of searching, or by evidence.",
        examples=[{"questions": 205, "fused": {"hit@10": 0.741, "mrr@10": 0.443}}],
    )


class EvaluationList(BaseModel):
    """Evaluation runs, newest first."""

    evaluations: list[EvaluationListed]


@router.get("", responses=described(422))
def list_all(
    services: UsesServices,
    suite: Annotated[str | None, Query(max_length=200, description="Only runs of this suite.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> EvaluationList:
    """The newest evaluation runs."""
    with services.database.reading() as session:
        found = list_evaluations(session, suite=suite, limit=limit)
    return EvaluationList(evaluations=[EvaluationListed.model_validate(one) for one in found])


@router.get("/{run_id}", responses=described(404, 422))
def read(run_id: str, services: UsesServices) -> AnyRun:
    """One run: every measure with its interval, every question's values, the worst questions, comparisons."""
    return read_run(services.database, run_id)


@router.get("/{run_id}/page", response_class=HTMLResponse, responses=described(404, 422))
def open_page(run_id: str, services: UsesServices) -> HTMLResponse:
    """One run as a page with plots, beside the runs that it was compared with."""
    run = read_run(services.database, run_id)
    return HTMLResponse(render_runs([*read_compared(services.database, run), run]))

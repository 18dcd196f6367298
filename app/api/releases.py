"""``/v1/releases``: what answers, and how another takes its place."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.dependencies import UsesJobs, UsesServices
from app.api.jobs import JobStarted
from app.api.problems import described
from app.db.releases import get_release, list_events, list_releases
from app.releases import roll_back
from finetune.gate import MainMeasure

router = APIRouter(prefix="/v1/releases", tags=["releases"])

Reference = Annotated[
    str | None,
    Field(max_length=200, description="run:ID or another reference; the configured one if not given."),
]
Reason = Annotated[str | None, Field(max_length=1000, description="Why; recorded.")]


class ReleaseListed(BaseModel):
    """A release; ``gate`` is what the gate decided of it, ``replaced`` what was live before it."""

    model_config = ConfigDict(from_attributes=True)
    id: str = Field(examples=["rel_3f2a9c0d11e24b6f8a7c5d90"])
    created_at: datetime
    state: str = Field(description="candidate, live, former or retired")
    encoder: str
    reranker: str | None
    generator: str
    encoder_weights: str
    reranker_weights: str | None
    generator_weights: str
    prompt_version: str
    index_version: str = Field(description="What it was made with; newer ones of its encoder belong to it.")
    thresholds: dict[str, Any]
    training_runs: list[str]
    gate: dict[str, Any] | None
    force_reason: str | None
    replaced: str | None
    note: str


class ReleaseEventShown(BaseModel):
    """Something that happened to a release."""

    model_config = ConfigDict(from_attributes=True)
    at: datetime
    kind: str
    detail: dict[str, Any]


class ReleaseResponse(ReleaseListed):
    """A release with all that happened to it, the first first."""

    events: list[ReleaseEventShown]


class ReleaseList(BaseModel):
    """Every release, the newest first."""

    releases: list[ReleaseListed]


class NewReleaseRequest(BaseModel):
    """The models of a candidate."""

    model_config = ConfigDict(extra="forbid")
    encoder: Reference = None
    generator: Reference = None
    note: str = Field(default="", max_length=1000, description="What it is, for people.")


class PromotionRequest(BaseModel):
    """How the gate decides; ``force`` passes it by and needs a reason."""

    model_config = ConfigDict(extra="forbid")
    pairs: Literal["dev", "test"] = Field(default="test", description="Held-out pairs that are asked.")
    main: MainMeasure | None = Field(
        default=None,
        description="What must rise: citation recall where the generator is another, else mrr@10.",
    )
    margin: float = Field(default=0.0, ge=0, le=1, description="By how much, at the interval's lower end.")
    answers: int = Field(
        default=60,
        ge=1,
        le=10_000,
        description="Questions that are answered; up to four times as many while a guard is in doubt.",
    )
    force: bool = False
    reason: Reason = None

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        if self.force and not (self.reason or "").strip():
            raise ValueError("force needs a reason: it is recorded why the gate was passed by")
        return self


class RollbackRequest(BaseModel):
    """Where to go back to."""

    model_config = ConfigDict(extra="forbid")
    release_id: str | None = Field(
        default=None, max_length=40, description="The release; what the live one replaced if not given."
    )
    reason: Reason = None


@router.get("")
def list_all(services: UsesServices) -> ReleaseList:
    """Every release, and which is live."""
    with services.database.reading() as session:
        return ReleaseList(releases=[ReleaseListed.model_validate(one) for one in list_releases(session)])


@router.post("", status_code=202, responses=described(422))
def create(wanted: NewReleaseRequest, jobs: UsesJobs) -> JobStarted:
    """Start recording a candidate with an index of its own; nothing goes live."""
    return JobStarted(
        job_id=jobs.make_release(encoder=wanted.encoder, generator=wanted.generator, note=wanted.note)
    )


@router.post("/rollback", responses=described(404, 409, 422, 503))
def go_back(wanted: RollbackRequest, services: UsesServices) -> ReleaseResponse:
    """Go back to a former release with its newest index; servers follow within seconds."""
    back = roll_back(
        services, wanted.release_id, reason=wanted.reason, progress=lambda _stage, _done, _total: None
    )
    return read(back.id, services)


@router.get("/{release_id}", responses=described(404, 422))
def read(release_id: str, services: UsesServices) -> ReleaseResponse:
    """One release with its gate's decision and all that happened to it."""
    with services.database.reading() as session:
        release = get_release(session, release_id)
        events = [asdict(one) for one in list_events(session, release_id)]
    return ReleaseResponse.model_validate(asdict(release) | {"events": events})


@router.post("/{release_id}/promote", status_code=202, responses=described(404, 422))
def promote(release_id: str, wanted: PromotionRequest, services: UsesServices, jobs: UsesJobs) -> JobStarted:
    """Start asking the gate; the release goes live if it passes. The job's result has the decision."""
    with services.database.reading() as session:
        get_release(session, release_id)
    gate = wanted.model_dump(include={"pairs", "main", "margin", "answers"})
    return JobStarted(job_id=jobs.promote(release_id, None if wanted.force else gate, reason=wanted.reason))

"""What requests and responses about QA pairs hold."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.fields import MAX_NUMBER, NotBlank, Question, Storable
from app.db.pair_drafts import PairStatus
from ingest.pairs.drafts import Origin

MAX_ANSWER = 20_000
MAX_REVIEWED = 500

Reviewer = Annotated[NotBlank, Field(max_length=200, description="Who does this; kept in the history.")]
Answer = Annotated[NotBlank, Field(max_length=MAX_ANSWER)]


class EvidenceResponse(BaseModel):
    """What an answer rests on: ``quote`` is exactly ``start`` to ``end`` of that version's text."""

    model_config = ConfigDict(from_attributes=True)
    document_id: str
    version: int
    uri: str
    title: str
    start: int
    end: int
    seconds: tuple[float, float] | None
    quote: str


class PairResponse(BaseModel):
    """A question-answer pair."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    question: str
    answer: str
    origin: Origin
    method: str
    status: PairStatus
    reason: str | None = Field(description="Why it is filtered, pending, stale or a duplicate.")
    scores: dict[str, float] = Field(description="Each filter's score in [0, 1], in the order of filters.")
    quality: float | None
    weight: float = Field(description="Worth as a training example, in (0, 1].")
    product: str | None
    split: Literal["train", "dev", "test"]
    split_seed: int
    duplicate_of: str | None
    conflicts_with: tuple[str, ...]
    created_at: datetime
    changed_at: datetime
    approved_at: datetime | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    evidence: tuple[EvidenceResponse, ...]


class PairList(BaseModel):
    """A page of pairs; ask again with ``after=next`` until ``next`` is null."""

    pairs: list[PairResponse]
    next: str | None


class EventResponse(BaseModel):
    """Something that happened to a pair, and what the pair was before."""

    model_config = ConfigDict(from_attributes=True)
    at: datetime
    by: str
    action: str
    before: dict[str, Any]


class PairWithHistory(PairResponse):
    """A pair with what was done to it, oldest first."""

    events: list[EventResponse]


class EvidenceRequest(BaseModel):
    """Characters of a document's current version."""

    model_config = ConfigDict(extra="forbid")
    document_id: Storable
    version: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    start: Annotated[int, Field(ge=0, le=MAX_NUMBER)]
    end: Annotated[int, Field(ge=1, le=MAX_NUMBER)]


class CreateRequest(BaseModel):
    """A pair that an administrator writes. Without evidence, its answer becomes a small document."""

    model_config = ConfigDict(extra="forbid")
    question: Question
    answer: Answer
    evidence: list[EvidenceRequest] = Field(default=[], max_length=20)
    product: Annotated[NotBlank | None, Field(max_length=200)] = None
    by: Reviewer = "administrator"


class Created(BaseModel):
    """A new pair; ``job_id`` is the job after which search knows it."""

    pair: PairResponse
    job_id: str


class EditRequest(BaseModel):
    """What changes; what is not given stays. An edited pair is approved."""

    model_config = ConfigDict(extra="forbid")
    question: Question | None = None
    answer: Answer | None = None
    evidence: list[EvidenceRequest] | None = Field(default=None, min_length=1, max_length=20)
    by: Reviewer = "administrator"


class ReviewRequest(BaseModel):
    """A decision about one pair or many."""

    model_config = ConfigDict(extra="forbid")
    ids: list[Storable] = Field(min_length=1, max_length=MAX_REVIEWED)
    decision: Literal["approve", "reject"]
    note: Annotated[NotBlank | None, Field(max_length=2000)] = None
    by: Reviewer = "administrator"


class Reviewed(BaseModel):
    """The pairs as they are after a review. Search follows at the next index build; refusals at once."""

    pairs: list[PairResponse]


class StatisticsResponse(BaseModel):
    """How many pairs there are, by origin and status, by method, by filter and by split."""

    model_config = ConfigDict(from_attributes=True)
    by_origin: dict[str, dict[str, int]]
    by_method: dict[str, dict[str, int]]
    filtered_by: dict[str, dict[str, int]]
    approved_by_split: dict[str, int]
    conflicting: int
    waiting: int


class BuildRequest(BaseModel):
    """How much to compile."""

    model_config = ConfigDict(extra="forbid")
    write: Annotated[int | None, Field(ge=0, le=MAX_NUMBER)] = Field(
        default=None, description="Most passages that the generator writes from; all if not given."
    )


class Started(BaseModel):
    """A job that was started, or was running already."""

    job_id: str


class ImportResponse(BaseModel):
    """What became of a file: rows taken in, and those that were not with their line.

    A file of the same name as an earlier one is the same source, and takes its place.
    """

    rows: int
    located: int = Field(description="Rows whose answer stands in the document at their address.")
    unchanged: int
    documents: int
    removed: int = Field(description="Documents of this source whose rows are all gone.")
    problems: list[str]
    jobs: list[str]

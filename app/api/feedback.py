"""``/v1/interactions`` and ``/v1/qa-pairs/gaps``: what readers said, and what the documents lack."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import UsesServices
from app.api.fields import Storable
from app.api.problems import described
from app.db.interactions import Thumb, add_interaction

router = APIRouter(prefix="/v1")


class InteractionRequest(BaseModel):
    """A reader's opinion of an answer."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"answer_id": "ans_77aa", "thumb": "down"}}
    )
    answer_id: Storable
    thumb: Thumb
    comment: Annotated[Storable | None, Field(max_length=2000)] = None


class InteractionResponse(BaseModel):
    """What was recorded."""

    id: str


class NearDocumentResponse(BaseModel):
    """A document that comes near to a gap."""

    model_config = ConfigDict(from_attributes=True)
    document_id: str
    uri: str
    title: str
    cosine: float


class GapResponse(BaseModel):
    """Something that readers ask and the documents do not answer."""

    model_config = ConfigDict(from_attributes=True)
    question: str
    count: int
    refused: int
    disliked: int
    wordings: tuple[str, ...]
    last_asked: datetime
    documents: tuple[NearDocumentResponse, ...]


class GapList(BaseModel):
    """The largest gaps first."""

    gaps: list[GapResponse]


@router.post("/interactions", status_code=201, tags=["interactions"], responses=described(404, 422))
def interact(request: InteractionRequest, services: UsesServices) -> InteractionResponse:
    """Record a thumb for an answer."""
    with services.database.writing() as session:
        recorded = add_interaction(
            session, request.answer_id, request.thumb, request.comment, now=datetime.now(UTC)
        )
    return InteractionResponse(id=recorded)


@router.get("/qa-pairs/gaps", tags=["qa-pairs"], responses=described(422, 503))
def gaps(services: UsesServices, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> GapList:
    """Questions that ended in a refusal or a thumb down, grouped by meaning: what to write next."""
    return GapList(gaps=[GapResponse.model_validate(gap) for gap in services.gaps(limit=limit)])

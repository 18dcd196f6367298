"""``/v1/search``: passages for a question."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import UsesAccess
from app.api.dependencies import UsesServices
from app.api.fields import DetectedProductResponse, NotBlank, Question
from app.api.problems import described
from app.db.searches import SearchRecord
from app.db.tables import new_id
from app.searching import Found
from app.wiring import Services

router = APIRouter(prefix="/v1", tags=["search"])


class SearchRequest(BaseModel):
    """A question, and how many passages are wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"question": "How do I add an index to a model?", "k": 5}},
    )
    question: Question
    k: int = Field(default=10, ge=1, le=100)
    products: list[NotBlank] | None = Field(
        default=None, min_length=1, description="Use these products only."
    )


class HitResponse(BaseModel):
    """A passage that was found: ``text`` is ``start`` to ``end`` of the document's text."""

    model_config = ConfigDict(from_attributes=True)
    rank: int
    score: float = Field(description="Weighted sum of signals; compares hits of one search only.")
    passage_id: str
    document_id: str
    document_version: int
    uri: str
    title: str
    heading_path: tuple[str, ...]
    page: int | None
    seconds: tuple[float, float] | None
    start: int
    end: int
    text: str
    via: tuple[Literal["dense", "bm25", "qa"], ...]


class SearchResponse(BaseModel):
    """Passages, best first."""

    search_id: str | None = Field(
        description="What a click names in `POST /v1/interactions`; null where searches are not recorded."
    )
    index_version: str
    products: list[str] = Field(
        description="The products that the search was limited to, or else those that were detected."
    )
    detected_products: list[DetectedProductResponse]
    hits: list[HitResponse]


@router.post("/search", responses=described(422, 503))
def search(request: SearchRequest, services: UsesServices, access: UsesAccess) -> SearchResponse:
    """Find the passages that fit a question best."""
    found = services.search(
        request.question, k=request.k, products=request.products, allowed_products=access.products
    )
    return SearchResponse(
        search_id=_record(services, request.question, found),
        index_version=found.index_version,
        products=list(found.products),
        detected_products=[DetectedProductResponse.model_validate(one) for one in found.detected_products],
        hits=[HitResponse.model_validate(hit) for hit in found.hits],
    )


def _record(services: Services, question: str, found: Found) -> str | None:
    """Put a search on record, so that clicks can name it; its id, or None where it is not recorded."""
    record = SearchRecord(
        id=new_id("srch"),
        created_at=datetime.now(UTC),
        question=question,
        index_version=found.index_version,
        shown=tuple(hit.passage_id for hit in found.hits),
    )
    is_recorded = services.settings.record_searches and services.search_log.record(record)
    return record.id if is_recorded else None

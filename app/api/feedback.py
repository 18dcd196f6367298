"""``/v1/interactions`` and ``/v1/qa-pairs/gaps``: what readers did, and what the documents lack."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.access import UsesAccess
from app.api.dependencies import UsesServices
from app.api.fields import MAX_NUMBER, Storable
from app.api.problems import described
from app.db.answers import get_answer
from app.db.api_keys import Access
from app.db.interactions import (
    Recorded,
    Thumb,
    check_hit,
    click_citation,
    click_hit,
    rate_answer,
    rate_hit,
)
from app.db.searches import SearchNotFound
from app.wiring import Services

router = APIRouter(prefix="/v1")


class InteractionRequest(BaseModel):
    """A reader's click on what was shown, or opinion of it.

    A click names a passage of a search, or a footnote of an answer; a thumb an answer, or a passage of a
    search. With a thumb it is an opinion, without one a click.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"search_id": "srch_03bd", "passage_id": "psg_9f2c"},
                {"answer_id": "ans_77aa", "citation": 1},
                {"answer_id": "ans_77aa", "thumb": "down", "comment": "That was version 1."},
                {"search_id": "srch_03bd", "passage_id": "psg_9f2c", "thumb": "up"},
            ]
        },
    )
    search_id: Storable | None = None
    answer_id: Storable | None = None
    passage_id: Storable | None = Field(default=None, description="A passage that the search showed.")
    citation: int | None = Field(
        default=None, ge=1, le=MAX_NUMBER, description="The number of a footnote of the answer."
    )
    thumb: Thumb | None = None
    comment: Annotated[Storable | None, Field(max_length=2000)] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.search_id is None) == (self.answer_id is None):
            raise ValueError("name a search_id or an answer_id, and not both")
        if self.search_id is not None and (self.passage_id is None or self.citation is not None):
            raise ValueError("with a search_id name a passage_id of its hits, and no citation")
        if self.answer_id is not None and self.passage_id is not None:
            raise ValueError("with an answer_id name a citation by its number, not a passage_id")
        if self.answer_id is not None and (self.citation is None) == (self.thumb is None):
            raise ValueError("with an answer_id name a citation that was clicked, or a thumb for the whole")
        if self.comment is not None and self.thumb is None:
            raise ValueError("a comment goes with a thumb")
        return self


class InteractionResponse(BaseModel):
    """What is on record."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "int_5b0e"}})
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


@router.post(
    "/interactions",
    status_code=201,
    tags=["interactions"],
    responses={
        200: {"model": InteractionResponse, "description": "This click was on record already."},
        **described(404, 422, 503),
    },
)
def interact(
    request: InteractionRequest, services: UsesServices, access: UsesAccess, response: Response
) -> InteractionResponse:
    """Record a click or a thumb. The place at which a passage was shown is looked up, not asked for.

    The same click on the same search or answer counts once.
    """
    _check(request, services, access)
    try:
        recorded = _record(request, services)
    except SearchNotFound:
        services.search_log.flush()  # a search of this moment may still be on its way to the record
        recorded = _record(request, services)
    if not recorded.is_new:
        response.status_code = 200
    return InteractionResponse(id=recorded.id)


def _check(request: InteractionRequest, services: Services, access: Access) -> None:
    """Raise as if it were not there what a key that is limited to products may not see."""
    if access.products is None:
        return
    with services.database.reading() as session:
        if request.answer_id is not None:
            get_answer(session, request.answer_id, allowed_products=access.products)
        elif request.search_id is not None and request.passage_id is not None:
            check_hit(session, request.search_id, request.passage_id, allowed_products=access.products)


def _record(request: InteractionRequest, services: Services) -> Recorded:
    now, thumb, comment = datetime.now(UTC), request.thumb, request.comment
    with services.database.writing() as session:
        if request.search_id is not None and request.passage_id is not None:
            if thumb is None:
                return click_hit(session, request.search_id, request.passage_id, now=now)
            return rate_hit(session, request.search_id, request.passage_id, thumb, comment, now=now)
        assert request.answer_id is not None  # the request says so, or it was refused
        if thumb is not None:
            return rate_answer(session, request.answer_id, thumb, comment, now=now)
        assert request.citation is not None
        return click_citation(session, request.answer_id, request.citation, now=now)


@router.get("/qa-pairs/gaps", tags=["qa-pairs"], responses=described(422, 503))
def gaps(
    services: UsesServices, access: UsesAccess, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> GapList:
    """Questions that ended in a refusal or a thumb down, grouped by meaning: what to write next.

    A key that is limited to products sees those that were asked of these products and no other: by keys that
    are so limited, or with ``products`` in the request.
    """
    found = services.gaps(limit=limit, allowed_products=access.products)
    return GapList(gaps=[GapResponse.model_validate(gap) for gap in found])

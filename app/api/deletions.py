"""``/v1/deletions``: receipts of deleted documents."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.dependencies import UsesServices
from app.api.problems import described
from app.db.deletions import get_deletion, list_deletions
from app.deletion.receipts import as_receipt

router = APIRouter(prefix="/v1/deletions", tags=["deletions"])


class PlaceResponse(BaseModel):
    """A place, how much of the document was there, and when it went; null while it may be there."""

    place: str
    found: int
    gone_at: datetime | None
    note: str | None = Field(description="What keeps it from going.")


class DeletionResponse(BaseModel):
    """The receipt of a deletion: open until an index build has found every place empty."""

    id: str
    document_id: str
    state: Literal["open", "complete"]
    requested_at: datetime
    completed_at: datetime | None
    places: list[PlaceResponse]
    learnt_by: list[str] = Field(description="Training runs that began while the document was here.")
    beyond_reach: list[str] = Field(description="What can't be taken back.")


class DeletionList(BaseModel):
    """A page of deletions; ask again with ``after=next`` until ``next`` is null."""

    deletions: list[DeletionResponse]
    next: str | None


@router.get("", responses=described(422))
def list_all(
    services: UsesServices,
    after: Annotated[str | None, Query(description="Id of the last deletion of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> DeletionList:
    """Deletions by id, a page at a time."""
    with services.database.reading() as session:
        found = list_deletions(session, after=after, limit=limit)
    return DeletionList(
        deletions=[DeletionResponse.model_validate(as_receipt(one)) for one in found],
        next=found[-1].id if len(found) == limit else None,
    )


@router.get("/{deletion_id}", responses=described(404, 422))
def read(deletion_id: str, services: UsesServices) -> DeletionResponse:
    """One receipt."""
    with services.database.reading() as session:
        return DeletionResponse.model_validate(as_receipt(get_deletion(session, deletion_id)))

"""``/v1/sources``: where documents are synced from, and when."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import UsesJobs, UsesServices
from app.api.fields import NotBlank
from app.api.jobs import JobStarted
from app.api.problems import described
from app.db.source_items import confirm_removals, held_items, problem_items
from app.db.sources import REMOVAL_SHARE, NewSource, get_source, list_sources
from app.source_administration import add, change, remove

router = APIRouter(prefix="/v1/sources", tags=["sources"])

Name = Annotated[NotBlank, Field(max_length=200)]
Location = Annotated[NotBlank, Field(max_length=2000)]
Schedule = Annotated[NotBlank, Field(max_length=200, description="Cron expression of five fields.")]
Zone = Annotated[NotBlank, Field(max_length=60, description="Time zone of the schedule.")]
Share = Annotated[
    float, Field(ge=0, le=1, description="Largest share of its documents that a sync removes without asking.")
]


class SourceRequest(BaseModel):
    """A source to add. ``options`` are those of its kind; docs/sources.md lists them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "kind": "http",
                "name": "Handbook",
                "location": "https://docs.example/sitemap.xml",
                "schedule": "30 2 * * *",
                "zone": "Europe/Berlin",
            }
        },
    )
    kind: str = Field(description="folder, http, git or s3")
    name: Name
    location: Location
    options: dict[str, Any] = {}
    product: Name | None = None
    uri_prefix: Annotated[NotBlank, Field(max_length=2000)] | None = None
    schedule: Schedule | None = None
    zone: Zone = "UTC"
    removal_share: Share = REMOVAL_SHARE


class SourceChanges(BaseModel):
    """What to change of a source; what is left out stays. ``"schedule": null`` ends its schedule."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"schedule": "0 4 * * 1", "zone": "Europe/Berlin"}}
    )
    name: Name = ""
    location: Location = ""
    options: dict[str, Any] = {}
    schedule: Schedule | None = None
    zone: Zone = "UTC"
    removal_share: Share = REMOVAL_SHARE


class SourceResponse(BaseModel):
    """A source. ``held`` counts removals that wait to be confirmed; ``sync_*`` tell of its last sync."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    created_at: datetime
    kind: str
    name: str
    location: str
    options: dict[str, Any]
    product: str | None
    uri_prefix: str | None
    schedule: str | None
    zone: str
    removal_share: float
    documents: int
    held: int
    sync_job: str | None
    sync_started_at: datetime | None
    sync_ended_at: datetime | None
    sync_counts: dict[str, int]
    sync_error: str | None


class ItemResponse(BaseModel):
    """A file or page of a source."""

    model_config = ConfigDict(from_attributes=True)
    key: str
    document_id: str | None
    uri: str | None
    problem: str | None


class SourceDetail(SourceResponse):
    """A source with the first hundred held removals, and of what was not taken in."""

    held_removals: list[ItemResponse]
    problems: list[ItemResponse]


class SourceList(BaseModel):
    """Every source by name."""

    sources: list[SourceResponse]


class Removed(BaseModel):
    """How many documents were removed, and the job that takes them out of the index, if there were any."""

    removed: int
    job_id: str | None


@router.post("", status_code=201, responses=described(422))
def add_one(request: SourceRequest, services: UsesServices) -> SourceResponse:
    """Add a source. Nothing is fetched before its first sync."""
    view = add(services.database, NewSource(**request.model_dump()), now=datetime.now(UTC))
    return SourceResponse.model_validate(view)


@router.get("")
def list_all(services: UsesServices) -> SourceList:
    """Every source by name."""
    with services.database.reading() as session:
        return SourceList(sources=[SourceResponse.model_validate(view) for view in list_sources(session)])


@router.get("/{source_id}", responses=described(404, 422))
def read(source_id: str, services: UsesServices) -> SourceDetail:
    """One source, with the removals that wait to be confirmed and what was not taken in."""
    with services.database.reading() as session:
        view = SourceResponse.model_validate(get_source(session, source_id))
        held, problems = held_items(session, view.id), problem_items(session, view.id)
    return SourceDetail(
        **view.model_dump(),
        held_removals=[ItemResponse.model_validate(item) for item in held],
        problems=[ItemResponse.model_validate(item) for item in problems],
    )


@router.patch("/{source_id}", responses=described(404, 422))
def change_one(source_id: str, request: SourceChanges, services: UsesServices) -> SourceResponse:
    """Change a source. A changed schedule begins now."""
    changes = request.model_dump(exclude_unset=True)
    return SourceResponse.model_validate(change(services.database, source_id, changes, now=datetime.now(UTC)))


@router.delete("/{source_id}", responses=described(404, 422))
def remove_one(
    source_id: str,
    services: UsesServices,
    jobs: UsesJobs,
    documents: Annotated[bool, Query(description="Remove its documents too; else they stay.")] = False,  # noqa: FBT002
) -> Removed:
    """Forget a source. Its documents stay as if they had been uploaded, unless they are to go too."""
    removed = remove(
        services.database,
        services.settings,
        source_id,
        with_documents=documents,
        now=datetime.now(UTC),
    )
    return Removed(removed=removed, job_id=jobs.reindex() if removed else None)


@router.post("/{source_id}/sync", status_code=202, responses=described(404, 422))
def sync(source_id: str, services: UsesServices, jobs: UsesJobs) -> JobStarted:
    """Start a sync of a source, or join the one that waits or runs already."""
    with services.database.reading() as session:
        source = get_source(session, source_id)
    return JobStarted(job_id=jobs.sync(source.id))


@router.post("/{source_id}/confirm", responses=described(404, 422))
def confirm(source_id: str, services: UsesServices, jobs: UsesJobs) -> Removed:
    """Remove the documents whose removal was held because it was much at once."""
    with services.database.writing() as session:
        source = get_source(session, source_id)
        removed = confirm_removals(session, source.id, now=datetime.now(UTC))
    return Removed(removed=removed, job_id=jobs.reindex() if removed else None)

"""``/v1/qa-pairs``: the question-answer database."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from app.api.access import UsesAccess
from app.api.dependencies import UsesJobs, UsesServices
from app.api.fields import NotBlank, storable
from app.api.pair_fields import (
    BuildRequest,
    Created,
    CreateRequest,
    EditRequest,
    EventResponse,
    EvidenceRequest,
    ImportResponse,
    PairList,
    PairResponse,
    PairWithHistory,
    Reviewed,
    ReviewRequest,
    Started,
    StatisticsResponse,
)
from app.api.problems import described
from app.db.api_keys import Access, product_for
from app.db.documents import check_document
from app.db.pair_drafts import EvidenceAt, PairStatus
from app.db.pair_reviews import list_events, review_pair
from app.db.pairs import (
    PairFilter,
    PairNotFound,
    count_pairs,
    get_pair,
    get_pairs,
    list_pairs,
    pairs_of_products,
)
from app.qa.administration import NewPair, change_pair, create_pair
from app.qa.exporting import export_pairs
from app.qa.importing import import_pairs
from app.uploads import UploadTooLarge
from app.wiring import Services
from ingest.pairs.drafts import EvidenceSpan, Origin

router = APIRouter(prefix="/v1/qa-pairs", tags=["qa-pairs"])


@router.get("", responses=described(422))
def list_all(
    services: UsesServices,
    access: UsesAccess,
    status: PairStatus | None = None,
    origin: Origin | None = None,
    product: Annotated[str | None, Query(max_length=200)] = None,
    document_id: Annotated[str | None, Query(max_length=40)] = None,
    split: Annotated[str | None, Query(pattern="^(train|dev|test)$")] = None,
    text: Annotated[str | None, Query(max_length=200, description="In question or answer.")] = None,
    conflicting: Annotated[
        bool | None, Query(description="Whether another pair answers the same question otherwise.")
    ] = None,
    after: Annotated[str | None, Query(description="Id of the last pair of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> PairList:
    """Pairs by id, a page at a time."""
    wanted = PairFilter(
        status=status,
        origin=origin,
        product=product,
        document_id=document_id,
        split=split,
        text=None if text is None else storable(text),
        conflicting=conflicting,
        allowed_products=access.products,
    )
    with services.database.reading() as session:
        views = list_pairs(session, wanted, after=after, limit=limit)
    return PairList(
        pairs=[PairResponse.model_validate(view) for view in views],
        next=views[-1].id if len(views) == limit else None,
    )


@router.post("", status_code=201, responses=described(404, 422))
def create(request: CreateRequest, services: UsesServices, access: UsesAccess, jobs: UsesJobs) -> Created:
    """Write a pair; it is approved, and search knows it when the job has ended."""
    with services.database.reading() as session:
        product = product_for(session, request.product, access)
        _check_evidence(session, request.evidence, access)
    new = NewPair(
        question=request.question,
        answer=request.answer,
        evidence=_evidence(request.evidence),
        product=product,
    )
    pair_id, versions = create_pair(
        services.database, services.settings, new, by=request.by, now=datetime.now(UTC)
    )
    return Created(pair=_read(services, pair_id, access), job_id=jobs.ingest(versions))


@router.post("/review", responses=described(404, 422))
def review(request: ReviewRequest, services: UsesServices, access: UsesAccess) -> Reviewed:
    """Approve or refuse pairs, all of them or none. A refused pair leaves search at once."""
    with services.database.writing() as session:
        _check_pairs(session, request.ids, access)
        for pair_id in dict.fromkeys(request.ids):
            review_pair(
                session,
                pair_id,
                request.decision,
                by=request.by,
                now=datetime.now(UTC),
                note=request.note,
            )
    with services.database.reading() as session:
        views = get_pairs(session, request.ids, allowed_products=access.products)
    return Reviewed(pairs=[PairResponse.model_validate(view) for view in views])


@router.get("/statistics")
def statistics(services: UsesServices, access: UsesAccess) -> StatisticsResponse:
    """How many pairs there are, and which filter took out how many."""
    with services.database.reading() as session:
        counted = count_pairs(session, allowed_products=access.products)
    return StatisticsResponse.model_validate(counted)


@router.post("/build", status_code=202, responses=described(422))
def build(request: BuildRequest, jobs: UsesJobs) -> Started:
    """Compile pairs from documents, or join a job that does. Once stopped, it goes on where it was."""
    return Started(job_id=jobs.build_pairs(write=request.write))


@router.post("/import", status_code=202, responses=described(413, 415, 422))
def import_file(
    services: UsesServices,
    jobs: UsesJobs,
    file: Annotated[UploadFile, File(description="CSV, XLSX, JSONL, Stack Exchange XML, or an export.")],
    product: Annotated[NotBlank | None, Form(max_length=200)] = None,
    address: Annotated[
        str, Form(max_length=2000, description="Begins the address of threads that have none.")
    ] = "",
) -> ImportResponse:
    """Take in a file of pairs. Good rows go in; bad ones are told with their line."""
    limit, name = services.settings.max_upload_bytes, storable(file.filename or "upload")
    data = file.file.read(limit + 1)
    if len(data) > limit:
        raise UploadTooLarge(name, limit)
    imported = import_pairs(
        services.database,
        services.settings,
        data,
        name=name,
        product=product,
        address=storable(address),
        now=datetime.now(UTC),
    )
    ingest = jobs.ingest(imported.versions) if imported.versions else None
    build = jobs.build_pairs(write=0, after=ingest)
    return ImportResponse(
        rows=imported.rows,
        located=imported.located,
        unchanged=imported.unchanged,
        documents=len(imported.versions),
        removed=imported.removed,
        problems=imported.describe_problems(name),
        jobs=[build] if ingest is None else [ingest, build],
    )


@router.get(
    "/export", response_class=StreamingResponse, responses={200: {"content": {"application/jsonl": {}}}}
)
def export(services: UsesServices, status: PairStatus | None = None) -> StreamingResponse:
    """All pairs as JSONL, with their history; the import takes it back without loss."""
    lines: Iterator[str] = export_pairs(services.database, services.settings, PairFilter(status=status))
    return StreamingResponse(lines, media_type="application/jsonl")


@router.get("/{pair_id}", responses=described(404, 422))
def read(pair_id: str, services: UsesServices, access: UsesAccess) -> PairWithHistory:
    """One pair, with what was done to it."""
    with services.database.reading() as session:
        view = get_pair(session, pair_id, allowed_products=access.products)
        events = list_events(session, pair_id)
    return PairWithHistory(
        **PairResponse.model_validate(view).model_dump(),
        events=[EventResponse.model_validate(event) for event in events],
    )


@router.patch("/{pair_id}", responses=described(404, 422))
def edit(
    pair_id: str, request: EditRequest, services: UsesServices, access: UsesAccess, jobs: UsesJobs
) -> PairResponse:
    """Change a pair's words or evidence; it is approved with that."""
    with services.database.reading() as session:
        _check_pairs(session, [pair_id], access)
        _check_evidence(session, request.evidence or (), access)
    versions = change_pair(
        services.database,
        services.settings,
        pair_id,
        question=request.question,
        answer=request.answer,
        evidence=None if request.evidence is None else _evidence(request.evidence),
        by=request.by,
        now=datetime.now(UTC),
    )
    if versions:
        jobs.ingest(versions)
    return _read(services, pair_id, access)


def _read(services: Services, pair_id: str, access: Access) -> PairResponse:
    with services.database.reading() as session:
        view = get_pair(session, pair_id, allowed_products=access.products)
    return PairResponse.model_validate(view)


def _check_pairs(session: Session, ids: Sequence[str], access: Access) -> None:
    """Raise PairNotFound if a key that is limited to products may not see one of these pairs."""
    if access.products is None:
        return
    seen = pairs_of_products(session, ids, access.products)
    for pair_id in ids:
        if pair_id not in seen:
            raise PairNotFound(pair_id)


def _check_evidence(session: Session, evidence: Sequence[EvidenceRequest], access: Access) -> None:
    """Raise DocumentNotFound if a key that is limited to products may not see one of these documents."""
    for one in evidence:
        check_document(session, one.document_id, allowed_products=access.products)


def _evidence(given: Sequence[EvidenceRequest]) -> tuple[EvidenceAt, ...]:
    return tuple(
        EvidenceAt(
            document_id=one.document_id,
            version=one.version,
            span=EvidenceSpan(start=one.start, end=one.end),
        )
        for one in given
    )

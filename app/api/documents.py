"""``/v1/documents``: upload, list, read, delete."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import UsesAccess
from app.api.dependencies import UsesJobs, UsesServices
from app.api.fields import MAX_NUMBER, NotBlank, Storable, storable
from app.api.problems import described
from app.db.api_keys import product_for
from app.db.deletions import request_deletion
from app.db.document_views import get_document, list_documents
from app.db.documents import Outcome, check_document, get_text
from app.uploads import accept_upload

router = APIRouter(prefix="/v1/documents", tags=["documents"])


class UploadResponse(BaseModel):
    """Where an upload went. ``job_id`` is null when the same bytes were there already."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"document_id": "doc_1f0c", "version": 1, "outcome": "new", "job_id": "job_77aa"}
        }
    )
    document_id: str
    version: int
    outcome: Outcome
    job_id: str | None


class DocumentResponse(BaseModel):
    """A document. ``state`` and ``error`` are those of its newest version; search uses the current one."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    uri: str
    title: str
    product: str | None
    media_type: str | None
    version: int
    current_version: int | None
    state: str
    error: str | None
    sha256: str
    size_bytes: int
    passages: int
    created_at: datetime
    updated_at: datetime
    near_duplicates: tuple[str, ...] = Field(description="Ids of documents with nearly the same text.")


class DocumentList(BaseModel):
    """A page of documents; ask again with ``after=next`` until ``next`` is null."""

    documents: list[DocumentResponse]
    next: str | None


class DeletionStarted(BaseModel):
    """A document that is deleted, and where its receipt is."""

    document_id: str
    deletion_id: str


class TextResponse(BaseModel):
    """The text that citations of this version point into, counted in Unicode code points."""

    document_id: str
    version: int
    text: str


@router.post(
    "",
    status_code=202,
    responses={
        200: {"model": UploadResponse, "description": "The same bytes are there already."},
        **described(409, 413, 415, 422),
    },
)
def upload(
    services: UsesServices,
    access: UsesAccess,
    jobs: UsesJobs,
    response: Response,
    file: Annotated[UploadFile, File(description="Markdown, reStructuredText, HTML, PDF, DOCX, ...")],
    title: Annotated[NotBlank | None, Form(max_length=500)] = None,
    product: Annotated[NotBlank | None, Form(max_length=200)] = None,
    uri: Annotated[NotBlank | None, Form(max_length=2000)] = None,
) -> UploadResponse:
    """Store a file and start the job that makes it searchable.

    A known ``uri`` with other bytes makes a new version of that document; the version before stays in
    search until the new one is ready. What a key that is limited to one product uploads is of that product.
    """
    with services.database.reading() as session:
        product = product_for(session, product, access)
    stored = accept_upload(
        services.database,
        services.settings,
        data=file.file.read(services.settings.max_upload_bytes + 1),
        name=storable(file.filename or "upload"),
        uri=uri,
        title=title,
        product=product,
        allowed_products=access.products,
        now=datetime.now(UTC),
    )
    if stored.outcome is Outcome.UNCHANGED:
        response.status_code = 200
        job_id = None
    else:
        job_id = jobs.ingest([(stored.document_id, stored.version)])
    return UploadResponse(
        document_id=stored.document_id, version=stored.version, outcome=stored.outcome, job_id=job_id
    )


@router.get("", responses=described(422))
def list_all(
    services: UsesServices,
    access: UsesAccess,
    after: Annotated[str | None, Query(description="Id of the last document of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    address: Annotated[
        Storable | None,
        Query(max_length=2000, description="Only those whose uri has this in it."),
    ] = None,
) -> DocumentList:
    """Documents by id, a page at a time."""
    with services.database.reading() as session:
        views = list_documents(
            session, after=after, limit=limit, address=address, allowed_products=access.products
        )
    return DocumentList(
        documents=[DocumentResponse.model_validate(view) for view in views],
        next=views[-1].id if len(views) == limit else None,
    )


@router.get("/{document_id}", responses=described(404, 422))
def read(document_id: str, services: UsesServices, access: UsesAccess) -> DocumentResponse:
    """One document."""
    with services.database.reading() as session:
        view = get_document(session, document_id, allowed_products=access.products)
    return DocumentResponse.model_validate(view)


@router.get("/{document_id}/text", responses=described(404, 422))
def read_text(
    document_id: str,
    services: UsesServices,
    access: UsesAccess,
    version: Annotated[int | None, Query(ge=1, le=MAX_NUMBER, description="Current if not given.")] = None,
) -> TextResponse:
    """The text of a document: the ``start`` and ``end`` of citations are offsets into it."""
    with services.database.reading() as session:
        check_document(session, document_id, allowed_products=access.products)
        number, text = get_text(session, document_id, version)
    return TextResponse(document_id=document_id, version=number, text=text)


@router.delete("/{document_id}", status_code=202, responses=described(404, 422))
def delete(document_id: str, services: UsesServices, access: UsesAccess) -> DeletionStarted:
    """Take a document and the QA pairs that rest on it out of search and answers at once.

    The next index build removes it from every other place; ``GET /v1/deletions/{id}`` is the receipt.
    """
    with services.database.writing() as session:
        check_document(session, document_id, allowed_products=access.products)
        deletion_id = request_deletion(session, document_id, now=datetime.now(UTC))
    return DeletionStarted(document_id=document_id, deletion_id=deletion_id)

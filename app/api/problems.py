"""Errors over HTTP: ``application/problem+json`` (RFC 9457) with a stable type and what to do.

The one table from errors to statuses. An error that is not in it is a defect of ours: status 500.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from app.catalogue import ModelUnavailable
from app.db.answers import AnswerNotFound
from app.db.api_keys import JobRefused, KeyInvalid, KeyNotFound, ProductRefused
from app.db.deletions import DeletionNotFound
from app.db.documents import AddressTaken, DocumentNotFound
from app.db.evaluation_runs import EvaluationNotFound
from app.db.interactions import CitationNotFound, PassageNotShown
from app.db.pair_reviews import EvidenceInvalid
from app.db.pairs import PairNotFound
from app.db.products import AliasTaken
from app.db.releases import ReleaseNotFound, ReleaseRetired
from app.db.searches import SearchNotFound
from app.db.session import DATABASE_AWAY, is_disk_full
from app.db.sources import SourceNameTaken, SourceNotFound
from app.db.training_runs import TrainingRunNotFound
from app.job_views import JobEnded, JobNotFound, JobUnderWay
from app.models import ReleaseDamaged
from app.observability import logger
from app.releases import MovedMeanwhile, NothingToRollBack
from app.searching import ProductUnknown
from app.sources.errors import SourceInvalid
from app.uploads import DiskFull, UploadTooLarge
from app.wiring import Busy, NotReady
from finetune.product_labels import LabelsInvalid
from generator.errors import GeneratorError, PromptTooLong
from ingest.errors import EmptyFile, IngestError, UnsupportedType
from ingest.pairs.named_entities import NameModelMissing
from retriever.errors import RetrieverError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:footnote:problem:"
SERVERS_FAULT = 500  # from this status on, the log says what it was
FOR_NOW = (Busy, NotReady)  # these say of themselves what to do

STATUS: Mapping[type[Exception], tuple[int, str]] = {
    AnswerNotFound: (404, "answer-not-found"),
    DocumentNotFound: (404, "document-not-found"),
    DeletionNotFound: (404, "deletion-not-found"),
    SearchNotFound: (404, "search-not-found"),
    PairNotFound: (404, "qa-pair-not-found"),
    EvaluationNotFound: (404, "evaluation-not-found"),
    JobNotFound: (404, "job-not-found"),
    ReleaseNotFound: (404, "release-not-found"),
    TrainingRunNotFound: (404, "training-run-not-found"),
    NothingToRollBack: (409, "nothing-to-roll-back"),
    MovedMeanwhile: (409, "moved-meanwhile"),
    ReleaseRetired: (409, "release-retired"),
    ReleaseDamaged: (503, "release-damaged"),
    JobUnderWay: (409, "job-under-way"),
    JobEnded: (409, "job-ended"),
    KeyNotFound: (404, "key-not-found"),
    ProductRefused: (403, "product-refused"),
    JobRefused: (403, "role-needed"),
    AddressTaken: (409, "address-taken"),
    SourceNotFound: (404, "source-not-found"),
    UploadTooLarge: (413, "upload-too-large"),
    UnsupportedType: (415, "unsupported-type"),
    EmptyFile: (422, "empty-file"),
    IngestError: (422, "unreadable-file"),
    EvidenceInvalid: (422, "invalid-evidence"),
    ProductUnknown: (422, "unknown-product"),
    AliasTaken: (422, "alias-taken"),
    SourceInvalid: (422, "invalid-source"),
    SourceNameTaken: (422, "name-taken"),
    LabelsInvalid: (422, "invalid-labels"),
    KeyInvalid: (422, "invalid-key"),
    PassageNotShown: (422, "passage-not-shown"),
    CitationNotFound: (422, "unknown-citation"),
    PromptTooLong: (422, "prompt-too-long"),
    DataError: (422, "invalid-request"),
    Busy: (503, "busy"),
    NotReady: (503, "not-ready"),
    ModelUnavailable: (503, "model-unavailable"),
    NameModelMissing: (503, "model-unavailable"),
    GeneratorError: (503, "generator-unavailable"),
    RetrieverError: (503, "index-unavailable"),
    **dict.fromkeys(DATABASE_AWAY, (503, "database-unavailable")),
    DiskFull: (507, "disk-full"),
}
DETAILS = {  # where the error's own words are the database's, or name folders of the server
    "disk-full": "the server's disk is full and nothing was stored; its operator must free some space",
    "database-unavailable": "the database does not answer; try again, or run: footnote doctor",
    "invalid-request": "the database can't take a value of this request; check it for odd characters",
}
HTTP_TYPES = {
    404: "no-such-address",
    405: "method-not-allowed",
    408: "too-slow",
    413: "upload-too-large",
}


class Problem(BaseModel):
    """What went wrong: ``type`` is stable, ``detail`` says what it was and what to do."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its OpenAPI description."""
    schema = {"$ref": "#/components/schemas/Problem"}
    names = {404: "There is none of this id.", 413: "Over the limit."}
    names |= {409: "The state that it is in does not allow that.", 415: "Nothing reads this type."}
    names |= {422: "The request can't be taken as it is.", 503: "Not ready, or too busy; try again later."}
    return {
        status: {"description": names[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def describe_problems(app: FastAPI) -> None:
    """Put the form of a problem document into the OpenAPI description, also where FastAPI's own stood."""
    describe = app.openapi

    def with_problems() -> dict[str, Any]:
        description = describe()
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        for methods in description["paths"].values():
            for operation in methods.values():
                if "422" in operation["responses"]:
                    operation["responses"]["422"] = described(422)[422]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return description

    app.openapi = with_problems  # type: ignore[method-assign]


def problem(
    status: int, kind: str, detail: str, *, retry_after: int | None = None, **extra: object
) -> JSONResponse:
    """A problem document.

    Args:
        status: HTTP status.
        kind: Stable last part of its type.
        detail: What was wrong and what to do, for a person.
        retry_after: Seconds after which the same request may go well; None for no such promise.
        extra: Further members for programs.
    """
    title = kind.replace("-", " ").capitalize()
    body = {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail, **extra}
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    for error in STATUS:
        app.add_exception_handler(error, _known_error)


def as_problem(error: Exception) -> JSONResponse:
    """The problem document of an error; one that is not in the table is a defect."""
    return _known_error(None, error)


def _known_error(_request: Request | None, error: Exception) -> JSONResponse:
    found = [STATUS[base] for base in type(error).__mro__ if base in STATUS]
    if not found:
        return problem(500, "defect", "the service failed on this request; its log says why")
    status, kind = STATUS[DiskFull] if is_disk_full(error) else found[0]
    if status >= SERVERS_FAULT and not isinstance(error, FOR_NOW):
        logger().warning("request_not_served", problem=kind, exc_info=error)
    extra: dict[str, object] = {}
    if isinstance(error, ProductUnknown):
        extra["known_products"] = list(error.known)
    if isinstance(error, IngestError):
        extra["reason"] = error.reason
    retry_after = 5 if isinstance(error, FOR_NOW) or kind == "database-unavailable" else None
    return problem(status, kind, DETAILS.get(kind, str(error)), retry_after=retry_after, **extra)


def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors: list[dict[str, Any]] = [
        {"where": ".".join(str(part) for part in found["loc"]), "what": found["msg"]}
        for found in error.errors()
    ]
    detail = "; ".join(f"{found['where']}: {found['what']}" for found in errors)
    return problem(422, "invalid-request", detail, errors=errors)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST:  # a body that FastAPI could not even begin to read
        return problem(422, "invalid-request", f"body: {error.detail}")
    response = problem(error.status_code, HTTP_TYPES.get(error.status_code, "http-error"), str(error.detail))
    response.headers.update(error.headers or {})
    return response

"""Errors over HTTP: ``application/problem+json`` (RFC 9457) with a stable type and what to do.

The one table from errors to statuses. An error that is not in it is a defect of ours: status 500.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.catalogue import ModelUnavailable
from app.db.answers import AnswerNotFound
from app.db.documents import DocumentNotFound
from app.ingesting import UploadTooLarge
from app.observability import logger
from app.searching import ProductUnknown
from app.wiring import JobNotFound, NotReady
from generator.errors import GeneratorError, PromptTooLong
from ingest.errors import EmptyFile, IngestError, UnsupportedType
from retriever.errors import RetrieverError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:footnote:problem:"

STATUS: Mapping[type[Exception], tuple[int, str]] = {
    AnswerNotFound: (404, "answer-not-found"),
    DocumentNotFound: (404, "document-not-found"),
    JobNotFound: (404, "job-not-found"),
    UploadTooLarge: (413, "upload-too-large"),
    UnsupportedType: (415, "unsupported-type"),
    EmptyFile: (422, "empty-file"),
    IngestError: (422, "unreadable-file"),
    ProductUnknown: (422, "unknown-product"),
    PromptTooLong: (422, "prompt-too-long"),
    NotReady: (503, "not-ready"),
    ModelUnavailable: (503, "model-unavailable"),
    GeneratorError: (503, "generator-unavailable"),
    RetrieverError: (503, "index-unavailable"),
}
HTTP_TYPES = {404: "no-such-address", 405: "method-not-allowed", 413: "upload-too-large"}


def problem(status: int, kind: str, detail: str, **extra: object) -> JSONResponse:
    """A problem document.

    Args:
        status: HTTP status.
        kind: Stable last part of its type.
        detail: What was wrong and what to do, for a person.
        extra: Further members for programs.
    """
    title = kind.replace("-", " ").capitalize()
    body = {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail, **extra}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _defect)
    for error in STATUS:
        app.add_exception_handler(error, _known_error)


def _known_error(_request: Request, error: Exception) -> JSONResponse:
    status, kind = next(STATUS[base] for base in type(error).__mro__ if base in STATUS)
    extra: dict[str, object] = {}
    if isinstance(error, ProductUnknown):
        extra["known_products"] = list(error.known)
    if isinstance(error, IngestError):
        extra["reason"] = error.reason
    response = problem(status, kind, str(error), **extra)
    if isinstance(error, NotReady):
        response.headers["Retry-After"] = "5"
    return response


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
    response = problem(error.status_code, HTTP_TYPES.get(error.status_code, "http-error"), str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _defect(request: Request, error: Exception) -> JSONResponse:
    logger().error("request_failed", path=request.url.path, exc_info=error)
    return problem(500, "defect", "the service failed on this request; its log says why")

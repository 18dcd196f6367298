"""Which role each route needs, in one table, and what the asker may see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from starlette.routing import compile_path

from app.api.problems import MEDIA_TYPE
from app.db.api_keys import Access, JobRefused, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a route asks of a key.

    Attributes:
        role: The least role; None for everybody, with a key or without.
        takes_limited: Whether a key that is limited to products may use it: only routes whose every word
            and count can be cut down to these products.
    """

    role: Role | None
    takes_limited: bool = False


FREE = Rule(role=None)
ASK = Rule(role=Role.ASK, takes_limited=True)
UPLOAD = Rule(role=Role.UPLOAD, takes_limited=True)
REVIEW = Rule(role=Role.REVIEW, takes_limited=True)
UPLOAD_ALL, REVIEW_ALL = Rule(role=Role.UPLOAD), Rule(role=Role.REVIEW)
ADMINISTER = Rule(role=Role.ADMINISTER)

RULES: Mapping[str, Rule] = {  # docs/access.md says the same to people, and a test compares them
    "GET /healthz": FREE,
    "GET /readyz": FREE,
    "GET /docs": FREE,
    "GET /docs/oauth2-redirect": FREE,
    "GET /redoc": FREE,
    "GET /openapi.json": FREE,
    "POST /v1/search": ASK,
    "POST /v1/answers": ASK,
    "GET /v1/answers/{answer_id}": ASK,
    "POST /v1/interactions": ASK,
    "GET /v1/documents/{document_id}/text": ASK,
    "GET /documents/{document_id}": ASK,
    "POST /v1/documents": UPLOAD,
    "GET /v1/documents": UPLOAD,
    "GET /v1/documents/{document_id}": UPLOAD,
    "DELETE /v1/documents/{document_id}": UPLOAD,
    "GET /v1/deletions": UPLOAD_ALL,
    "GET /v1/deletions/{deletion_id}": UPLOAD_ALL,
    "GET /v1/jobs": UPLOAD_ALL,
    "GET /v1/jobs/{job_id}": UPLOAD_ALL,
    "POST /v1/jobs/{job_id}/cancel": UPLOAD_ALL,
    "POST /v1/jobs/{job_id}/retry": UPLOAD_ALL,
    "POST /v1/jobs/{job_id}/dismiss": UPLOAD_ALL,
    "GET /v1/indexes": UPLOAD_ALL,
    "POST /v1/indexes": UPLOAD_ALL,
    "GET /v1/qa-pairs": REVIEW,
    "POST /v1/qa-pairs": REVIEW,
    "GET /v1/qa-pairs/gaps": REVIEW,
    "GET /v1/qa-pairs/statistics": REVIEW,
    "POST /v1/qa-pairs/review": REVIEW,
    "GET /v1/qa-pairs/{pair_id}": REVIEW,
    "PATCH /v1/qa-pairs/{pair_id}": REVIEW,
    "POST /v1/qa-pairs/build": REVIEW_ALL,
    "POST /v1/qa-pairs/import": REVIEW_ALL,
    "GET /v1/qa-pairs/export": REVIEW_ALL,
    "GET /v1/products": REVIEW,
    "PUT /v1/products/{name}": REVIEW_ALL,
    "POST /v1/products/questions": REVIEW_ALL,
    "GET /v1/evaluations": ADMINISTER,
    "GET /v1/evaluations/{run_id}": ADMINISTER,
    "GET /v1/evaluations/{run_id}/page": ADMINISTER,
    "GET /v1/sources": ADMINISTER,
    "POST /v1/sources": ADMINISTER,
    "GET /v1/sources/{source_id}": ADMINISTER,
    "PATCH /v1/sources/{source_id}": ADMINISTER,
    "DELETE /v1/sources/{source_id}": ADMINISTER,
    "POST /v1/sources/{source_id}/sync": ADMINISTER,
    "POST /v1/sources/{source_id}/confirm": ADMINISTER,
    "GET /v1/releases": ADMINISTER,
    "POST /v1/releases": ADMINISTER,
    "POST /v1/releases/rollback": ADMINISTER,
    "GET /v1/releases/{release_id}": ADMINISTER,
    "POST /v1/releases/{release_id}/promote": ADMINISTER,
    "GET /v1/training-runs": ADMINISTER,
    "POST /v1/training-runs": ADMINISTER,
    "GET /v1/training-runs/{run_id}": ADMINISTER,
    "GET /metrics": ADMINISTER,
    "POST /v1/api-keys": ADMINISTER,
    "GET /v1/api-keys": ADMINISTER,
    "DELETE /v1/api-keys/{key_id}": ADMINISTER,
}
JOB_ROLES: Mapping[str, Role] = {"ingest": Role.UPLOAD, "qa": Role.REVIEW}
"""The least role that sees a job of a kind and acts on it; those that are not here are administrators'."""

_PATTERNS = [  # an address without parameters before one with: as the routes themselves are tried
    (method, compile_path(path)[0], rule)
    for (method, path), rule in sorted(
        ((tuple(route.split(" ", 1)), rule) for route, rule in RULES.items()),
        key=lambda one: one[0][1].count("{"),
    )
]


def find_rule(method: str, path: str) -> Rule:
    """The rule of a request; an administrator's, without limits, where the table has none."""
    found = (rule for known, pattern, rule in _PATTERNS if known == method and pattern.match(path))
    return next(found, ADMINISTER)


def check_job(access: Access, kind: str) -> None:
    """Let only those see a job, or act on it, who may start one of its kind.

    Raises:
        JobRefused: If the asker may not.
    """
    needed = JOB_ROLES.get(kind, Role.ADMINISTER)
    if not access.role.includes(needed):
        raise JobRefused(kind, needed)


def visible_jobs(access: Access) -> list[str] | None:
    """The kinds of jobs that the asker may see; None for all of them."""
    if access.role is Role.ADMINISTER:
        return None
    return [kind for kind, role in JOB_ROLES.items() if access.role.includes(role)]


def _access(request: Request) -> Access:
    access: Access = request.state.access  # set by AccessControl, or nothing gets here
    return access


UsesAccess = Annotated[Access, Depends(_access)]


def describe_access(app: FastAPI) -> None:
    """Put keys, and what each route asks of them, into the application's OpenAPI description."""
    describe = app.openapi

    def with_access() -> dict[str, Any]:
        description = describe()
        schemes = description["components"].setdefault("securitySchemes", {})
        schemes["key"] = {"type": "http", "scheme": "bearer", "description": "An API key; see /v1/api-keys."}
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                _describe(operation, RULES.get(f"{method.upper()} {path}", ADMINISTER))
        return description

    app.openapi = with_access  # type: ignore[method-assign]


def _describe(operation: dict[str, Any], rule: Rule) -> None:
    if rule.role is None:
        operation["security"] = []
        return
    operation["security"] = [{"key": []}]
    operation["x-role"] = rule.role.value
    refusals = {
        "401": "A key is needed, or this one is not good.",
        "403": f"Needs a key with the role {rule.role.value}.",
        "429": "Too many requests; Retry-After says when to go on.",
    }
    for status, text in refusals.items():
        problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"].setdefault(status, {"description": text, "content": problem})

"""What every request goes through: a limit on its size, an id, a line in the log, and the metrics."""

import asyncio
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.observability import bound, logger
from app.tracing import request_span

JSON_BYTES = 1_000_000
UPLOADS = ("/v1/documents", "/v1/qa-pairs/import")
FORM_OVERHEAD_BYTES = 100_000
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Longest wait for the next bytes of a body: a sender that stalls holds no place for ever.
SILENT_SECONDS = 60.0


class BodyLimit:
    """Answers 413 to a body that is over the limit, without reading more of it, and 408 to one that stalls.

    Args:
        app: The application behind.
        upload_bytes: Largest file of an upload or import; other bodies may have a megabyte.
        silent_seconds: Longest wait for the next bytes of a body.
    """

    def __init__(self, app: ASGIApp, *, upload_bytes: int, silent_seconds: float = SILENT_SECONDS) -> None:
        self.app = app
        self.upload_bytes = upload_bytes
        self.silent_seconds = silent_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_upload = scope["path"] in UPLOADS
        limit = self.upload_bytes + FORM_OVERHEAD_BYTES if is_upload else JSON_BYTES
        advice = "split the file, or raise FOOTNOTE_MAX_UPLOAD_BYTES" if is_upload else "send less"
        detail = f"the request is larger than {limit:,} bytes; {advice}"
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            await problem(413, "upload-too-large", detail)(scope, receive, send)
            return
        received, is_complete = 0, False

        async def counted() -> Message:
            nonlocal received, is_complete
            # Whoever asks again after the whole body waits for the client to go away, however long it stays.
            seconds = None if is_complete else self.silent_seconds
            try:
                message = await asyncio.wait_for(receive(), seconds)
            except TimeoutError:
                slow = f"no more of the request came for {self.silent_seconds:g} s; send it again, at once"
                raise HTTPException(408, slow) from None
            is_complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, detail)
            return message

        await self.app(scope, counted, send)


class RequestLog:
    """Gives each request an id, returns it as ``X-Request-ID``, logs how the request went and counts it.

    A caller may send the id in the same header; one that is not well-formed is replaced. The path is logged
    where a route has it: any other is whatever somebody typed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, began, status = _request_id(scope), time.perf_counter(), 0

        async def labelled(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with bound(request_id=request_id), request_span(scope["method"], Headers(scope=scope)) as end_span:
            try:
                await self.app(scope, receive, labelled)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a defect of ours
                logger().error("request_failed", route=_route(scope), exc_info=error)
                if not status:
                    detail = "the service failed on this request; its log says why, under X-Request-ID"
                    await problem(500, "defect", detail)(scope, receive, labelled)
            end_span(_route(scope), status)
            _record(scope, status, time.perf_counter() - began)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:16]


def _route(scope: Scope) -> str | None:
    """The template of the path, or None where no route has it."""
    return getattr(scope.get("route"), "path", None)


def _record(scope: Scope, status: int, seconds: float) -> None:
    """Log and count a request that has ended."""
    route, method = _route(scope), scope["method"]
    path = None if route is None else scope["path"]
    logger().info("request", method=method, path=path, status=status, ms=round(seconds * 1000, 1))
    scope["app"].state.services.metrics.observe_request(
        method=method, route=route, status=status, seconds=seconds
    )

"""What every request goes through: a limit on its size, an id, and a line in the log."""

import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.observability import logger

JSON_BYTES = 1_000_000
UPLOADS = ("/v1/documents", "/v1/qa-pairs/import")
FORM_OVERHEAD_BYTES = 100_000


class BodyLimit:
    """Answers 413 to a body that is over the limit, without reading more of it than that.

    Args:
        app: The application behind.
        upload_bytes: Largest file of an upload or import; other bodies may have a megabyte.
    """

    def __init__(self, app: ASGIApp, *, upload_bytes: int) -> None:
        self.app = app
        self.upload_bytes = upload_bytes

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
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, detail)
            return message

        await self.app(scope, counted, send)


class RequestLog:
    """Gives each request an id, returns it as ``X-Request-ID``, and logs how the request went."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, began, status = uuid.uuid4().hex[:16], time.perf_counter(), 0

        async def labelled(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, labelled)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a defect of ours
                logger().error("request_failed", path=scope["path"], exc_info=error)
                if not status:
                    detail = "the service failed on this request; its log says why, under X-Request-ID"
                    await problem(500, "defect", detail)(scope, receive, labelled)
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            logger().info(
                "request", method=scope["method"], path=scope["path"], status=status, ms=milliseconds
            )

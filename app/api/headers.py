"""Headers that tell browsers what not to do with a response."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
OWN_PAGES = f"{NOTHING}; style-src 'unsafe-inline'"  # ours hold a style and no script
API_PAGES = (  # FastAPI's description of the API, which loads its program from where FastAPI has it
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "img-src 'self' data: https://fastapi.tiangolo.com https://cdn.redoc.ly; "
    "script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; worker-src blob:; "
    "style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com"
)
API_PATHS = ("/docs", "/docs/oauth2-redirect", "/redoc")


class SecurityHeaders:
    """Adds them to every response, whatever made it.

    Args:
        app: The application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Frame-Options"] = "DENY"
                headers["Content-Security-Policy"] = _policy(scope["path"], headers)
                if scope["path"].startswith(("/v1/", "/documents/")):
                    headers["Cache-Control"] = "no-store"  # what a key may see is for its holder alone
            await send(message)

        await self.app(scope, receive, guarded)


def _policy(path: str, headers: MutableHeaders) -> str:
    if path in API_PATHS:
        return API_PAGES
    return OWN_PAGES if headers.get("content-type", "").startswith("text/html") else NOTHING

"""What stands before every route: who asks, may they, and do they ask too often."""

import base64
import binascii
from datetime import UTC, datetime
from ipaddress import ip_address

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import Rule, find_rule
from app.api.problems import as_problem, problem
from app.api.rates import Rates
from app.db.api_keys import (
    EVERYTHING,
    Access,
    IssuedKey,
    KeyRefused,
    any_key,
    find_access,
    make_first_key,
    note_use,
)
from app.db.session import DATABASE_AWAY, Database, migrate, migration_lock, open_engine
from app.failures import name_failure
from app.observability import logger
from app.settings import Settings


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a server that listens on this address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, which may lead anywhere
        return False


def make_key_if_needed(settings: Settings) -> IssuedKey | None:
    """An administrator's key where other machines reach the server and no key was ever made, else None."""
    if is_loopback(settings.host):
        return None
    engine = open_engine(settings.database)
    try:
        migrate(engine, settings.home)
        # Under the lock, so that of several servers that start at once one makes the key.
        with migration_lock(engine, settings.home), Database(engine).writing() as session:
            return make_first_key(session, now=datetime.now(UTC))
    finally:
        engine.dispose()


class AccessControl:
    """Lets a request through with a key that may do it, and no more often than is allowed.

    No key is needed while none was ever made and the server listens on a loopback address. Keys are looked
    up on every request, so that a revoked one is refused at once by every server process. This happens
    before a byte of the body is read.

    Args:
        app: The application behind.
        settings: Where the server listens, and how many requests are allowed a minute and at once.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        self._asks_for_keys = not is_loopback(settings.host)
        self._rates = Rates(settings)
        self._most_at_once, self._under_way = settings.waiting_requests, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        rule = find_rule(scope["method"], scope["path"])
        if rule.role is None:
            await self.app(scope, receive, send)
            return
        if self._under_way >= self._most_at_once:
            detail = f"{self._under_way} requests are under way already; try again in a while"
            await problem(503, "busy", detail, retry_after=5)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._handle(rule, scope, receive, send)
        finally:
            self._under_way -= 1

    async def _handle(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        database: Database = scope["app"].state.services.database
        try:
            access = await run_in_threadpool(self._authenticate, database, _token(scope))
        except DATABASE_AWAY as error:
            await as_problem(error)(scope, receive, send)
            return
        who = access.key_id if isinstance(access, Access) and access.key_id else _client(scope)
        refusal = self._rates.refuse(who, scope) or _refuse(access, rule, scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {})["access"] = access
        await self.app(scope, receive, send)
        if isinstance(access, Access) and access.key_id is not None and not access.use_is_noted:
            await run_in_threadpool(_note_use, database, access.key_id)  # the answer is on its way already

    def _authenticate(self, database: Database, token: str | None) -> Access | KeyRefused:
        with database.reading() as session:
            if token is not None:
                try:
                    return find_access(session, token, now=datetime.now(UTC))
                except KeyRefused as refused:
                    return refused
            self._asks_for_keys = self._asks_for_keys or any_key(session)  # keys are never removed
        if not self._asks_for_keys:
            return EVERYTHING
        return KeyRefused(
            "send a key in the header Authorization: Bearer KEY; an administrator makes them with "
            "POST /v1/api-keys or footnote keys create"
        )


def _token(scope: Scope) -> str | None:
    """The key that a request shows. Browsers can show one, as a password, to read pages and nothing else."""
    kind, _, value = Headers(scope=scope).get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic" and scope["method"] == "GET":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value.strip() if kind else None


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "unknown"


def _refuse(access: Access | KeyRefused, rule: Rule, scope: Scope) -> JSONResponse | None:
    """The problem document for who may not do this; None for who may."""
    if isinstance(access, KeyRefused):
        response = problem(401, "key-needed", str(access))
        is_page = "text/html" in Headers(scope=scope).get("accept", "") and scope["method"] == "GET"
        response.headers["WWW-Authenticate"] = ("Basic" if is_page else "Bearer") + ' realm="footnote"'
        return response
    assert rule.role is not None  # free routes are passed through before
    where = f"{scope['method']} {scope['path']}"
    if not access.role.includes(rule.role):
        detail = f"{where} needs a key with the role {rule.role}; this key has the role {access.role}"
        return problem(403, "role-needed", detail, needed=rule.role, role=access.role)
    if access.products is not None and not rule.takes_limited:
        detail = f"{where} tells of all products, and this key is limited to some; use a key without a limit"
        return problem(403, "key-limited", detail)
    return None


def _note_use(database: Database, key_id: str) -> None:
    """Record the use of a key; a database that is busy just now costs the note, never the request."""
    try:
        with database.writing() as session:
            note_use(session, key_id, now=datetime.now(UTC))
    except SQLAlchemyError as error:
        logger().warning("key_use_not_noted", reason=name_failure(error))

"""API keys: who may do what, and of which products."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.db.products import find_product, product_names
from app.db.tables import ApiKey, new_id

TOKEN_BEGIN = "fn"  # noqa: S105 - lets scanners for leaked secrets know a key when they see one
PREFIX_BYTES, SECRET_BYTES = 6, 32
USE_PRECISION = timedelta(minutes=1)  # last use is noted no finer, so that requests are not writers
FIRST_KEY = "first administrator"


class Role(StrEnum):
    """What a key may do; each role may do all that those before it may."""

    ASK = "ask"
    UPLOAD = "upload"
    REVIEW = "review"
    ADMINISTER = "administer"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what the other may."""
        ladder = list(Role)
        return ladder.index(self) >= ladder.index(other)


class KeyInvalid(Exception):
    """A key can't be made like this; the message says why and what to do."""


class KeyNotFound(Exception):
    """No key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key {key_id!r}; GET /v1/api-keys and footnote keys list show them")


class KeyRefused(Exception):
    """A key does not let its holder in: it is unknown, revoked or expired."""


class ProductRefused(Exception):
    """A key that is limited to products would make something of another; the message names its own."""

    def __init__(self, own: Sequence[str]) -> None:
        super().__init__(f"this key is limited to products; name one of them: {', '.join(own)}")


class JobRefused(Exception):
    """A key would see a job that it could not have started, or act on it."""

    def __init__(self, kind: str, needed: Role) -> None:
        super().__init__(f"a job of the kind {kind} needs a key with the role {needed.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who makes a request.

    Attributes:
        key_id: The key; None on an open service, which asks for none.
        role: What it may do.
        products: Ids of the only products that it may see; None for all, and for documents of no product.
        use_is_noted: Whether its last use is on record, to the minute.
    """

    key_id: str | None
    role: Role
    products: frozenset[str] | None = None
    use_is_noted: bool = True


EVERYTHING = Access(key_id=None, role=Role.ADMINISTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key as lists show it; ``products`` are names, None for all."""

    id: str
    name: str
    prefix: str
    role: Role
    products: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key, and its token, which is shown this once."""

    view: KeyView
    token: str


def create_key(
    session: Session,
    *,
    name: str,
    role: Role,
    products: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    now: datetime,
) -> IssuedKey:
    """Make a key.

    Args:
        session: In a transaction for writing.
        name: Whose or what it is for.
        role: What it may do.
        products: Names or aliases of the only products that it may see; None for all.
        expires_at: When it stops to work; None for never.
        now: When it is made.

    Raises:
        KeyInvalid: If it would have expired already, or be limited to an unknown product, or be an
            administrator's and limited, as who makes keys can make one without limits; or if it is the
            first and no administrator's, after which nobody could make another over HTTP.
    """
    if role is not Role.ADMINISTER and not any_key(session):
        raise KeyInvalid("from the first key on every request needs one; make one that may administer first")
    if expires_at is not None and expires_at <= now:
        raise KeyInvalid(
            f"a key that expires at {expires_at.isoformat()} has expired already; name a later date"
        )
    if products is not None and role is Role.ADMINISTER:
        raise KeyInvalid("an administrator's key can't be limited to products; choose another role")
    prefix = secrets.token_hex(PREFIX_BYTES)
    token = f"{TOKEN_BEGIN}_{prefix}_{secrets.token_hex(SECRET_BYTES)}"
    key = ApiKey(
        id=new_id("key"),
        name=name,
        prefix=prefix,
        sha256=_digest(token),
        role=role,
        products=None if products is None else _product_ids(session, products),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return IssuedKey(view=_views(session, [key])[0], token=token)


def _product_ids(session: Session, products: Sequence[str]) -> list[str]:
    names, found = product_names(session), set[str]()
    if not products:
        raise KeyInvalid("a key that is limited to no product would see nothing; name one, or leave it out")
    for name in products:
        product = find_product(names, name)
        if product is None:
            known = ", ".join(first for first, *_ in names.values()) or "none"
            raise KeyInvalid(f"no product {name!r} to limit a key to; known products: {known}")
        found.add(product)
    return sorted(found)


def _digest(token: str) -> str:
    """SHA-256 in hexadecimal.

    A slow hash such as Argon2 protects what people choose and others can guess. A token holds 256 random
    bits, which nobody can try out, so a fast hash is as safe, and costs a request microseconds where
    Argon2 would cost tens of milliseconds of one of two cores.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def find_access(session: Session, token: str, *, now: datetime) -> Access:
    """What the holder of a token may do and see.

    Raises:
        KeyRefused: If there is no such key, or it was revoked, or has expired.
    """
    begin, _, rest = token.partition("_")
    prefix = rest.partition("_")[0]
    key = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix)) if begin == TOKEN_BEGIN else None
    if key is None or not hmac.compare_digest(key.sha256, _digest(token)):
        raise KeyRefused(
            "this key is unknown; check that it was copied whole, or ask an administrator for one"
        )
    if key.revoked_at is not None:
        raise KeyRefused(f"the key {prefix} was revoked; ask an administrator for a new one")
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyRefused(f"the key {prefix} has expired; ask an administrator for a new one")
    return Access(
        key_id=key.id,
        role=Role(key.role),
        products=None if key.products is None else frozenset(key.products),
        use_is_noted=key.last_used_at is not None and now - key.last_used_at < USE_PRECISION,
    )


def product_for(session: Session, name: str | None, access: Access) -> str | None:
    """The product of something that is made: the one that was named, or else the only one that a key has.

    Raises:
        ProductRefused: If the key may not see it, or none was named and the key has several.
    """
    if access.products is None:
        return name
    names = {one: known for one, known in product_names(session).items() if one in access.products}
    own = [known[0] for known in names.values()]
    if name is None and len(own) == 1:
        return own[0]
    if name is None or find_product(names, name) is None:
        raise ProductRefused(own)
    return name


def any_key(session: Session) -> bool:
    """Whether a key was ever made, be it revoked or expired by now."""
    return session.scalar(select(ApiKey.id).limit(1)) is not None


def make_first_key(session: Session, *, now: datetime) -> IssuedKey | None:
    """An administrator's key where none was ever made, else None; hold the migration lock meanwhile."""
    if any_key(session):
        return None
    return create_key(session, name=FIRST_KEY, role=Role.ADMINISTER, now=now)


def note_use(session: Session, key_id: str, *, now: datetime) -> None:
    """Record that a key was used."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))


def list_keys(session: Session) -> list[KeyView]:
    """Every key, the newest first, revoked and expired ones among them."""
    return _views(
        session, session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.id)).all()
    )


def revoke_key(session: Session, key_id: str, *, now: datetime) -> None:
    """Let nobody in with a key from now on; revoking it again changes nothing.

    Raises:
        KeyNotFound: If there is none of this id.
    """
    key = session.get(ApiKey, key_id)
    if key is None:
        raise KeyNotFound(key_id)
    key.revoked_at = key.revoked_at or now


def _views(session: Session, keys: Sequence[ApiKey]) -> list[KeyView]:
    names = product_names(session)
    return [
        KeyView(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            role=Role(key.role),
            products=None
            if key.products is None
            else tuple(names[one][0] for one in key.products if one in names),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )
        for key in keys
    ]

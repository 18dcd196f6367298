"""The kinds of sources, what each wants to know, and what reads them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.settings import Settings
from app.sources.buckets import BucketReader
from app.sources.errors import SourceInvalid
from app.sources.folders import FolderReader
from app.sources.items import Check, Reader
from app.sources.repositories import SCP_LIKE, RepositoryReader
from app.sources.websites import WebsiteReader

MAX_ADDRESSES = 10_000


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FolderOptions(_Options):
    """A folder of this machine has none."""


class WebsiteOptions(_Options):
    """Of addresses over HTTP.

    Attributes:
        addresses: Further pages beside the location.
        allow_private: Whether addresses of this machine and its own network may be asked.
    """

    addresses: tuple[str, ...] = Field(default=(), max_length=MAX_ADDRESSES)
    allow_private: bool = False

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            check_address(address)
        return addresses


class RepositoryOptions(_Options):
    """Of a git repository.

    Attributes:
        branch: A branch or tag; the repository's own default if None.
        folder: The part of it that is read; all of it if empty.
        allow_private: Whether addresses of this machine and its own network, plain HTTP, and folders of this
            machine may be cloned.
    """

    branch: str | None = Field(default=None, pattern=r"^[\w][\w./+-]*$", max_length=200)
    folder: str = Field(default="", max_length=1000)
    allow_private: bool = False

    @field_validator("folder")
    @classmethod
    def _is_inside(cls, folder: str) -> str:
        if ".." in folder.split("/") or folder.startswith("/"):
            raise ValueError("name a folder inside the repository, without .. and a leading slash")
        return folder.strip("/")


class BucketOptions(_Options):
    """A bucket has none: its endpoint and keys are settings of the server."""


KINDS: Mapping[str, type[_Options]] = {
    "folder": FolderOptions,
    "http": WebsiteOptions,
    "git": RepositoryOptions,
    "s3": BucketOptions,
}


def check_address(address: str) -> None:
    """Raise ValueError unless this is an address over HTTP without a password in it."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{address!r} is not an address that begins with https:// or http://")
    _check_no_password(address)


def _check_no_password(address: str) -> None:
    parts = urlsplit(address)
    if parts.port == 0:  # and ValueError for what is no number of a port
        raise ValueError(f"{address!r} names the port 0, which is none")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise ValueError("the location holds a user or password, which would be shown; leave it out")


def _check_folder(location: str, _options: _Options) -> None:
    if not Path(location).is_absolute():
        raise ValueError(f"{location!r} is not the whole path of a folder; begin it with /")


def _check_website(location: str, options: _Options) -> None:
    del options
    check_address(location)


def _check_repository(location: str, options: _Options) -> None:
    assert isinstance(options, RepositoryOptions)
    if SCP_LIKE.fullmatch(location):
        return
    allowed = ("https", "ssh", "http", "file") if options.allow_private else ("https", "ssh")
    parts = urlsplit(location)
    if parts.scheme not in allowed or not (parts.hostname or parts.scheme == "file"):
        more = "" if options.allow_private else "; http:// and file:// need the option allow_private"
        raise ValueError(f"{location!r} is not an address that begins with https:// or ssh://{more}")
    _check_no_password(location)


def _check_bucket(location: str, _options: _Options) -> None:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", location):
        raise ValueError(f"{location!r} is not of the form s3://bucket or s3://bucket/prefix")


CHECKS = {"folder": _check_folder, "http": _check_website, "git": _check_repository, "s3": _check_bucket}


def check_source(
    kind: str, location: str, options: Mapping[str, Any], *, uri_prefix: str | None
) -> dict[str, Any]:
    """The options with their defaults, once all of it fits together.

    Raises:
        SourceInvalid: Says what does not.
    """
    if kind not in KINDS:
        raise SourceInvalid(f"there is no kind {kind!r} of source; there are {', '.join(KINDS)}")
    if kind == "http" and uri_prefix is not None:
        raise SourceInvalid("pages keep their own addresses; leave uri_prefix out of a source of kind http")
    try:
        checked = KINDS[kind].model_validate(dict(options))
        CHECKS[kind](location, checked)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(KINDS[kind].model_fields) or "none"
        raise SourceInvalid(
            f"option {where!r}: {first['msg']}; the options of {kind} are: {known}"
        ) from error
    except ValueError as error:
        raise SourceInvalid(f"location: {error}") from error
    return checked.model_dump(mode="json")


def listing_path(settings: Settings, source_id: str) -> Path:
    """Where the sync of a source that is under way keeps what it listed."""
    return settings.sources_folder / f"{source_id}.json"


def open_source(
    kind: str,
    location: str,
    options: Mapping[str, Any],
    *,
    source_id: str,
    uri_prefix: str | None,
    settings: Settings,
    check: Check,
) -> Reader:
    """What reads a source that `check_source` found good."""
    checked = KINDS[kind].model_validate(dict(options))
    if isinstance(checked, WebsiteOptions):
        return WebsiteReader(
            (location, *checked.addresses),
            allow_private=checked.allow_private,
            max_bytes=settings.max_upload_bytes,
            timeout_seconds=settings.sync_timeout,
            check=check,
        )
    if isinstance(checked, RepositoryOptions):
        return RepositoryReader(
            location,
            branch=checked.branch,
            folder=checked.folder,
            allow_private=checked.allow_private,
            uri_prefix=uri_prefix,
            clone=settings.sources_folder / source_id,
            max_bytes=settings.max_upload_bytes,
            timeout_seconds=settings.sync_timeout,
            check=check,
        )
    if isinstance(checked, BucketOptions):
        return BucketReader(location, uri_prefix=uri_prefix, settings=settings)
    return FolderReader(Path(location), uri_prefix=uri_prefix, max_bytes=settings.max_upload_bytes)

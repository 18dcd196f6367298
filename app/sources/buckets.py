"""A bucket of an S3-compatible store as a source."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3

from app.settings import Settings
from app.sources.downloads import CONNECT_SECONDS
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Fetched, Item, Known, Listing

if TYPE_CHECKING:
    from minio import Minio

AMAZON = "https://s3.amazonaws.com"
TEMPORARY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout"})


class BucketReader:
    """Lists and reads the objects below a prefix, with the keys of the server's settings.

    Args:
        location: ``s3://bucket`` or ``s3://bucket/prefix``.
        uri_prefix: Begins the address of a document, before its key; ``s3://bucket/`` if None.
        settings: Where the store is, its keys, and the largest file.
    """

    def __init__(self, location: str, *, uri_prefix: str | None, settings: Settings) -> None:
        parts = urlsplit(location)
        self._location = location
        self._bucket = parts.netloc
        self._prefix = parts.path.removeprefix("/")
        self._uri_prefix = f"s3://{self._bucket}/" if uri_prefix is None else uri_prefix
        self._max_bytes = settings.max_upload_bytes
        self._client = _client(settings)

    def list_items(self) -> Listing:
        """Every object below the prefix; its ETag tells whether it has changed."""
        try:
            objects = list(self._client.list_objects(self._bucket, prefix=self._prefix, recursive=True))
        except Exception as error:
            raise self._unavailable(error) from error
        return Listing(
            items=tuple(
                Item(key=found.object_name, uri=self._uri_prefix + found.object_name, etag=found.etag)
                for found in objects
                if found.object_name is not None and not found.is_dir
            )
        )

    def fetch(self, item: Item, known: Known) -> Fetched:
        """The bytes of an object."""
        del known
        response: Any = None
        try:
            response = self._client.get_object(self._bucket, item.key)
            data = response.read(self._max_bytes + 1)
        except Exception as error:
            if getattr(error, "code", None) == "NoSuchKey":
                raise ItemGone(item.key) from error
            raise self._unavailable(error) from error
        finally:
            if response is not None:
                response.close()
                response.release_conn()
        if len(data) > self._max_bytes:
            raise ItemRefused(
                f"{item.key!r} is larger than {self._max_bytes:,} bytes; leave it out, or raise "
                "FOOTNOTE_MAX_UPLOAD_BYTES"
            )
        return Fetched(data=data, name=item.key, etag=item.etag)

    def close(self) -> None:
        """Nothing is held open."""

    def _unavailable(self, error: Exception) -> SourceUnavailable:
        """What the client says, and whether it may go away: refusals with a code of the store do not."""
        code = getattr(error, "code", None)
        return SourceUnavailable(
            f"{self._location} can't be read: {error}; check FOOTNOTE_S3_ENDPOINT and its keys",
            temporary=code is None or code in TEMPORARY,
        )


def _client(settings: Settings) -> "Minio":
    try:
        from minio import Minio  # noqa: PLC0415 - an extra
    except ImportError:
        raise SourceUnavailable(
            "buckets need the package minio, which is not installed; run: pip install 'footnote[s3]'",
            temporary=False,
        ) from None
    endpoint = urlsplit(settings.s3_endpoint or AMAZON)
    key, secret = settings.s3_key, settings.s3_secret
    try:
        return Minio(
            endpoint.netloc,
            access_key=None if key is None else key.get_secret_value(),
            secret_key=None if secret is None else secret.get_secret_value(),
            region=settings.s3_region,
            secure=endpoint.scheme != "http",
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=settings.sync_timeout),
                retries=urllib3.Retry(total=1, backoff_factor=0.5),
            ),
        )
    except ValueError as error:
        raise SourceUnavailable(
            f"the settings FOOTNOTE_S3_* do not fit together: {error}", temporary=False
        ) from error

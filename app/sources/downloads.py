"""Asking for one address over HTTP, within limits."""

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urljoin

import httpx

from app.sources.connections import CheckedTransport
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Check

AGENT = "Footnote"
REDIRECTS = 5
CONNECT_SECONDS = 10
PLAIN, GZIP = frozenset({"", "identity"}), frozenset({"gzip", "x-gzip"})  # as RFC 9110 names them
GONE = frozenset({404, 410})
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What an address gave: ``data`` is None where it is still what the conditions named."""

    data: bytes | None
    headers: Mapping[str, str]


class Downloader:
    """Downloads over HTTP.

    Args:
        allow_private: Whether addresses of this machine and its network may be asked.
        max_bytes: Most bytes of one answer, unpacked.
        timeout_seconds: Longest time for one answer, redirects included.
        check: Raises where the process wants to end.
    """

    def __init__(self, *, allow_private: bool, max_bytes: int, timeout_seconds: float, check: Check) -> None:
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._check = check
        self._client = httpx.Client(
            transport=CheckedTransport(allow_private=allow_private),
            headers={"User-Agent": f"{AGENT}/{version('footnote')}", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
            trust_env=False,  # a proxy would connect where nothing was checked
        )

    def close(self) -> None:
        """Give back its connections."""
        self._client.close()

    def get(
        self,
        address: str,
        conditions: Mapping[str, str] | None = None,
        *,
        may_ask: Callable[[str], None] = lambda _address: None,
    ) -> Page:
        """What an address gives, redirects followed, each as carefully as the first.

        Args:
            address: Where to ask.
            conditions: Headers under which nothing but "not changed" is wanted.
            may_ask: Raises ItemRefused for an address that may not be asked.

        Raises:
            ItemGone: If it says that there is nothing any more.
            ItemRefused: If it may not be asked, does not allow it, or gives too much or otherwise packed.
            SourceUnavailable: If it does not answer; temporary.
        """
        deadline = time.monotonic() + self._timeout_seconds
        asked = address
        try:
            for _ in range(REDIRECTS + 1):
                may_ask(asked)
                with self._client.stream("GET", asked, headers=conditions or {}) as response:
                    if response.has_redirect_location:
                        asked = _redirected(asked, response.headers["location"])
                        continue
                    return self._read(address, response, deadline)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, OverflowError) as error:  # odd ports too
            raise ItemRefused(f"{address} can't be asked: {error}; check how it is written") from error
        except (httpx.HTTPError, zlib.error) as error:
            reason = str(error) or type(error).__name__
            raise SourceUnavailable(f"{address} does not answer: {reason}", temporary=True) from error
        raise ItemRefused(f"{address} leads on more than {REDIRECTS} times; name the last address itself")

    def _read(self, address: str, response: httpx.Response, deadline: float) -> Page:
        status = response.status_code
        if status == httpx.codes.NOT_MODIFIED:
            return Page(data=None, headers=response.headers)
        if status in GONE:
            raise ItemGone(address)
        if status in TEMPORARY:
            raise SourceUnavailable(f"{address} answers with status {status}", temporary=True)
        if status != httpx.codes.OK:
            raise ItemRefused(f"{address} answers with status {status}; check that anyone may read it")
        unpack = _unpacker(address, response)
        data = bytearray()
        for part in response.iter_raw():
            self._check()
            data += unpack(part, self._max_bytes + 1 - len(data))  # one byte more tells that it is too much
            if len(data) > self._max_bytes:
                raise ItemRefused(
                    f"{address} is larger than {self._max_bytes:,} bytes; leave it out, or raise "
                    "FOOTNOTE_MAX_UPLOAD_BYTES"
                )
            if time.monotonic() > deadline:
                raise SourceUnavailable(
                    f"{address} took longer than {self._timeout_seconds:g} s; raise FOOTNOTE_SYNC_TIMEOUT "
                    "if it may",
                    temporary=True,
                )
        return Page(data=bytes(data), headers=response.headers)


def _unpacker(address: str, response: httpx.Response) -> Callable[[bytes, int], bytes]:
    """Unpacks the parts of an answer, each up to so many bytes.

    Raises:
        ItemRefused: If it is packed otherwise than was asked for, for example twice.
    """
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in PLAIN:
        return lambda part, _most: part
    if packing in GZIP:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    raise ItemRefused(
        f"{address} comes packed as {packing!r}, and only gzip was asked for; let its server send it "
        "plain or packed with gzip once"
    )


def _redirected(asked: str, location: str) -> str:
    target = urljoin(asked, location)
    if httpx.URL(target).scheme not in {"http", "https"}:
        raise ItemRefused(f"{asked} leads to {target}, which is no address over HTTP")
    return target

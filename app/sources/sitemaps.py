"""Reading sitemaps (sitemaps.org): which addresses they list."""

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from app.sources.errors import SourceUnavailable

MAX_ADDRESSES = 50_000  # what the format allows one file to list
MAX_FILES = 200
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitemap:
    """What one file lists: pages, or further sitemaps."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def parse_sitemap(data: bytes, *, max_bytes: int) -> Sitemap | None:
    """What a file lists, or None if it is no sitemap. Packed ones are unpacked up to ``max_bytes``."""
    if data.startswith(GZIP):
        data = _unpack(data, max_bytes)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root is None or not isinstance(root.tag, str):
        return None
    kind = etree.QName(root).localname
    if kind not in {"urlset", "sitemapindex"}:
        return None
    found = tuple(
        location.text.strip()
        for location in root.iterfind("{*}*/{*}loc")
        if location.text and location.text.strip()
    )
    return Sitemap(pages=found) if kind == "urlset" else Sitemap(sitemaps=found)


def _unpack(data: bytes, max_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error):
        return b""
    return unpacked if len(unpacked) <= max_bytes else b""


def read_sitemaps(first: Sitemap, read: Callable[[str], Sitemap]) -> list[str]:
    """Every page of a sitemap and of the sitemaps that it lists, each once.

    Args:
        first: The sitemap that was named.
        read: Gives the sitemap of an address; raises where it is none.

    Raises:
        SourceUnavailable: If there are more than the limits allow.
    """
    pages = dict.fromkeys(first.pages)
    waiting, seen = list(first.sitemaps), set(first.sitemaps)
    while waiting:
        sitemap = read(waiting.pop(0))
        pages |= dict.fromkeys(sitemap.pages)
        new = [address for address in dict.fromkeys(sitemap.sitemaps) if address not in seen]
        waiting += new
        seen |= set(new)
        if len(seen) > MAX_FILES or len(pages) > MAX_ADDRESSES:
            raise SourceUnavailable(
                f"the sitemap lists more than {MAX_ADDRESSES:,} pages or {MAX_FILES} further sitemaps; name "
                "one of those that it lists",
                temporary=False,
            )
    return list(pages)

"""Pages over HTTP as a source: single addresses, and those that a sitemap lists."""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from protego import Protego

from app.sources.connections import AddressRefused
from app.sources.downloads import AGENT, Downloader
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Check, Fetched, Item, Known, Listing, unique
from app.sources.sitemaps import Sitemap, parse_sitemap, read_sitemaps

ROBOTS_BYTES = 512_000  # of a robots.txt; RFC 9309 asks for 500 KiB at the least
LONGEST_DELAY_SECONDS = 30.0
XML = (".xml", ".xml.gz")


class WebsiteReader:
    """Reads pages one after the other, as robots.txt allows.

    Args:
        addresses: Pages and sitemaps.
        allow_private: Whether addresses of this machine and its own network may be asked.
        max_bytes: Largest page.
        timeout_seconds: Longest time for one page.
        check: Raises where the process wants to end.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        allow_private: bool,
        max_bytes: int,
        timeout_seconds: float,
        check: Check,
    ) -> None:
        self._addresses = addresses
        self._max_bytes = max_bytes
        self._check = check
        self._downloader = Downloader(
            allow_private=allow_private, max_bytes=max_bytes, timeout_seconds=timeout_seconds, check=check
        )
        self._robots: dict[str, Protego] = {}
        self._asked_at: dict[str, float] = {}

    def list_items(self) -> Listing:
        """The pages: an address whose content is a sitemap stands for those that it lists of its host."""
        items: list[Item] = []
        unreadable: dict[str, str] = {}
        for address in self._addresses:
            sitemap = self._read_sitemap(address) if _looks_like_sitemap(address) else None
            if sitemap is None and _file_name(address).endswith(XML):  # else all that it listed would be gone
                raise SourceUnavailable(f"{address} holds no sitemap that can be read whole", temporary=True)
            if sitemap is None:
                items.append(Item(key=address, uri=address))
                continue
            for page in read_sitemaps(sitemap, self._read_further):
                if _are_of_one_site(address, page):
                    items.append(Item(key=page, uri=page))
                else:
                    unreadable[page] = f"{address} lists it, but it is of another site; name it itself"
        return Listing(items=unique(items), unreadable=unreadable)

    def _read_sitemap(self, address: str) -> Sitemap | None:
        """The sitemap at an address; None where there is a page that is none."""
        try:
            page = self._downloader.get(address, may_ask=self._ask_robots)
        except (ItemGone, ItemRefused) as error:
            raise SourceUnavailable(
                f"no sitemap can be read at {address}: {error}", temporary=False
            ) from error
        return parse_sitemap(page.data or b"", max_bytes=self._max_bytes)

    def _read_further(self, address: str) -> Sitemap:
        sitemap = self._read_sitemap(address)
        if sitemap is None:
            raise SourceUnavailable(f"{address} is listed as a sitemap and is none", temporary=False)
        return sitemap

    def fetch(self, item: Item, known: Known) -> Fetched | None:
        """A page, unless the server says that it has not changed."""
        conditions = {}
        if known.etag is not None:
            conditions["If-None-Match"] = known.etag
        if known.last_modified is not None:
            conditions["If-Modified-Since"] = known.last_modified
        page = self._downloader.get(item.key, conditions, may_ask=self._ask_robots)
        if page.data is None:
            return None
        name = urlsplit(item.key).path.rsplit("/", 1)[-1] or "index.html"
        return Fetched(
            data=page.data,
            name=name,
            etag=page.headers.get("etag"),
            last_modified=page.headers.get("last-modified"),
        )

    def close(self) -> None:
        """Give back its connections."""
        self._downloader.close()

    def _ask_robots(self, address: str) -> None:
        """Raise ItemRefused where robots.txt forbids an address; wait as long as it asks for."""
        parts = urlsplit(address)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            self._robots[site] = self._read_robots(site)
        robots = self._robots[site]
        if not robots.can_fetch(address, AGENT):
            raise ItemRefused(f"{site}/robots.txt forbids {address}; ask who runs the site, or leave it out")
        delay = min(robots.crawl_delay(AGENT) or 0.0, LONGEST_DELAY_SECONDS)
        due = self._asked_at.get(site, -delay) + delay
        while (left := due - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.2))
        self._asked_at[site] = time.monotonic()

    def _read_robots(self, site: str) -> Protego:
        """What a site allows: all where it has no robots.txt, nothing where it does not let it be read."""
        try:
            data = self._downloader.get(f"{site}/robots.txt").data or b""
        except ItemGone:
            data = b""
        except AddressRefused:
            raise
        except ItemRefused:
            data = b"User-agent: *\nDisallow: /\n"
        return Protego.parse(data[:ROBOTS_BYTES].decode("utf-8", "replace"))


def _looks_like_sitemap(address: str) -> bool:
    name = _file_name(address)
    return "sitemap" in name or name.endswith(XML)


def _file_name(address: str) -> str:
    return urlsplit(address).path.rsplit("/", 1)[-1].lower()


def _are_of_one_site(sitemap: str, page: str) -> bool:
    try:
        parts = urlsplit(page)
    except ValueError:
        return False
    return parts.netloc == urlsplit(sitemap).netloc and parts.scheme in {"http", "https"}

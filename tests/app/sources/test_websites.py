"""Pages over HTTP: what is asked, what is not, and what never leaves the public internet."""

import gzip
import random
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from app.sources import connections
from app.sources.connections import AddressRefused, is_public
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Item, Known
from app.sources.websites import WebsiteReader
from tests.app.sources.site import Answer, Site, serve_site


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_site() as site:
        yield site


def reader(*addresses: str, **more: Any) -> WebsiteReader:
    options: dict[str, Any] = {
        "allow_private": True,
        "max_bytes": 100_000,
        "timeout_seconds": 5.0,
        "check": lambda: None,
    }
    return WebsiteReader(addresses, **options | more)


def fetch(address: str, known: Known | None = None, **more: Any) -> Any:
    with closing(reader(address, **more)) as opened:
        return opened.fetch(Item(key=address, uri=address), known or Known())


def listed(address: str, **more: Any) -> Any:
    with closing(reader(address, **more)) as opened:
        return opened.list_items()


def urlset(*addresses: str) -> bytes:
    inside = "".join(f"<url><loc> {address} </loc></url>" for address in addresses)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</urlset>'.encode()


def test_a_page_is_fetched_once_while_it_stays_the_same(site: Site) -> None:
    site.page("/guide/", "<p>one</p>", etag='"1"', modified="Sat, 10 Jan 2026 12:00:00 GMT")
    fetched = fetch(f"{site.address}/guide/")
    assert (fetched.data, fetched.name) == (b"<p>one</p>", "index.html")
    known = Known(etag=fetched.etag, last_modified=fetched.last_modified)
    assert fetch(f"{site.address}/guide/", known) is None
    assert fetch(f"{site.address}/guide/", Known(last_modified=fetched.last_modified)) is None
    site.page("/guide/", "<p>two</p>", etag='"2"')
    assert fetch(f"{site.address}/guide/", known).data == b"<p>two</p>"
    assert site.asked[0][1]["User-Agent"].startswith("Footnote/")


def test_sitemaps_are_followed_packed_and_nested(site: Site) -> None:
    inner = urlset(f"{site.address}/a", f"{site.address}/b", "https://elsewhere.example/c")
    site.pages["/inner.xml.gz"] = (200, {}, gzip.compress(inner))
    index = f"<sitemapindex><sitemap><loc>{site.address}/inner.xml.gz</loc></sitemap>"
    index += f"<sitemap><loc>{site.address}/sitemap.xml</loc></sitemap></sitemapindex>"  # in a circle
    site.pages["/sitemap.xml"] = (200, {}, index.encode())
    listing = listed(f"{site.address}/sitemap.xml")
    assert [item.uri for item in listing.items] == [f"{site.address}/a", f"{site.address}/b"]
    assert list(listing.unreadable) == ["https://elsewhere.example/c"]


@pytest.mark.parametrize("answer", [(500, {}, b""), (404, {}, b""), (200, {}, b"<urlset><url>")])
def test_a_sitemap_that_can_not_be_read_lists_nothing(site: Site, answer: Any) -> None:
    index = f"<sitemapindex><sitemap><loc>{site.address}/inner.xml</loc></sitemap></sitemapindex>"
    site.pages["/sitemap.xml"] = (200, {}, index.encode())
    site.pages["/inner.xml"] = answer
    with pytest.raises(SourceUnavailable) as raised:
        listed(f"{site.address}/sitemap.xml")
    assert raised.value.temporary == (answer[0] == 500)


@pytest.mark.parametrize(
    "body",
    [b"<html>Back soon</html>", b"<urlset><url>", gzip.compress(b"<urlset/>", mtime=0)[:9]],
    ids=["no sitemap", "cut short", "packed and cut short"],
)
def test_a_sitemap_that_is_none_for_a_night_is_no_page(site: Site, body: bytes) -> None:
    site.pages["/sitemap.xml"] = (200, {}, body)
    with pytest.raises(SourceUnavailable, match="no sitemap") as raised:
        listed(f"{site.address}/sitemap.xml")
    assert raised.value.temporary


def test_entities_of_a_sitemap_are_not_resolved(site: Site) -> None:
    body = (
        '<!DOCTYPE u [<!ENTITY e SYSTEM "file:///etc/hostname">]><urlset><url><loc>&e;</loc></url></urlset>'
    )
    site.pages["/sitemap.xml"] = (200, {}, body.encode())
    listing = listed(f"{site.address}/sitemap.xml")
    assert (listing.items, listing.unreadable) == ((), {})


def test_robots_are_obeyed(site: Site) -> None:
    robots = "User-agent: *\nDisallow: /\n\n"
    robots += "User-agent: footnote\nDisallow: /*.pdf$\nAllow: /open/\nDisallow: /closed/\n"
    site.pages["/robots.txt"] = (200, {}, robots.encode())
    for path in ("/open/x", "/closed/x", "/a.pdf"):
        site.page(path, "text")
    assert fetch(f"{site.address}/open/x").data == b"text"
    for path in ("/closed/x", "/a.pdf"):
        site.paths()
        with pytest.raises(ItemRefused, match=r"robots\.txt forbids"):
            fetch(site.address + path)
        assert site.paths() == ["/robots.txt"]
    site.pages["/way"] = (302, {"Location": "/closed/x"}, b"")
    with pytest.raises(ItemRefused, match=r"robots\.txt forbids"):
        fetch(f"{site.address}/way")


@pytest.mark.parametrize(
    ("status", "error"), [(404, None), (403, ItemRefused), (500, SourceUnavailable), (503, SourceUnavailable)]
)
def test_robots_that_can_not_be_read(site: Site, status: int, error: type[Exception] | None) -> None:
    site.pages["/robots.txt"] = (status, {}, b"")
    site.page("/x", "text")
    if error is None:
        assert fetch(f"{site.address}/x").data == b"text"
    else:
        with pytest.raises(error):
            fetch(f"{site.address}/x")


def test_redirects_are_followed_but_not_for_ever_nor_to_files(site: Site) -> None:
    site.page("/new", "text")
    site.pages["/old"] = (301, {"Location": "/new"}, b"")
    site.pages["/circle"] = (302, {"Location": "/circle"}, b"")
    site.pages["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    assert fetch(f"{site.address}/old").data == b"text"
    with pytest.raises(ItemRefused, match="more than 5 times"):
        fetch(f"{site.address}/circle")
    with pytest.raises(ItemRefused, match="no address over HTTP"):
        fetch(f"{site.address}/file")


def test_too_much_is_refused_also_when_it_is_packed(site: Site) -> None:
    site.page("/large", "x" * 100_001)
    site.pages["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(50_000_000)))
    for path in ("/large", "/bomb"):
        with pytest.raises(ItemRefused, match="larger than 100,000 bytes"):
            fetch(site.address + path)


def test_a_packed_page_takes_no_more_memory_than_the_largest_page(site: Site) -> None:
    packed = gzip.compress(bytes(50_000_000))
    site.pages["/bomb"] = (200, {"Content-Encoding": "gzip"}, packed)
    tracemalloc.start()
    try:
        with pytest.raises(ItemRefused, match="larger than 100,000 bytes"):
            fetch(f"{site.address}/bomb")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "GZip"])
def test_a_page_that_is_packed_once_is_unpacked_up_to_the_last_byte_that_is_allowed(
    site: Site, packing: str
) -> None:
    page = random.Random(3).randbytes(100_000)
    site.pages["/guide"] = (200, {"Content-Encoding": packing}, gzip.compress(page))
    assert fetch(f"{site.address}/guide").data == page
    assert {headers["Accept-Encoding"] for _, headers in site.asked} == {"gzip"}


@pytest.mark.parametrize(
    ("packing", "body"),
    [
        ("gzip, gzip", gzip.compress(gzip.compress(b"text", mtime=0), mtime=0)),
        ("deflate", zlib.compress(b"text")),
        ("br", b"text"),
        ("identity, gzip", gzip.compress(b"text", mtime=0)),
    ],
    ids=["twice", "deflate", "brotli", "several"],
)
def test_a_page_that_is_packed_otherwise_than_asked_is_refused(site: Site, packing: str, body: bytes) -> None:
    site.pages["/guide"] = (200, {"Content-Encoding": packing}, body)
    with pytest.raises(ItemRefused, match=f"packed as '{packing}', and only gzip was asked for"):
        fetch(f"{site.address}/guide")


def test_a_page_that_is_badly_packed_may_be_better_the_next_time(site: Site) -> None:
    site.pages["/guide"] = (200, {"Content-Encoding": "gzip"}, b"text")
    with pytest.raises(SourceUnavailable) as raised:
        fetch(f"{site.address}/guide")
    assert raised.value.temporary


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, ItemGone),
        (410, ItemGone),
        (403, ItemRefused),
        (429, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_what_a_status_means(site: Site, status: int, error: type[Exception]) -> None:
    site.pages["/x"] = (status, {}, b"")
    with pytest.raises(error) as raised:
        fetch(f"{site.address}/x")
    assert getattr(raised.value, "temporary", True)


def test_an_answer_that_does_not_come_is_temporary(site: Site) -> None:
    ended = threading.Event()

    def stall(_asked: Mapping[str, str]) -> Answer:
        ended.wait(10)
        return 200, {}, b"late"

    site.pages["/slow"] = stall
    with pytest.raises(SourceUnavailable, match="timed out") as raised:
        fetch(f"{site.address}/slow", timeout_seconds=0.3)
    ended.set()
    assert raised.value.temporary
    site.pages["/half"] = (200, {"Content-Length": "10"}, b"half")  # and then it hangs up
    with pytest.raises(SourceUnavailable, match="does not answer") as raised:
        fetch(f"{site.address}/half")
    assert raised.value.temporary
    with pytest.raises(SourceUnavailable, match="does not answer"):
        fetch("http://127.0.0.1:9/")  # nothing listens there
    with pytest.raises(SourceUnavailable, match="can't be resolved"):
        fetch("http://nowhere.invalid/")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "::ffff:127.0.0.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_private_address_is_asked_unless_it_is_allowed(site: Site, host: str) -> None:
    port = site.address.rpartition(":")[2]
    with pytest.raises(AddressRefused, match="allow_private"):
        fetch(f"http://{host}:{port}/x", allow_private=False)
    assert site.asked == []


def test_a_redirect_to_a_private_address_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    port = site.address.rpartition(":")[2]
    site.pages["/x"] = (302, {"Location": f"http://localhost:{port}/secret"}, b"")
    site.page("/secret", "secret")
    real = connections.resolve

    def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
        return real(host, port, allow_private=allow_private or host == "127.0.0.1")

    monkeypatch.setattr(connections, "resolve", resolve)  # as if the site itself were public
    with pytest.raises(AddressRefused, match="localhost"):
        fetch(f"{site.address}/x", allow_private=False)
    assert "/secret" not in site.paths()


def test_a_name_that_changes_its_address_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1"])
    connected: list[tuple[str, int]] = []

    def getaddrinfo(_host: str, port: int, **_more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def create_connection(address: tuple[str, int], *_arguments: Any, **_more: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(SourceUnavailable):
        fetch("http://rebinding.example/robots.txt", allow_private=False)
    assert connected == [("93.184.215.14", 80)]


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(_host: str, port: int, **_more: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("93.184.215.14", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        fetch("http://both.example/", allow_private=False)

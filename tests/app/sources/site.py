"""A small website on this machine, for tests."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(slots=True)
class Site:
    """What the website answers, and what it was asked.

    Attributes:
        address: Its own, without a slash at the end.
        pages: Status, headers and body by path, or what makes them from a request's headers.
        asked: Path and headers of every request.
    """

    address: str
    pages: dict[str, Answer | Callable[[Mapping[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def page(self, path: str, body: str, *, etag: str | None = None, modified: str | None = None) -> None:
        """Let a path answer with a page; with a mark, not changed is said where it is known."""
        headers = {"Content-Type": "text/html"}
        headers |= {"ETag": etag} if etag else {}
        headers |= {"Last-Modified": modified} if modified else {}

        def answer(asked: Mapping[str, str]) -> Answer:
            known = (etag is not None and asked.get("If-None-Match") == etag) or (
                modified is not None and asked.get("If-Modified-Since") == modified
            )
            return (304, headers, b"") if known else (200, headers, body.encode())

        self.pages[path] = answer

    def paths(self) -> list[str]:
        """The paths that were asked since the last call."""
        paths = [path for path, _ in self.asked]
        self.asked.clear()
        return paths


@contextmanager
def serve_site(host: str = "127.0.0.1") -> Iterator[Site]:
    """A website while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, dict(self.headers)))
            found = site.pages.get(self.path, (404, {}, b"nothing here"))
            status, headers, body = found(dict(self.headers)) if callable(found) else found
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()

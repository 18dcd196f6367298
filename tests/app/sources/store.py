"""A small S3-compatible store on this machine, for tests. It checks signatures by itself.

It knows as much of the interface as reading a bucket takes: listing by pages, and getting an object. The
signature is worked out from the documentation of version 4 of Amazon's signing, without the client's code.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 2  # objects in one answer, so that a listing has several


@dataclass(slots=True)
class Store:
    """What the store holds: objects by key, of one bucket."""

    address: str
    bucket: str
    key: str
    secret: str
    objects: dict[str, bytes] = field(default_factory=dict)
    got: list[str] = field(default_factory=list)
    is_down: bool = False


@contextmanager
def serve_store(bucket: str, key: str, secret: str) -> Iterator[Store]:
    """A store while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if store.is_down:
                self._answer(503, _error("ServiceUnavailable"))
            elif not _is_signed(self.path, dict(self.headers), store):
                self._answer(403, _error("SignatureDoesNotMatch"))
            elif parts.path.strip("/") == bucket:
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                self._answer(200, b"<LocationConstraint/>" if "location" in query else _listing(store, query))
            elif (name := unquote(parts.path).removeprefix(f"/{bucket}/")) in store.objects:
                store.got.append(name)
                self._answer(200, store.objects[name])
            else:
                self._answer(
                    404, _error("NoSuchKey" if parts.path.startswith(f"/{bucket}/") else "NoSuchBucket")
                )

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/xml")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store = Store(f"http://127.0.0.1:{server.server_address[1]}", bucket, key, secret)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield store
    server.shutdown()
    thread.join()
    server.server_close()


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def _listing(store: Store, query: Mapping[str, str]) -> bytes:
    after = query.get("continuation-token") or query.get("start-after", "")
    keys = sorted(key for key in store.objects if key.startswith(query.get("prefix", "")) and key > after)
    more = len(keys) > PAGE
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-10T12:00:00.000Z</LastModified>"
        f'<ETag>"{hashlib.md5(store.objects[key]).hexdigest()}"</ETag><Size>{len(store.objects[key])}</Size></Contents>'
        for key in keys[:PAGE]
    )
    following = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if more else ""
    return (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{store.bucket}</Name><IsTruncated>{str(more).lower()}</IsTruncated>{following}{entries}"
        "</ListBucketResult>"
    ).encode()


def _is_signed(path: str, headers: Mapping[str, str], store: Store) -> bool:
    """Whether a request is signed with the store's key, by version 4 of Amazon's signing."""
    given = {name.lower(): value for name, value in headers.items()}
    scheme, _, rest = given.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return False
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, day, region, service, _ = fields["Credential"].split("/")
    parts = urlsplit(path)
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    signed = fields["SignedHeaders"].split(";")
    request = "\n".join(
        [
            "GET",
            parts.path,
            "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query),
            *(f"{name}:{given[name].strip()}" for name in signed),
            "",
            fields["SignedHeaders"],
            given["x-amz-content-sha256"],
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{given['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    secret = f"AWS4{store.secret}".encode()
    for word in (day, region, service, "aws4_request"):
        secret = hmac.digest(secret, word.encode(), "sha256")
    wanted = hmac.new(secret, text.encode(), "sha256").hexdigest()
    return key == store.key and hmac.compare_digest(wanted, fields["Signature"])

"""Spans as a collector gets them from a real server."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.settings import Settings, SettingsInvalid
from app.tracing import configure_tracing
from tests.app.processes import start_command, wait_until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """An address that takes spans, and the bodies that came."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def spans_in(bodies: list[bytes]) -> list[Span]:
    return [
        span
        for body in list(bodies)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def values(span: Span) -> dict[str, str]:
    return {one.key: one.value.string_value for one in span.attributes}


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_requests_and_the_steps_of_their_jobs_become_spans_without_words(
    settings: Settings, tmp_path: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with collector() as (address, bodies):
        environment = {"FOOTNOTE_TRACES_ADDRESS": address, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        server = start_command(settings, tmp_path, "serve", "--port", str(port), **environment)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            wait_until(lambda: is_up(client))
            text = "# Lamp\n\nThe secretbulb of the lamp L1 has 40 watts.\n"
            sent = client.post("/v1/documents", files={"file": ("lamp.md", text)})
            request_id = sent.headers["X-Request-ID"]
            wait_until(lambda: client.get(f"/v1/jobs/{sent.json()['job_id']}").json()["state"] == "succeeded")
            asked = {"question": "Which secretquestion?"}
            client.get("/v1/qa-pairs", params={"text": "secretword"}).raise_for_status()
            client.post("/v1/search", json=asked, headers={"traceparent": PARENT}).raise_for_status()
        assert not bodies
        server.terminate()  # those that wait are sent at the end
        server.join()
        found = spans_in(bodies)
    search = next(span for span in found if span.name == "POST /v1/search")
    assert search.trace_id.hex() == PARENT.split("-")[1]
    assert search.parent_span_id.hex() == PARENT.split("-")[2]
    assert {"footnote.encode_seconds", "footnote.search_seconds"} <= values(search).keys()
    steps = [span for span in found if values(span).get("footnote.request_id") == request_id]
    assert {span.name for span in steps} >= {"POST /v1/documents", "step parse", "step embed", "step index"}
    assert "GET /v1/jobs/{job_id}" in {span.name for span in found}
    assert not any(b"secret" in body for body in bodies)


def is_up(client: httpx.Client) -> bool:
    try:
        return "no index" in client.get("/readyz").text
    except httpx.TransportError:
        return False


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(SettingsInvalid, match=r"footnote\[traces\]"):
        configure_tracing(Settings(home=tmp_path, traces_address="http://127.0.0.1:9/v1/traces"))

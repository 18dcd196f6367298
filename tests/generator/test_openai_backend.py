import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from generator import openai_backend
from generator.errors import (
    PromptTooLong,
    ServerAnswerInvalid,
    ServerRefused,
    ServerSettingsInvalid,
    ServerUnavailable,
    Stopped,
)
from generator.event_stream import BrokenOff, MalformedEvent, read_pieces
from generator.models import Message
from generator.openai_backend import OpenAIGenerator
from generator.transformers_backend import TransformersGenerator

KEY = "sk-geheim-0123456789"
CHAT = [Message("user", "Name three colours of a rainbow in one sentence.")]
CHATS = [CHAT, [Message("user", "What is the capital of France?")], [Message("user", "Say a number.")]]

Reply = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Speaks the protocol: gives the replies it was handed, then what a real model writes.

    Attributes:
        replies: What the next requests get, in order.
        requests: Headers and body of every request.
        moments: When each request came, in seconds.
    """

    daemon_threads = False

    def __init__(self, model: TransformersGenerator) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = model
        self.replies: list[Reply] = []
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.moments: list[float] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    body: dict[str, Any]

    def do_POST(self) -> None:
        self.server.moments.append(time.monotonic())
        self.body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(({k.lower(): v for k, v in self.headers.items()}, self.body))
        reply = self.server.replies.pop(0) if self.server.replies else written_by_the_model
        reply(self)

    def begin(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def begin_events(self) -> None:
        self.begin(content_type="text/event-stream; charset=utf-8", transfer_encoding="chunked")

    def send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def send_event(self, event: Any) -> None:
        self.send_chunk(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")

    def log_message(self, *_arguments: Any) -> None:
        """Quiet."""


def delta(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def written_by_the_model(handler: Handler) -> None:
    messages = [Message(**message) for message in handler.body["messages"]]
    handler.begin_events()
    handler.send_event({"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]})
    with closing(handler.server.model.stream(messages, max_new_tokens=handler.body["max_tokens"])) as pieces:
        for piece in pieces:
            handler.send_event(delta(piece))
    handler.send_event(delta(None, "stop"))
    handler.send_event({"choices": [], "usage": {"total_tokens": 1}})
    handler.send_chunk(b"data: [DONE]\n\n")
    handler.send_chunk(b"")


def says(text: str) -> Reply:
    def reply(handler: Handler) -> None:
        handler.begin_events()
        handler.send_event(delta(text, "stop"))
        handler.send_chunk(b"")

    return reply


def refuses(status: int, answer: Any, **headers: str) -> Reply:
    def reply(handler: Handler) -> None:
        data = json.dumps(answer).encode()
        handler.begin(status, content_type="application/json", content_length=str(len(data)), **headers)
        handler.wfile.write(data)

    return reply


def breaks_off(handler: Handler) -> None:
    handler.begin_events()
    handler.send_event(delta("Half a"))
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def breaks_off_at_once(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def echoes(handler: Handler) -> None:
    """The first message, at the end of some of which it takes its time."""
    content = handler.body["messages"][0]["content"]
    time.sleep(0.2 if content in {"0", "5"} else 0.0)
    says(content)(handler)


def is_silent(handler: Handler) -> None:
    handler.close_connection = True
    time.sleep(1.0)


@pytest.fixture
def server(small_generator: TransformersGenerator) -> Iterator[Server]:
    server = Server(small_generator)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def remote(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIGenerator]:
    """The backend under test, with short rests."""
    monkeypatch.setattr(openai_backend, "_PERSON_PAUSES", (0.05, 0.1))
    monkeypatch.setattr(openai_backend, "_BACKGROUND_PAUSES", (0.05, 0.1, 0.2))
    address = f"http://127.0.0.1:{server.server_port}"
    with closing(OpenAIGenerator(address=address, model="small", api_key=KEY, timeout=30)) as generator:
        yield generator


def write(generator: OpenAIGenerator) -> str:
    return "".join(generator.stream(CHAT, max_new_tokens=12))


def test_it_streams_what_the_model_writes(
    remote: OpenAIGenerator, server: Server, small_generator: TransformersGenerator
) -> None:
    expected = list(small_generator.stream(CHAT, max_new_tokens=12))
    assert list(remote.stream(CHAT, max_new_tokens=12)) == expected
    ((headers, body),) = server.requests
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["temperature"] == 0
    assert body["messages"] == [{"role": "user", "content": CHAT[0].content}]
    assert (body["model"], body["max_tokens"], body["stream"]) == ("small", 12, True)


def test_it_completes_what_the_model_completes(
    remote: OpenAIGenerator, small_generator: TransformersGenerator
) -> None:
    expected = ["".join(small_generator.stream(chat, max_new_tokens=8)) for chat in CHATS]
    assert remote.complete(CHATS, max_new_tokens=8) == expected
    assert remote.complete([], max_new_tokens=8) == []


def test_results_keep_the_order_of_the_chats(remote: OpenAIGenerator, server: Server) -> None:
    numbers = [str(number) for number in range(9)]
    server.replies = [echoes] * 9
    assert remote.complete([[Message("user", n)] for n in numbers], max_new_tokens=4) == numbers


def test_characters_that_end_lines_elsewhere_stay_in_the_text(
    remote: OpenAIGenerator, server: Server
) -> None:
    text = "a\u2028b\u0085c\x0bd\ne é 日本 😀"
    server.replies = [says(text)]
    assert write(remote) == text


def test_a_stream_is_read_however_its_bytes_are_cut() -> None:
    events = [delta("Hé"), delta("l\u2028o", "stop")]
    lines = [b": a comment", *(b"data:" + json.dumps(event).encode() for event in events), b"data: [DONE]"]
    body = b"\r\n\r\n".join(lines) + b"\r\n\r\n"
    for size in (1, 2, 7, 1000):
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        assert "".join(read_pieces(chunks)) == "Hél\u2028o"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"data: {oops\n\n", MalformedEvent),
        (b"data: 7\n\n", MalformedEvent),
        (b'data: {"choices": 3}\n\n', MalformedEvent),
        (b'data: {"error": {"message": "out of memory"}}\n\n', BrokenOff),
        (b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n', BrokenOff),
        (b"", BrokenOff),
    ],
)
def test_a_stream_that_is_none_is_told_apart(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(read_pieces([body]))


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, r"401.*\(the key\).*give a key"),
        (403, {"detail": "not yours"}, "403: not yours; give a key"),
        (404, {"error": "model 'small' not found"}, "404: model 'small' not found; see at .*/v1/models"),
        (400, {"error": {"message": "max_tokens is not allowed"}}, "400: max_tokens is not allowed"),
        (307, {}, "307"),
    ],
)
def test_a_refusal_is_told_at_once_and_without_the_key(
    remote: OpenAIGenerator, server: Server, status: int, answer: Any, words: str
) -> None:
    for ask in (lambda: write(remote), lambda: remote.complete([CHAT], max_new_tokens=4)):
        server.replies = [refuses(status, answer)]
        server.requests.clear()
        with pytest.raises(ServerRefused, match=words) as caught:
            ask()
        assert KEY not in str(caught.value)
        assert str(server.server_port) in str(caught.value)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
    ],
)
def test_a_prompt_that_does_not_fit_is_told_as_in_process(
    remote: OpenAIGenerator, server: Server, words: str
) -> None:
    server.replies = [refuses(400, {"error": {"message": words}})]
    with pytest.raises(PromptTooLong, match="holds 4096") as caught:
        write(remote)
    assert caught.value.tokens > 4096


def test_a_busy_server_is_asked_again_after_the_time_it_names(
    remote: OpenAIGenerator, server: Server
) -> None:
    server.replies = [refuses(429, {}, retry_after="1"), refuses(503, {}), says("At last.")]
    assert write(remote) == "At last."
    first, second, third = server.moments
    assert second - first >= 1.0
    assert 0.1 <= third - second < 1.0


def test_a_server_that_stays_busy_is_reported(remote: OpenAIGenerator, server: Server) -> None:
    server.replies = [refuses(503, {"message": "loading model"})] * 9
    with pytest.raises(ServerUnavailable, match=r"asked 3 times.*503: loading model.*try again"):
        write(remote)
    assert len(server.requests) == 3
    with pytest.raises(ServerUnavailable, match="asked 4 times"):
        remote.complete([CHAT], max_new_tokens=4)


@pytest.mark.parametrize("when", ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_nobody_waits_an_hour(remote: OpenAIGenerator, server: Server, when: str) -> None:
    server.replies = [refuses(429, {"error": "quota"}, retry_after=when)]
    with pytest.raises(ServerUnavailable, match=r"asked 1 times.*429: quota"):
        write(remote)


def test_a_broken_connection_is_mended_before_the_first_word(remote: OpenAIGenerator, server: Server) -> None:
    server.replies = [breaks_off_at_once, says("Whole.")]
    assert write(remote) == "Whole."


def test_a_stream_that_breaks_is_reported_and_background_work_asks_again(
    remote: OpenAIGenerator, server: Server
) -> None:
    server.replies = [breaks_off]
    pieces = remote.stream(CHAT, max_new_tokens=4)
    assert next(pieces) == "Half a"
    with pytest.raises(ServerUnavailable, match="asked 1 times"):
        next(pieces)
    server.replies = [breaks_off, says("Whole.")]
    assert remote.complete([CHAT], max_new_tokens=4) == ["Whole."]


def test_a_silent_server_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_backend, "_PERSON_PAUSES", (0.01,))
    server.replies = [is_silent, is_silent]
    address = f"http://127.0.0.1:{server.server_port}/v1/"
    with (
        closing(OpenAIGenerator(address=address, model="small", timeout=0.2)) as generator,
        pytest.raises(ServerUnavailable, match=r"asked 2 times\): nothing came for 0.2 s"),
    ):
        write(generator)


def test_an_address_where_nobody_listens_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_backend, "_PERSON_PAUSES", ())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            closing(OpenAIGenerator(address=address, model="small")) as generator,
            pytest.raises(ServerUnavailable, match=f"{address}/v1 gave no whole answer"),
        ):
            write(generator)


@pytest.mark.parametrize(
    ("media_type", "body"), [("text/html", b"<html>Welcome"), ("text/event-stream", b"data: {oops\n\n")]
)
def test_something_else_than_a_model_server_is_recognised(
    remote: OpenAIGenerator, server: Server, media_type: str, body: bytes
) -> None:
    def reply(handler: Handler) -> None:
        handler.begin(content_type=media_type, content_length=str(len(body)))
        handler.wfile.write(body)

    server.replies = [reply]
    with pytest.raises(ServerAnswerInvalid, match="usually ends in /v1"):
        write(remote)


def test_an_early_close_and_a_stop_end_the_request(remote: OpenAIGenerator, server: Server) -> None:
    with closing(remote.stream(CHAT, max_new_tokens=200)) as pieces:
        next(pieces)
    answers = iter([False] * 6 + [True] * 100)
    text = "".join(remote.stream(CHAT, max_new_tokens=12, should_stop=lambda: next(answers)))
    assert 0 < len(text) < len(write(remote))
    assert list(remote.stream(CHAT, max_new_tokens=12, should_stop=lambda: True)) == []
    assert len(server.requests) == 3


def test_background_work_stops_at_once_also_while_it_rests(remote: OpenAIGenerator, server: Server) -> None:
    server.replies = [refuses(429, {}, retry_after="50")] * 3
    began = time.monotonic()
    asked_by = set()

    def stop() -> bool:
        asked_by.add(threading.get_ident())
        return len(server.requests) == 3

    with pytest.raises(Stopped):
        remote.complete(CHATS, max_new_tokens=4, should_stop=stop)
    assert time.monotonic() - began < 10
    assert asked_by == {threading.get_ident()}


def test_background_work_begins_no_request_while_a_person_waits(
    remote: OpenAIGenerator, server: Server
) -> None:
    results: list[list[str]] = []
    server.replies = [written_by_the_model, says("Done.")]
    with closing(remote.stream(CHAT, max_new_tokens=12)) as pieces:
        next(pieces)
        worker = threading.Thread(target=lambda: results.append(remote.complete([CHAT], max_new_tokens=4)))
        worker.start()
        worker.join(0.4)
        assert worker.is_alive()
        assert len(server.requests) == 1
    worker.join()
    assert results == [["Done."]]


def test_the_first_failure_ends_all_work(remote: OpenAIGenerator, server: Server) -> None:
    server.replies = [refuses(404, {"error": "no model"})] + [is_silent] * 50
    with pytest.raises(ServerRefused, match="no model"):
        remote.complete([CHAT] * 40, max_new_tokens=4)
    assert len(server.requests) < 10


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("localhost:8000", None),
        ("ftp://host/v1", None),
        ("http://", None),
        ("http://host:port/v1", None),
        ("http://host/v1?token=1", None),
        (f"http://user:{KEY}@host/v1", None),
        ("http://host/v1", f"{KEY}\nX-Other: 1"),
        ("http://host/v1", f"{KEY}é"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_a_key(address: str, key: str | None) -> None:
    with pytest.raises(ServerSettingsInvalid) as caught:
        OpenAIGenerator(address=address, model="small", api_key=key)
    assert KEY not in str(caught.value)


def test_a_model_needs_a_name() -> None:
    with pytest.raises(ServerSettingsInvalid, match="name is empty"):
        OpenAIGenerator(address="http://host", model=" ")


def test_the_key_appears_nowhere(
    remote: OpenAIGenerator, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    write(remote)
    server.replies = [refuses(401, {"error": {"message": f"{'x' * 290} {KEY}"}})]
    with pytest.raises(ServerRefused) as caught:
        write(remote)
    shown = [
        repr(remote),
        remote.name,
        remote.fingerprint,
        str(caught.value),
        repr(caught.value),
        caplog.text,
    ]
    assert not [text for text in shown if KEY[:8] in text]
    assert remote.fingerprint == f"openai:small@127.0.0.1:{server.server_port}"
    assert remote.name == "small"


@pytest.mark.parametrize(
    ("address", "is_used"),
    [("http://model.example/v1", True), ("http://localhost/v1", False), ("http://[::1]:80/v1", False)],
)
def test_a_proxy_is_used_except_for_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch, address: str, *, is_used: bool
) -> None:
    monkeypatch.setattr(openai_backend, "_PERSON_PAUSES", ())
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server.replies = [says("By proxy.")]
    with closing(OpenAIGenerator(address=address, model="small", timeout=2)) as generator:
        if is_used:
            assert write(generator) == "By proxy."
        else:
            with pytest.raises(ServerUnavailable):
                write(generator)
    assert len(server.requests) == is_used


@pytest.mark.parametrize(
    "text",
    [
        "The default timeout is 300 seconds. Memcached is an entirely memory-based cache server.",
        "```python\nCACHES = {'default': {'BACKEND': 'RedisCache'}}\n```\n\n1. Install it.\n2. Use it.",
        "2024-11-22 23:44:08 took 3.14159265 s at port 6379",
        "Соединение с базой данных настраивается в файле.",  # noqa: RUF001
        "数据库连接可以在设置文件中配置。",
    ],
)
def test_the_estimate_of_tokens_is_too_high_rather_than_too_low(
    remote: OpenAIGenerator, small_generator: TransformersGenerator, text: str
) -> None:
    exact = small_generator.count_tokens(text)
    assert 0.9 * exact <= remote.count_tokens(text) <= 2 * exact
    assert remote.count_tokens("") == 0

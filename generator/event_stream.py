"""What an OpenAI-compatible server sends: a stream of events to pieces of text, a refusal to words."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

_END = b"[DONE]"


class MalformedEvent(ValueError):
    """A server sent what is no event of a chat completion."""


class BrokenOff(Exception):
    """A stream ended before the text did; the message says how."""


def read_pieces(chunks: Iterable[bytes]) -> Iterator[str]:
    """The text of a chat completion that is sent as server-sent events.

    Args:
        chunks: The response's body as it comes, cut anywhere.

    Yields:
        A piece for every event, in order; empty for an event without text.

    Raises:
        MalformedEvent: An event's data is not a JSON object with choices.
        BrokenOff: The server reports an error, or the stream ends without saying that the text is done.
    """
    is_finished = False
    for data in _event_data(chunks):
        if data == _END:
            return
        piece, is_last = _read_event(data)
        is_finished = is_finished or is_last
        yield piece
    if not is_finished:
        raise BrokenOff("the stream ended in the middle of the text")


def read_words(body: bytes) -> str:
    """What a server says about an error: its message, or whatever it sent, in one line."""
    text = body.decode(errors="replace")
    try:
        said = _message(json.loads(text))
    except ValueError:
        said = text
    return " ".join(said.split())


def _event_data(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The data of every event. Lines end with a line feed only: JSON may hold other line separators."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()


def _read_event(data: bytes) -> tuple[str, bool]:
    """An event's piece of text, and whether it is the last."""
    try:
        event = json.loads(data)
    except ValueError as error:
        raise MalformedEvent(f"an event is not JSON: {read_words(data)!r}") from error
    match event:
        case {"error": error} if error:
            raise BrokenOff(_message(event))
        case {"choices": []}:
            return "", False
        case {"choices": [{"delta": {"content": str(piece)}, **choice}, *_]}:
            return piece, choice.get("finish_reason") is not None
        case {"choices": [{**choice}, *_]}:
            return "", choice.get("finish_reason") is not None
    raise MalformedEvent(f"an event has no choices: {read_words(data)!r}")


def _message(answer: Any) -> str:
    """The words in an error: servers nest them differently."""
    match answer:
        case {"error": {"message": str(said)}} | {"error": str(said)} | {"message": str(said)}:
            return said
        case {"detail": str(said)}:
            return said
    return json.dumps(answer)

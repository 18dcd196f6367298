"""A server of models that speaks OpenAI's protocol: its address, its key, and one request."""

import re
from collections.abc import Callable, Sequence
from collections.abc import Generator as PythonGenerator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Never

import httpx

from generator.errors import PromptTooLong, ServerAnswerInvalid, ServerRefused, ServerSettingsInvalid
from generator.event_stream import BrokenOff, MalformedEvent, read_pieces, read_words
from generator.models import Message

_CONNECT_SECONDS = 10.0
_LONGEST_ERROR_BYTES = 20_000
_LONGEST_WORDS = 300

_PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

# What servers write about a prompt that is too long, with the tokens that their model holds.
_WINDOW = re.compile(r"(?:context length is|context size \(|must be <=)\s*(\d+)")


class Passing(Exception):
    """A request failed in a way that may pass; `pause` is how long the server asks to wait, in seconds."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class ModelServer:
    """One model of a server. Safe to share between threads.

    Args:
        address: Where ``/chat/completions`` stands; without a path, ``/v1`` is taken.
        model: The model's name there.
        api_key: Sent as a bearer token, if there is one.
        timeout: Seconds without any sign of the server after which a request has failed.

    Raises:
        ServerSettingsInvalid: The address is no address, or the key cannot be sent.
    """

    def __init__(self, *, address: str, model: str, api_key: str | None, timeout: float) -> None:
        url = _read_address(address)
        if not model.strip():
            raise ServerSettingsInvalid("the model's name is empty")
        self.address = str(url)
        self.host = url.netloc.decode()
        self.model = model
        self._timeout = timeout
        self._client = httpx.Client(
            headers=_authorization(api_key),
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            trust_env=not _is_this_machine(url.host),
        )

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def ask(
        self, messages: Sequence[Message], max_new_tokens: int, stop: Callable[[], bool]
    ) -> PythonGenerator[str]:
        """Send a chat once.

        Args:
            messages: The chat.
            max_new_tokens: How much to write at most.
            stop: Asked whenever the server sends something; when it says yes, the text ends there.

        Yields:
            The non-empty pieces of the answer. Closing the iterator ends the request.

        Raises:
            Passing: The server is busy, cannot be reached, or breaks off.
            PromptTooLong: The server says so; the number of tokens is an estimate.
            ServerRefused: It refuses for another reason.
            ServerAnswerInvalid: It does not answer with events of a chat completion.
        """
        body = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_new_tokens,
            "temperature": 0,
            "seed": 0,
            "stream": True,
        }
        try:
            with self._client.stream("POST", f"{self.address}/chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    self._refuse(response, messages, max_new_tokens)
                self._require_events(response)
                for piece in read_pieces(response.iter_bytes()):
                    if stop():
                        return
                    if piece:
                        yield piece
        except httpx.TimeoutException as error:
            raise Passing(f"nothing came for {self._timeout:g} s") from error
        except (httpx.RequestError, BrokenOff) as error:
            raise Passing(self._clean(str(error)) or type(error).__name__) from error
        except MalformedEvent as error:
            reason = self._clean(str(error))
            raise ServerAnswerInvalid(address=self.address, reason=reason) from error

    def look(self) -> int:
        """The status with which the server answers when it is asked for its models.

        Raises:
            Passing: It cannot be reached.
        """
        try:
            return self._client.get(f"{self.address}/models").status_code
        except httpx.RequestError as error:
            raise Passing(self._clean(str(error)) or type(error).__name__) from error

    def _require_events(self, response: httpx.Response) -> None:
        media_type = response.headers.get("content-type", "nothing")
        if not media_type.startswith("text/event-stream"):
            raise ServerAnswerInvalid(
                address=self.address, reason=f"it sends {media_type} instead of text/event-stream"
            )

    def _refuse(self, response: httpx.Response, messages: Sequence[Message], max_new_tokens: int) -> Never:
        """Raise what fits a response that is no answer."""
        status, words = response.status_code, self._read_error(response)
        if status in _PASSING_STATUSES:
            raise Passing(f"status {status}: {words}", _retry_after(response))
        if found := _WINDOW.search(words):
            limit = int(found[1])
            asked = sum(estimate_tokens(message.content) for message in messages) + max_new_tokens
            raise PromptTooLong(tokens=max(asked, limit + 1), limit=limit)
        advice = {
            401: "; give a key that it accepts",
            403: "; give a key that may use this model",
            404: f"; see at {self.address}/models whether it offers {self.model!r}",
        }.get(status, "")
        raise ServerRefused(address=self.address, status=status, reason=(words or "no reason given") + advice)

    def _read_error(self, response: httpx.Response) -> str:
        """The server's words."""
        body = b""
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _LONGEST_ERROR_BYTES:
                break
        return self._clean(read_words(body))

    def _clean(self, words: str) -> str:
        """The beginning of what a server says, without the key, which some repeat when they refuse it."""
        key = self._client.headers.get("authorization", "").removeprefix("Bearer ")
        return (words.replace(key, "(the key)") if key else words)[:_LONGEST_WORDS]


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has for a model whose tokenizer is not here, rather too many.

    Four ASCII letters or spaces count as one token, any other ASCII character as one, and other
    characters as three fifths of a token for each byte. On pieces of English documentation with code,
    that is 1.4 to 1.5 times the count of two tokenizers (median), and too few for 7 to 9 % of the
    pieces: coded data, languages that are rare in a tokenizer.

    Args:
        text: Any text.
    """
    plain = [character for character in text if character.isascii()]
    letters = sum(character.isalpha() or character.isspace() for character in plain)
    other_bytes = len(text.encode(errors="replace")) - len(plain)
    return -(-letters // 4) + len(plain) - letters + -(-other_bytes * 3 // 5)


def _read_address(address: str) -> httpx.URL:
    """A usable address without a slash at the end."""
    if "@" in address:
        raise ServerSettingsInvalid("the address holds a user or a password; give the key on its own")
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL as error:
        raise ServerSettingsInvalid(f"{address!r} is no address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise ServerSettingsInvalid(f"{address!r} is not like http://host:8000/v1")
    return url.copy_with(path=url.path.rstrip("/") or "/v1")


def _authorization(api_key: str | None) -> dict[str, str]:
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ServerSettingsInvalid("the key has characters that no key has; only plain ASCII can be sent")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        number = ip_address(host)
    except ValueError:
        return False
    return number.is_loopback or number.is_unspecified


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait: a number, a date, or 0 where it does not say."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())

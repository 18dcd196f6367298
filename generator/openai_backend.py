"""A generator behind an OpenAI-compatible address, such as vLLM, llama.cpp's server, Ollama or TGI."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as PythonGenerator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager

from generator.errors import ServerUnavailable, Stopped
from generator.model_server import ModelServer, Passing, estimate_tokens
from generator.models import Message

# Seconds of rest before a request is sent again: a person waits for one, nobody for the other.
_PERSON_PAUSES = (0.5, 1.5)
_BACKGROUND_PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
_LONGEST_PAUSE = 60.0

_CONCURRENT_REQUESTS = 4
_POLL_SECONDS = 0.1


class OpenAIGenerator:
    """A model that a server offers at ``/chat/completions``; see `models.Generator`.

    Requests ask for temperature 0 and a fixed seed. Whether equal requests give equal texts is up to
    the server: one that computes many requests at once may round differently each time.

    Proxies of the environment are used, except for addresses of this machine.

    Args:
        address: Where ``/chat/completions`` stands, such as ``http://localhost:8000/v1``; without a
            path, ``/v1`` is taken.
        model: The model's name on that server.
        api_key: Sent as a bearer token; none if the server wants none. It appears in no message.
        timeout: Seconds without any sign of the server after which a request has failed.

    Raises:
        ServerSettingsInvalid: The address is no address, or the key cannot be sent.
    """

    def __init__(
        self, *, address: str, model: str, api_key: str | None = None, timeout: float = 120.0
    ) -> None:
        self._server = ModelServer(address=address, model=model, api_key=api_key, timeout=timeout)
        self._changed = threading.Condition()
        self._people = 0

    def __repr__(self) -> str:
        return f"OpenAIGenerator(address={self._server.address!r}, model={self.name!r})"

    @property
    def name(self) -> str:
        """The model's name on the server."""
        return self._server.model

    @property
    def fingerprint(self) -> str:
        """The model's name and the server's host; a server that swaps the weights is not noticed."""
        return f"openai:{self._server.model}@{self._server.host}"

    def count_tokens(self, text: str) -> int:
        """An estimate, rather too high than too low; see `estimate_tokens`."""
        return estimate_tokens(text)

    def close(self) -> None:
        """Give back the connections."""
        self._server.close()

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> PythonGenerator[str]:
        """Write the next message; see `models.Generator.stream`.

        `should_stop` is asked whenever the server sends something.

        Raises:
            PromptTooLong: The server says so.
            ServerRefused: The key, the model's name or the request is wrong.
            ServerUnavailable: There was no answer, or it broke off.
            ServerAnswerInvalid: It is no OpenAI-compatible server.
        """
        stop = should_stop or _never

        def ask() -> PythonGenerator[str]:
            return self._server.ask(messages, max_new_tokens, stop)

        with self._a_person_waits():
            yield from self._insist(ask, _PERSON_PAUSES, stop)

    def complete(
        self,
        chats: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Write the next message of several chats; see `models.Generator.complete` and `stream`.

        A few requests run at once; none begins while somebody waits in `stream`. After `Stopped`, those
        that run end at the server's next sign.
        """
        ending = threading.Event()
        pool = ThreadPoolExecutor(_CONCURRENT_REQUESTS, thread_name_prefix="completing")
        try:
            futures = [pool.submit(self._complete_one, chat, max_new_tokens, ending.is_set) for chat in chats]
            return _gather(futures, should_stop or _never)
        finally:
            ending.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _complete_one(self, chat: Sequence[Message], max_new_tokens: int, stop: Callable[[], bool]) -> str:
        def ask() -> PythonGenerator[str]:
            """The text in one piece, so that one that breaks off can be asked for again."""
            self._let_people_go_first(stop)
            yield "".join(self._server.ask(chat, max_new_tokens, stop))

        return "".join(self._insist(ask, _BACKGROUND_PAUSES, stop))

    def _insist(
        self, ask: Callable[[], PythonGenerator[str]], pauses: Sequence[float], stop: Callable[[], bool]
    ) -> PythonGenerator[str]:
        """Ask again after each pause, as long as nothing of an answer was given out."""
        attempt, is_given = 0, False
        while not stop():
            attempt += 1
            try:
                with closing(ask()) as pieces:
                    for piece in pieces:
                        is_given = True
                        yield piece
            except Passing as failure:
                rest = max(failure.pause, *pauses[attempt - 1 : attempt], 0.0)
                if is_given or attempt > len(pauses) or rest > _LONGEST_PAUSE:
                    raise ServerUnavailable(
                        address=self._server.address, attempts=attempt, reason=str(failure)
                    ) from failure
                _sleep(rest, stop)
            else:
                return

    @contextmanager
    def _a_person_waits(self) -> Iterator[None]:
        with self._changed:
            self._people += 1
        try:
            yield
        finally:
            with self._changed:
                self._people -= 1
                self._changed.notify_all()

    def _let_people_go_first(self, stop: Callable[[], bool]) -> None:
        with self._changed:
            while self._people and not stop():
                self._changed.wait(_POLL_SECONDS)


def _sleep(seconds: float, stop: Callable[[], bool]) -> None:
    """Rest, or less when told to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, _POLL_SECONDS))


def _gather(futures: Sequence[Future[str]], stop: Callable[[], bool]) -> list[str]:
    """All results in order; the first failure as soon as there is one."""
    waiting = set(futures)
    while waiting:
        if stop():
            raise Stopped
        done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    return [future.result() for future in futures]


def _never() -> bool:
    return False

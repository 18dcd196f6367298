"""What can go wrong in this package; every error says what to do."""

from pathlib import Path


class GeneratorError(Exception):
    """The root of this package's errors."""


class ModelFolderInvalid(GeneratorError):
    """A folder does not hold a model that can be used.

    Attributes:
        folder: The folder.
        reason: What is wrong with it.
    """

    def __init__(self, *, folder: Path, reason: str) -> None:
        super().__init__(f"{folder} holds no usable model: {reason}; convert or download the model again")
        self.folder, self.reason = folder, reason


class PromptTooLong(GeneratorError):
    """A prompt and its answer do not fit into the model's window.

    Attributes:
        tokens: Tokens of the prompt and of the answer that was asked for.
        limit: Tokens that the model can hold.
    """

    def __init__(self, *, tokens: int, limit: int) -> None:
        super().__init__(
            f"prompt and answer need {tokens} tokens, the model holds {limit}; show less evidence"
        )
        self.tokens, self.limit = tokens, limit


class Stopped(GeneratorError):
    """Background work ended before it was done, because it was told to."""

    def __init__(self) -> None:
        super().__init__("the work was told to stop; nothing of it is kept, start it again")


class ServerSettingsInvalid(GeneratorError):
    """An address, a model's name or a key cannot be used to reach a model server.

    Attributes:
        reason: What is wrong, and what is right instead. Never holds the key.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the model server cannot be used: {reason}")
        self.reason = reason


class ServerRefused(GeneratorError):
    """A model server refuses a request, and would refuse it again.

    Attributes:
        address: The server's address.
        status: The HTTP status.
        reason: What is wrong, in the server's words where it has any, and what to do.
    """

    def __init__(self, *, address: str, status: int, reason: str) -> None:
        super().__init__(f"the model server at {address} refuses with status {status}: {reason}")
        self.address, self.status, self.reason = address, status, reason


class ServerUnavailable(GeneratorError):
    """A model server does not answer, or broke off, also when asked again.

    Attributes:
        address: The server's address.
        attempts: How often it was asked.
        reason: What happened the last time.
    """

    def __init__(self, *, address: str, attempts: int, reason: str) -> None:
        super().__init__(
            f"the model server at {address} gave no whole answer (asked {attempts} times): {reason}; "
            "see whether it runs and is not overloaded, then try again"
        )
        self.address, self.attempts, self.reason = address, attempts, reason


class ServerAnswerInvalid(GeneratorError):
    """A model server answers with something else than the protocol's event stream.

    Attributes:
        address: The server's address.
        reason: What it answered.
    """

    def __init__(self, *, address: str, reason: str) -> None:
        super().__init__(
            f"the server at {address} does not answer as an OpenAI-compatible one: {reason}; "
            "see whether the address is right, it usually ends in /v1"
        )
        self.address, self.reason = address, reason

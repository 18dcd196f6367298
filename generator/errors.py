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

"""Why a source, or something of it, could not be read. Every message says what, where and what to do."""


class SourceInvalid(Exception):
    """A source can't be made as it was described."""


class SourceUnavailable(Exception):
    """A source can't be read now: nothing of it is known, so nothing of it is removed.

    Attributes:
        temporary: Whether it may work when tried again in a while.
    """

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class ItemRefused(Exception):
    """One file or page can't be taken in; its document stays as it is."""


class ItemGone(Exception):
    """One file or page is no longer there."""

"""What every kind of source gives: a list of what it holds, and the bytes of one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Check = Callable[[], None]  # raises where the process wants to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file or page of a source.

    Attributes:
        key: Its path or address within the source.
        uri: The address of the document that it becomes.
        etag: Changes whenever its bytes do, where the list tells that; compared, never read.
    """

    key: str
    uri: str
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a source holds.

    Attributes:
        items: In order, each key once.
        unreadable: Beginnings of keys that could not be looked at, with the reason: what is known below
            them is not gone.
    """

    items: tuple[Item, ...]
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the last sync remembered of an item."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The bytes of an item, and what to remember of it.

    Attributes:
        data: All of them.
        name: A name whose ending may tell the type.
        etag: What it was marked with.
        last_modified: When it was last changed, in the source's own words.
    """

    data: bytes
    name: str
    etag: str | None = None
    last_modified: str | None = None


class Reader(Protocol):
    """Reads one source. Methods raise `SourceUnavailable` where it can't be reached."""

    def list_items(self) -> Listing:
        """All that it holds."""
        ...

    def fetch(self, item: Item, known: Known) -> Fetched | None:
        """The bytes of an item, or None where they are those that are known.

        Raises:
            ItemGone: If it is no longer there.
            ItemRefused: If it can't be taken in.
        """
        ...

    def close(self) -> None:
        """Give back what it holds open."""
        ...


def unique(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items, each key once, in order."""
    return tuple({item.key: item for item in items}.values())

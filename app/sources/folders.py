"""A folder of this machine as a source."""

from pathlib import Path

from app.folders import find_files
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Fetched, Item, Known, Listing


class FolderReader:
    """Reads every file at every sync: content decides, not the time of a file.

    Args:
        root: The folder.
        uri_prefix: Begins the address of a document, before its path; the file's own address if None.
        max_bytes: Largest file.
    """

    def __init__(self, root: Path, *, uri_prefix: str | None, max_bytes: int) -> None:
        self._root = root
        self._uri_prefix = uri_prefix
        self._max_bytes = max_bytes

    def list_items(self) -> Listing:
        """Every file below the folder, hidden ones passed over; links are not followed."""
        if not self._root.is_dir():
            raise SourceUnavailable(
                f"{self._root} is not a folder here; check the path, and that its disk is mounted",
                temporary=False,
            )
        items, unreadable = [], {}
        for file in find_files([self._root]):
            if file.problem is not None:
                unreadable["" if file.relative == "." else file.relative] = file.problem
                continue
            if not (self._root / file.relative).exists():
                unreadable[file.relative] = "its name is not UTF-8; rename it"
                continue
            uri = file.path.as_uri() if self._uri_prefix is None else self._uri_prefix + file.relative
            items.append(Item(key=file.relative, uri=uri))
        return Listing(items=tuple(items), unreadable=unreadable)

    def fetch(self, item: Item, known: Known) -> Fetched:
        """The bytes of a file."""
        del known
        path = self._root.resolve() / item.key
        try:
            if path.resolve() != path:
                raise ItemRefused(f"{item.key!r} is a link by now, and links are not followed")
            if path.stat().st_size > self._max_bytes:
                raise ItemRefused(
                    f"{item.key!r} is larger than {self._max_bytes:,} bytes; split it, or raise "
                    "FOOTNOTE_MAX_UPLOAD_BYTES"
                )
            return Fetched(data=path.read_bytes(), name=item.key)
        except FileNotFoundError:
            raise ItemGone(item.key) from None
        except OSError as error:
            raise ItemRefused(
                f"{item.key!r} can't be read: {error.strerror}; check its permissions"
            ) from error

    def close(self) -> None:
        """Nothing is held open."""

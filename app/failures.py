"""Which failures pass by themselves, and how long work waits for that."""

import errno
import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from generator.errors import ServerUnavailable

T = TypeVar("T")

PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0)
"""Three minutes in all: longer than a restart of the database. Then the work has failed."""

_BUSY_FILES = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
_BUSY_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")


def is_temporary(error: BaseException) -> bool:
    """Whether the same work may go well later without anybody changing it.

    Temporary are: a database or network that does not answer, a full disk, and a row that another process
    stored first, which the repeated step then finds. All else is permanent: the same input fails again.
    """
    return any(_is_temporary(one) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return _sqlite_name(error).startswith(_BUSY_SQLITE)
    if isinstance(error, DBAPIError):
        if isinstance(error.orig, sqlite3.Error):
            return isinstance(error, IntegrityError) or _is_temporary(error.orig)
        return error.connection_invalidated or isinstance(
            error, OperationalError | InterfaceError | IntegrityError
        )
    if isinstance(error, PoolTimeout | httpx.TransportError | ServerUnavailable):
        return True
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError) and error.errno in _BUSY_FILES


def name_failure(error: BaseException) -> str:
    """What kind of failure it is, for a log: without its words, which may be those of a document.

    Such as ``ValueError``, ``OSError ENOSPC`` or ``OperationalError SQLITE_FULL``.
    """
    code = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = _sqlite_name(cause)
    elif isinstance(error, DBAPIError):
        code = getattr(cause, "sqlstate", None)
    return " ".join(filter(None, (type(error).__name__, code)))


def _sqlite_name(error: sqlite3.Error) -> str:
    """Such as ``SQLITE_FULL``; empty where SQLite itself gave none."""
    return getattr(error, "sqlite_errorname", "")


def retry_temporary(
    work: Callable[[], T],
    *,
    pause: Callable[[float], object],
    failed: Callable[[Exception, float], object] = lambda _error, _seconds: None,
) -> T:
    """Do work, again after growing pauses while it fails for what is temporary.

    Args:
        work: Safe to repeat.
        pause: Waits for so many seconds; may raise to end it all.
        failed: Told of each failure that is followed by a pause, and how long that is.

    Raises:
        Exception: The last failure, if it is permanent or the pauses are used up.
    """
    for seconds in PAUSES_SECONDS:
        try:
            return work()
        except Exception as error:
            if not is_temporary(error):
                raise
            failed(error, seconds)
        pause(seconds)
    return work()

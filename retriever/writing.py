"""Writing files so that they are whole or not there, and that a full disk is told as one."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""What a full disk, or a full quota, is known by."""

BEING_WRITTEN = ".writing"
"""Ends the name of a folder that is not whole yet; one that a kill left is replaced by the next."""

_NUMPY_WORDS = (" requested and ", "Not enough free space")


@contextmanager
def telling_full_disk(place: Path) -> Iterator[None]:
    """Write something, and tell a full disk by the number of the error, whichever library met it.

    FAISS, safetensors and shutil tell it in words alone, NumPy in words of its own ("8 requested and 0
    written"), and torch as a failure of its own while it handles the disk's.

    Args:
        place: What is written, for the message.

    Raises:
        OSError: With ``ENOSPC`` or ``EDQUOT``, if the disk or the quota is full.
        Exception: Any other failure, as it was.
    """
    try:
        yield
    except Exception as error:
        code = _full_disk_code(error)
        if code is None:
            raise
        raise OSError(
            code, f"the disk is full, and {place} could not be written; free some space and try again"
        ) from error


def _full_disk_code(error: BaseException) -> int | None:
    for one in (error, error.__context__):
        if isinstance(one, OSError) and one.errno in FULL_DISK:
            return one.errno
    words = str(error)
    if isinstance(error, OSError) and error.errno is None and any(one in words for one in _NUMPY_WORDS):
        return errno.ENOSPC
    return next((code for code in FULL_DISK if os.strerror(code) in words), None)


def write_whole(folder: Path, save: Callable[[Path], None]) -> None:
    """Let a folder be made beside its place, and then move it there: it is whole or not there.

    Args:
        folder: Must not exist yet.
        save: Makes the folder that it is given.

    Raises:
        OSError: See `telling_full_disk`.
    """
    beside = folder.with_name(f"{folder.name}{BEING_WRITTEN}")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with telling_full_disk(folder):
            save(beside)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    beside.rename(folder)

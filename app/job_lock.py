"""A home on SQLite belongs to one process that runs jobs; on PostgreSQL any number of processes do."""

import fcntl
from typing import IO

from app.settings import Settings


class EngineElsewhere(Exception):
    """Another process runs the jobs of this home folder."""


def lock_home(settings: Settings) -> IO[str] | None:
    """Take the jobs of a home folder, until the file is closed; None on PostgreSQL, where nobody has to.

    Raises:
        EngineElsewhere: If another process has them.
    """
    if settings.shares_jobs:
        return None
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = (settings.home / "jobs.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise EngineElsewhere(
            f"another process runs the jobs of {settings.home}: a server, or a command that has not ended; "
            "end it first, set FOOTNOTE_HOME to another folder, or set FOOTNOTE_DATABASE_URL to a "
            "PostgreSQL database, where any number of processes may run jobs"
        ) from None
    return lock


def ensure_jobs_are_free(settings: Settings) -> None:
    """Raise EngineElsewhere if another process has the jobs of this home folder to itself."""
    lock = lock_home(settings)
    if lock is not None:
        lock.close()

"""Copies of the database as files: consistent while others write, restored into an empty one only."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import make_url

from app.settings import Settings

DATA = "footnote.db"
JOBS = "jobs.db"
DUMP = "footnote.dump"  # of PostgreSQL, with the jobs


class CopyFailed(Exception):
    """The database could not be copied or restored; the message says why and what to do."""


def database_kind(settings: Settings) -> str:
    """``sqlite`` or ``postgresql``."""
    return make_url(settings.database).get_backend_name()


def copy_databases(settings: Settings, folder: Path) -> list[Path]:
    """Copy the database, jobs first: a job that goes on from the copy repeats a step, and misses none.

    Args:
        settings: Say where the database is.
        folder: An empty folder.

    Returns:
        The files that were written.

    Raises:
        CopyFailed: If there is no database, or ``pg_dump`` can't copy it.
    """
    if database_kind(settings) == "postgresql":
        return [_dump(settings, folder / DUMP)]
    sources = [(settings.jobs_database, folder / JOBS), (settings.database, folder / DATA)]
    return [_copy_sqlite(_sqlite_file(url), target) for url, target in sources]


def is_empty(settings: Settings) -> bool:
    """Whether nothing is in the database yet."""
    if database_kind(settings) == "sqlite":
        return not any(_sqlite_file(url).exists() for url in (settings.database, settings.jobs_database))
    with psycopg.connect(_address(settings)) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'dbos')")
        return row.fetchone() == (0,)


def restore_databases(settings: Settings, folder: Path) -> None:
    """Put a copy in the place of an empty database.

    Args:
        settings: Say where it goes.
        folder: Of the files that `copy_databases` gave.

    Raises:
        CopyFailed: If ``pg_restore`` can't fill it; nothing is changed then.
    """
    if database_kind(settings) == "postgresql":
        with _without_password(settings, folder) as address:
            _run(
                "pg_restore",
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                f"--dbname={address}",
                str(folder / DUMP),
            )
        return
    for url, name in ((settings.jobs_database, JOBS), (settings.database, DATA)):
        shutil.move(folder / name, _sqlite_file(url))


def _sqlite_file(url: str) -> Path:
    return Path(make_url(url).database or "")


def _copy_sqlite(source: Path, target: Path) -> Path:
    """SQLite's online backup: one snapshot, whatever is written meanwhile."""
    if not source.is_file():
        raise CopyFailed(f"there is no database at {source}; check FOOTNOTE_HOME and FOOTNOTE_DATABASE_URL")
    reader = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
    try:
        with closing(reader), closing(sqlite3.connect(target)) as writer:
            reader.backup(writer)
    except sqlite3.Error as error:
        raise CopyFailed(
            f"{source} can't be copied to {target}: {error}; see whether the disk is full"
        ) from error
    return target


def _dump(settings: Settings, target: Path) -> Path:
    with _without_password(settings, target.parent) as address:
        _run(
            "pg_dump",
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={target}",
            f"--dbname={address}",
        )
    return target


def _address(settings: Settings) -> str:
    return make_url(settings.database).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _without_password(settings: Settings, folder: Path) -> Iterator[str]:
    """The database's address for a command, whose arguments anybody on the machine can read."""
    parts = {name: str(part) for name, part in conninfo_to_dict(_address(settings)).items()}
    password = parts.pop("password", "")
    if not password:
        yield make_conninfo(**parts)
        return
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    passfile = folder / ".password"
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:*:{escaped}\n")
    try:
        yield make_conninfo(**parts, passfile=os.fspath(passfile))
    finally:
        passfile.unlink()


def _run(command: str, *arguments: str) -> None:
    program = shutil.which(command)
    if program is None:
        raise CopyFailed(f"{command} is not installed; install the client programs of PostgreSQL")
    done = subprocess.run(  # noqa: S603 - fixed arguments
        [program, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CopyFailed(f"{command} failed, and nothing was changed: {done.stderr.strip()}")

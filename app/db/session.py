"""Opening the database: engine, sessions, and migrations under a lock."""

import fcntl
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg.errors
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

MIGRATIONS = Path(__file__).resolve().parents[2] / "alembic"
MIGRATION_LOCK = 7_031_996  # any fixed number: the key of PostgreSQL's advisory lock
BUSY_TIMEOUT_MILLISECONDS = 30_000
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What a database raises that does not answer now, whatever it was asked."""


def open_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL, with SQLite set up for readers beside one writer.

    Its errors tell no parameters: these may be the text of documents, and a job's error is shown.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        address = parsed.set(drivername="postgresql+psycopg")
        return create_engine(address, pool_pre_ping=True, hide_parameters=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediately)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guesses
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediately(connection: Connection) -> None:
    """A transaction that may write takes its lock at once: upgrading a read lock can fail on SQLite."""
    read_only = connection.get_execution_options().get("footnote_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def is_disk_full(error: Exception) -> bool:
    """Whether the database could not write because its disk is full."""
    cause = getattr(error, "orig", None)
    return (
        isinstance(cause, psycopg.errors.DiskFull)
        or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    )


class Database:
    """A migrated database: `reading` never waits for a writer on SQLite, `writing` commits at its end.

    Args:
        engine: Of `open_engine`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        reader = engine.execution_options(footnote_read_only=True)
        self._writing = sessionmaker(engine, expire_on_commit=False)
        self._reading = sessionmaker(reader, expire_on_commit=False)

    def reading(self) -> Session:
        """A session that only reads; use it in a ``with`` block."""
        return self._reading()

    def reading_one_moment(self) -> Session:
        """As `reading`, where all statements see the database of one moment, also on PostgreSQL."""
        session = self.reading()
        if self.engine.dialect.name == "postgresql":  # SQLite's transactions see one moment anyway
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return session

    def writing(self) -> AbstractContextManager[Session]:
        """A session in one transaction, committed at the end of the ``with`` block or rolled back."""
        return self._writing.begin()

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()


def compact(url: str) -> int:
    """Write an SQLite file anew, without the pages whose rows were deleted: they still hold the old bytes.

    Writers wait meanwhile. Other databases do this for themselves.

    Returns:
        How many freed pages there were.

    Raises:
        sqlite3.OperationalError: If readers or writers would not let it, or the disk is full.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or not Path(parsed.database).is_file():
        return 0
    seconds = BUSY_TIMEOUT_MILLISECONDS / 1000
    with closing(sqlite3.connect(parsed.database, timeout=seconds, isolation_level=None)) as connection:
        (freed,) = connection.execute("PRAGMA freelist_count").fetchone()
        connection.execute("VACUUM")
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError(f"{parsed.database} is being read; its old pages stay a while")
    return int(freed)


def alembic_config(connection: Connection | None = None, url: str | None = None) -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["url"] = url
    return config


def migrate(engine: Engine, lock_folder: Path) -> None:
    """Bring the schema up to date; safe when several processes start at once."""
    with migration_lock(engine, lock_folder), engine.connect() as connection:
        command.upgrade(alembic_config(connection), "head")
        connection.commit()


@contextmanager
def migration_lock(engine: Engine, lock_folder: Path) -> Iterator[None]:
    """Holds back every other process that would change a schema of this database."""
    if engine.dialect.name == "postgresql":
        # Outside of a transaction: an index built concurrently waits for every open one.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        return
    lock_folder.mkdir(parents=True, exist_ok=True)
    with (lock_folder / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def claims(engine: Engine) -> Iterator[Callable[[str], bool]]:
    """Names that this block takes for itself among all processes of a database, until it ends.

    They are those of a connection of its own, so that they are free again when the process dies. Behind a
    pooler of connections that exchanges them between transactions, names may be given out twice or late.

    Yields:
        What takes a name: False if another block has it, here or elsewhere. Nothing waits. On SQLite, where
        one process at a time runs jobs, every name is free.
    """
    if engine.dialect.name != "postgresql":
        yield lambda _name: True
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def take(name: str) -> bool:
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
            return bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}))

        try:
            yield take
        finally:
            connection.invalidate()  # its end gives the names back, also where it has died meanwhile

"""Which failures pass by themselves: errors of real databases, and a table of others."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from app.failures import is_temporary, name_failure, retry_temporary
from generator.errors import ServerUnavailable


def sqlite_error(file: Path, statement: str) -> DBAPIError:
    """What SQLAlchemy raises from a real database that another connection is writing to."""
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 0})
    with closing(sqlite3.connect(file)) as holder:
        holder.execute("BEGIN EXCLUSIVE" if "numbers" in statement else "BEGIN")
        with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()
    return caught.value


def test_a_locked_database_is_temporary_and_a_missing_table_is_not(tmp_path: Path) -> None:
    assert is_temporary(sqlite_error(tmp_path / "one.db", "CREATE TABLE numbers (number INTEGER)"))
    assert not is_temporary(sqlite_error(tmp_path / "one.db", "SELECT * FROM names"))


def test_sqlite_without_sqlalchemy_counts_as_well(tmp_path: Path) -> None:
    file = tmp_path / "one.db"
    with closing(sqlite3.connect(file)) as holder, closing(sqlite3.connect(file, timeout=0)) as other:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            other.execute("CREATE TABLE numbers (number INTEGER)")
    with closing(sqlite3.connect(file)) as reader, pytest.raises(sqlite3.OperationalError) as missing:
        reader.execute("SELECT * FROM names")
    assert is_temporary(locked.value)
    assert not is_temporary(missing.value)
    assert name_failure(locked.value) == "OperationalError SQLITE_BUSY"


def test_a_database_that_is_not_there_is_temporary(postgres_server: str) -> None:
    address = postgres_server.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(address)
    with pytest.raises(DBAPIError) as wrong, engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")
    engine.dispose()
    gone = create_engine("postgresql+psycopg://nobody@/none?host=/no/such/folder")
    with pytest.raises(OperationalError) as unreachable:
        gone.connect()
    assert not is_temporary(wrong.value)
    assert is_temporary(unreachable.value)


TEMPORARY = (
    httpx.ConnectError("refused"),
    ServerUnavailable(address="http://model", attempts=3, reason="refused"),
    OSError(errno.ENOSPC, "No space left on device"),
)
PERMANENT = (FileNotFoundError(errno.ENOENT, "No such file"), ValueError("a number was expected"))


@pytest.mark.parametrize("error", [*TEMPORARY, *PERMANENT], ids=repr)
def test_the_network_and_a_full_disk_are_temporary(error: Exception) -> None:
    outer = RuntimeError("something failed")
    outer.__cause__ = error
    assert is_temporary(error) is (error in TEMPORARY)
    assert is_temporary(outer) is (error in TEMPORARY), "what it was raised from counts too"


def test_a_failure_is_named_without_its_words(tmp_path: Path, postgres_server: str) -> None:
    assert name_failure(ValueError("the salary of Ann")) == "ValueError"
    assert name_failure(OSError("the salary of Ann")) == "OSError"
    assert name_failure(OSError(errno.ENOSPC, "No space left on device")) == "OSError ENOSPC"
    locked = sqlite_error(tmp_path / "one.db", "CREATE TABLE numbers (number INTEGER)")
    assert name_failure(locked) == "OperationalError SQLITE_BUSY"
    engine = create_engine(postgres_server.replace("postgresql://", "postgresql+psycopg://"))
    with pytest.raises(DBAPIError) as missing, engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")
    engine.dispose()
    assert name_failure(missing.value) == "ProgrammingError 42P01"


def test_pauses_grow_and_the_last_failure_is_told() -> None:
    pauses: list[float] = []

    def fail() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        retry_temporary(fail, pause=pauses.append)
    assert pauses == sorted(pauses)
    assert 30 < sum(pauses) < 600, "longer than a restart of the database, and not for ever"

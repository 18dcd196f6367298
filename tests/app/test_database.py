"""The schema on both databases: migrations forwards, backwards and against the tables."""

import threading

from alembic import command
from sqlalchemy import inspect

from app.db.session import alembic_config, migrate, open_engine
from app.db.tables import Base
from app.settings import Settings


def test_migrations_make_the_tables_and_take_them_back(settings: Settings) -> None:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        command.check(alembic_config(connection))
        command.downgrade(alembic_config(connection), "base")
        connection.commit()
    assert not set(Base.metadata.tables) & set(inspect(engine).get_table_names())
    migrate(engine, settings.home)
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_processes_that_start_together_migrate_once(settings: Settings) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        engine = open_engine(settings.database)
        try:
            migrate(engine, settings.home)
        except BaseException as error:  # collected for the assertion
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []

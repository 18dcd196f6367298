"""``alembic check``: the migrations make exactly the tables that ``app/db/tables.py`` describes."""

import tempfile
from pathlib import Path

from alembic import command

from app.db.session import alembic_config, migrate, open_engine


def main() -> None:
    """Migrate a new database and compare; ends with an error that lists the differences."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/check.db")
        migrate(engine, Path(folder))
        with engine.connect() as connection:
            command.check(alembic_config(connection))
        engine.dispose()


if __name__ == "__main__":
    main()

"""How Alembic reaches the database: by the connection or the address that the caller hands over."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from app.db.session import open_engine
from app.db.tables import Base, Moment

config = context.config


def render_item(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Migrations spell plain SQLAlchemy types, so that they stay true when ours change."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Moment) else False


def run(connection: Connection) -> None:
    """Migrate on this connection."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()


if config.attributes.get("connection") is not None:
    run(config.attributes["connection"])
else:
    engine = open_engine(config.attributes.get("url") or config.get_main_option("sqlalchemy.url"))
    with engine.connect() as connection:
        run(connection)
        connection.commit()
    engine.dispose()

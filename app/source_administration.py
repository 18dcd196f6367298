"""Adding, changing and removing sources, as the API and the command line do it."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.db.session import Database
from app.db.source_items import remove_documents
from app.db.sources import (
    NewSource,
    SourceView,
    add_source,
    change_source,
    get_source,
    remove_source,
)
from app.settings import Settings
from app.sources.errors import SourceInvalid
from app.sources.kinds import check_source, listing_path
from app.sources.schedules import check_schedule

LONGEST_NAME = 200


def add(database: Database, new: NewSource, *, now: datetime) -> SourceView:
    """Add a source that was looked at; nothing is fetched yet.

    Raises:
        SourceInvalid: If it can't be one, with what is wrong.
        SourceNameTaken: If another one has its name.
    """
    options = check_source(new.kind, new.location, new.options, uri_prefix=new.uri_prefix)
    check_schedule(new.schedule or "0 0 * * *", new.zone)
    with database.writing() as session:
        source_id = add_source(session, replace(new, options=options), now=now)
        return get_source(session, source_id)


def change(database: Database, source_id: str, changes: Mapping[str, Any], *, now: datetime) -> SourceView:
    """Change the name, schedule, zone, removal share, location or options of a source.

    Raises:
        SourceNotFound, SourceInvalid, SourceNameTaken: As the names say; nothing is changed.
    """
    with database.writing() as session:
        source = replace(get_source(session, source_id), **changes)
        if not 0 < len(source.name.strip()) <= len(source.name) <= LONGEST_NAME:
            raise SourceInvalid(f"a name has 1 to {LONGEST_NAME} characters, and not only blanks")
        options = check_source(source.kind, source.location, source.options, uri_prefix=source.uri_prefix)
        check_schedule(source.schedule or "0 0 * * *", source.zone)
        if "options" in changes:
            changes = {**changes, "options": options}
        change_source(session, source.id, changes, now=now)
        return get_source(session, source.id)


def remove(
    database: Database, settings: Settings, source_id: str, *, with_documents: bool, now: datetime
) -> int:
    """Forget a source and what was cloned for it; how many documents went with it.

    Args:
        database: The database.
        settings: Where clones are.
        source_id: The source.
        with_documents: Whether its documents are removed; else they stay, as if they had been uploaded.
        now: The present.

    Raises:
        SourceNotFound: If there is none of this id.
    """
    with database.writing() as session:
        removed = remove_documents(session, source_id, now=now) if with_documents else 0
        remove_source(session, source_id)
    shutil.rmtree(settings.sources_folder / source_id, ignore_errors=True)
    listing_path(settings, source_id).unlink(missing_ok=True)
    return removed

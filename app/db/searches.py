"""The record of searches: what a later click is judged against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from app.db.tables import Interaction, Search

REMOVED_AT_ONCE = 5_000  # rows of one transaction: writers of other things wait for milliseconds only


class SearchNotFound(Exception):
    """No search of this id is on record."""

    def __init__(self, search_id: str) -> None:
        super().__init__(
            f"no search {search_id!r} is on record; POST /v1/search returns the ids of searches, and "
            "old ones that nobody interacted with are removed"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """A search as it was answered.

    Attributes:
        id: Its id.
        created_at: When.
        question: As it was asked.
        index_version: The index that was searched.
        shown: Ids of the passages, best first.
    """

    id: str
    created_at: datetime
    question: str
    index_version: str
    shown: tuple[str, ...]


def add_searches(session: Session, records: Iterable[SearchRecord]) -> None:
    """Put searches on record."""
    session.add_all(
        Search(
            id=record.id,
            created_at=record.created_at,
            question=record.question,
            index_version=record.index_version,
            shown=list(record.shown),
        )
        for record in records
    )


def shown_passages(session: Session, search_id: str) -> Sequence[str]:
    """Ids of the passages that a search showed, best first; the search is locked until the transaction ends.

    Raises:
        SearchNotFound: If there is none of this id.
    """
    row = session.get(Search, search_id, with_for_update=True)
    if row is None:
        raise SearchNotFound(search_id)
    return row.shown


def remove_searches(session: Session, *, before: datetime) -> int:
    """Remove some searches from before a moment that nobody interacted with; how many, 0 if none is left."""
    old = session.scalars(
        select(Search.id)
        .where(Search.created_at < before, ~exists().where(Interaction.search_id == Search.id))
        .limit(REMOVED_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    session.execute(delete(Search).where(Search.id.in_(old)))
    return len(old)

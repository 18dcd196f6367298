"""The receipt of a deletion as people and programs read it."""

from dataclasses import asdict
from typing import Any

from app.db.deletions import DeletionView

BEYOND_REACH = (
    "backups, exports and replicas made before: they hold the document until you remove them",
    "freed pages and the write-ahead log of a PostgreSQL server, and freed blocks of the disk",
    "weights of models that learnt from the document: learnt_by names the training runs",
)
"""What no purge can take back."""


def as_receipt(deletion: DeletionView) -> dict[str, Any]:
    """Every place with what was there (a count, never text) and when it went."""
    return {
        "id": deletion.id,
        "document_id": deletion.document_id,
        "state": "open" if deletion.completed_at is None else "complete",
        "requested_at": deletion.requested_at,
        "completed_at": deletion.completed_at,
        "places": [{"place": place.value, **asdict(record)} for place, record in deletion.places.items()],
        "learnt_by": list(deletion.learnt_by),
        "beyond_reach": list(BEYOND_REACH),
    }

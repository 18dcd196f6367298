"""Running syncs in tests: the real workflow on a real database, its steps one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.db.sources import NewSource
from app.db.tables import Document, DocumentVersion
from app.job_records import EndedJobs
from app.source_administration import add
from app.sync_workflow import sync_source
from app.wiring import Services
from app.workflows import Run


def run_of(services: Services, job_id: str = "job_test") -> Run:
    """A run whose steps are not recorded."""

    def step(_name: str, work: Callable[[], Any]) -> Any:
        return work()

    jobs = EndedJobs(services)
    return Run(services=services, job_id=job_id, step=step, is_stopping=lambda: False, jobs=jobs)


@dataclass(frozen=True, slots=True)
class Synced:
    """A source under test."""

    services: Services
    id: str

    def sync(self) -> dict[str, Any]:
        """One sync, with short pauses."""
        return sync_source(run_of(self.services), self.id, pauses_seconds=(0.1, 0.1))

    def counts(self) -> dict[str, int]:
        """One sync: what it counted, without what is zero."""
        result = self.sync()
        names = ("added", "updated", "unchanged", "skipped", "removed", "held")
        counts = {name: result[name] for name in names} | {"failed": len(result["failed"])}
        return {name: count for name, count in counts.items() if count}


def add_source(services: Services, kind: str, location: str, **more: Any) -> Synced:
    """A source of this home."""
    new = NewSource(
        kind=kind, name=more.pop("name", location)[:200], location=location, **{"options": {}, **more}
    )
    return Synced(services, add(services.database, new, now=datetime.now(UTC)).id)


def texts(services: Services) -> dict[str, str]:
    """Address and text of every live document."""
    with services.database.reading() as session:
        rows = session.execute(
            select(Document.uri, DocumentVersion.text)
            .join(DocumentVersion, DocumentVersion.document_id == Document.id)
            .where(Document.deleted_at.is_(None), DocumentVersion.version == Document.current_version)
        )
        return {row.uri: row.text.strip() for row in rows}


def write(folder: Path, **files: str) -> None:
    """Write files; ``__`` in a name is a slash, and each ends in ``.md``."""
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

"""A home in one file, and back: what can't be made again, with a checksum of every part.

An archive is a tar file of the database's copy, the stored bytes and the models that were tuned here, and
at its end ``manifest.json``. Indexes are not in it, as the database says all that is in them, nor copies of
repositories, as the next sync fetches them.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import delete

from app.database_copies import copy_databases, database_kind, is_empty, restore_databases
from app.db.session import Database, alembic_config, open_engine
from app.db.tables import IndexVersion
from app.model_folders import MANIFEST as MODEL_MANIFEST
from app.model_folders import TUNED, file_sha256
from app.settings import Settings
from retriever.writing import BEING_WRITTEN

MANIFEST = "manifest.json"
FORMAT = 1
DATABASE_FOLDER = "database"
BLOBS_FOLDER = "blobs"
TUNED_FOLDER = f"models/{TUNED}"


class BackupDamaged(Exception):
    """An archive is not what was written, or not one of ours."""

    def __init__(self, archive: Path, reason: str) -> None:
        super().__init__(f"{archive} can't be restored, and nothing was written: {reason}")


class NotEmpty(Exception):
    """There is something already where a backup should go."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; nothing was changed. Name a new file, an empty home or an empty database")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """An archive: when and by which version it was made, from what database, and what is in it."""

    made_at: str
    version: str
    database: str
    files: int
    bytes: int


def write_backup(settings: Settings, archive: Path) -> BackupSummary:
    """Write a backup, while servers and workers run. The file has its name only once it is whole.

    Raises:
        NotEmpty: If there is such a file already.
        CopyFailed: If the database can't be copied.
    """
    if archive.exists():
        raise NotEmpty(f"{archive} exists already")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup-") as name:
        folder = Path(name)
        (folder / DATABASE_FOLDER).mkdir()
        databases = copy_databases(settings, folder / DATABASE_FOLDER)
        whole, checksums, size = folder / "whole.tar", dict[str, str](), 0
        whole.touch(mode=0o600)  # as the files that it copies: nobody else may read them there
        with tarfile.open(whole, "w") as tar:
            for path, inside in _contents(settings, databases):  # after the database, which names them
                try:
                    checksum, length = file_sha256(path), path.stat().st_size
                    tar.add(path, inside, recursive=False)
                except FileNotFoundError:
                    continue  # deleted since
                checksums[inside] = checksum
                size += length
            manifest = _manifest(settings, checksums, size)
            written = json.dumps(manifest, indent=1).encode()
            entry = tarfile.TarInfo(MANIFEST)
            entry.size = len(written)
            tar.addfile(entry, io.BytesIO(written))
        _verify(settings, whole)
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        whole.rename(archive)
    return _summary(manifest)


def restore_backup(settings: Settings, archive: Path) -> BackupSummary:
    """Put a backup into an empty home and an empty database; an index has to be built then.

    Raises:
        NotEmpty: If the home or the database holds something.
        BackupDamaged: If the archive is not whole, or of another kind of database or a newer program.
        CopyFailed: If the database can't be filled.
    """
    tuned, blobs = settings.models_folder / TUNED, settings.blobs_folder
    for place in (blobs, tuned, settings.indexes_folder, settings.sources_folder):
        if place.exists():
            raise NotEmpty(f"{place} exists already")
    if not is_empty(settings):
        raise NotEmpty("the database holds something already")
    manifest = _verify(settings, archive)
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.home, prefix=".restoring-") as name:
        folder = Path(name)
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        restore_databases(settings, folder / DATABASE_FOLDER)  # first: it may be refused
        for source, target in ((folder / BLOBS_FOLDER, blobs), (folder / TUNED_FOLDER, tuned)):
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(source, target)
    with closing(Database(open_engine(settings.database))) as database, database.writing() as session:
        session.execute(delete(IndexVersion))  # their directories are not in a backup
    return _summary(manifest)


def _contents(settings: Settings, databases: list[Path]) -> Iterator[tuple[Path, str]]:
    """Every file of a backup, with its place in the archive."""
    for path in databases:
        yield path, f"{DATABASE_FOLDER}/{path.name}"
    for path in _files(settings.blobs_folder):
        if not path.name.startswith("."):  # being written
            yield path, f"{BLOBS_FOLDER}/{path.relative_to(settings.blobs_folder)}"
    tuned = settings.models_folder / TUNED
    for manifest in sorted(tuned.glob(f"*/{MODEL_MANIFEST}")):
        if manifest.parent.suffix == BEING_WRITTEN:
            continue
        for path in _files(manifest.parent):
            yield path, f"{TUNED_FOLDER}/{path.relative_to(tuned)}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _manifest(settings: Settings, checksums: dict[str, str], size: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version("footnote"),
        "schema": ScriptDirectory.from_config(alembic_config()).get_current_head(),
        "database": database_kind(settings),
        "bytes": size,
        "files": checksums,
    }


def _summary(manifest: dict[str, Any]) -> BackupSummary:
    return BackupSummary(
        made_at=manifest["made_at"],
        version=manifest["version"],
        database=manifest["database"],
        files=len(manifest["files"]),
        bytes=manifest["bytes"],
    )


def _verify(settings: Settings, archive: Path) -> dict[str, Any]:
    """The manifest of an archive that is whole, of this kind of database, and not of a newer program."""
    try:
        manifest, found = _read(archive)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BackupDamaged(archive, f"it is no whole tar file ({error}); use another copy") from error
    if manifest is None or manifest.get("format") != FORMAT:
        raise BackupDamaged(archive, f"it has no {MANIFEST} of this format at its end; use another copy")
    for inside, checksum in manifest["files"].items():
        if found.pop(inside, None) != checksum:
            raise BackupDamaged(archive, f"{inside} is missing or has another checksum; use another copy")
    if found:
        raise BackupDamaged(archive, f"{min(found)} is not in its {MANIFEST}; use another copy")
    if manifest["database"] != database_kind(settings):
        kind = manifest["database"]
        raise BackupDamaged(archive, f"it is of {kind}; set FOOTNOTE_DATABASE_URL to a database of that kind")
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if manifest["schema"] not in known:
        reason = f"a newer program wrote it; install Footnote {manifest['version']}"
        raise BackupDamaged(archive, reason)
    return manifest


def _read(archive: Path) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The manifest, and the checksums that the files have."""
    manifest, found = None, {}
    with tarfile.open(archive, "r:") as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.isfile() else None
            if not isinstance(file, tarfile.ExFileObject):
                raise BackupDamaged(archive, f"{entry.name} is no file; use another copy")
            if entry.name == MANIFEST:
                manifest = json.load(file)
            else:
                found[entry.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return manifest, found

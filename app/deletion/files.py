"""Files of the home folder that hold something of deleted documents: counted and removed."""

import fcntl
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.db.deletions import DeletionView, Place
from app.db.indexes import forget_index
from app.db.remains import Found, Sought, bytes_in_use, owners
from app.db.session import Database
from app.evaluations.drafts import FILE as DRAFTS
from app.evaluations.drafts import DraftStore, DraftsUnusable
from app.learning.retrieval import LOCK, TRAINING_INDEX
from app.settings import Settings
from app.uploads import blob_path
from retriever.index import read_names

UNFINISHED_SECONDS = 3600.0  # an upload writes its bytes in seconds: what is older was left by a kill


def count_files(
    database: Database, settings: Settings, sought: Sought, deletions: Iterable[DeletionView]
) -> Found:
    """How many files or folders of each place hold something of the documents."""
    named = [deletion for folder in _index_folders(settings) for deletion in set(_named(folder, sought))]
    return {
        Place.BYTES: owners(_bytes(database, settings, sought), sought.bytes),
        Place.INDEXES: Counter(named),
        Place.TRAINING: _count_training(settings, sought, deletions),
        Place.DRAFTS: _count_drafts(settings, deletions),
    }


def remove_bytes(database: Database, settings: Settings, sought: Sought) -> None:
    """Remove the stored bytes that no other document has, and those that killed uploads left.

    An upload of the same bytes may come in between: they are taken aside first, and put back if it did.
    """
    for sha256 in _bytes(database, settings, sought):
        path = blob_path(settings.blobs_folder, sha256)
        aside = path.with_name(f".{sha256}.purged")
        with suppress(FileNotFoundError):
            path.rename(aside)
    for aside in settings.blobs_folder.glob("*/.*.purged"):
        sha256 = aside.name.removeprefix(".").removesuffix(".purged")
        with database.reading() as session:
            in_use = bytes_in_use(session, [sha256])
        if in_use:
            aside.rename(blob_path(settings.blobs_folder, sha256))
        else:
            aside.unlink(missing_ok=True)
    for left in settings.blobs_folder.glob("*/.*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > UNFINISHED_SECONDS:
                left.unlink()


def _bytes(database: Database, settings: Settings, sought: Sought) -> list[str]:
    with database.reading() as session:
        in_use = bytes_in_use(session, list(sought.bytes))
    stored = (one for one in sought.bytes if one not in in_use)
    return [
        one
        for one in stored
        if blob_path(settings.blobs_folder, one).exists()
        or blob_path(settings.blobs_folder, one).with_name(f".{one}.purged").exists()
    ]


def remove_indexes(database: Database, settings: Settings, sought: Sought) -> None:
    """Remove index versions that hold one of the documents, but for the live one.

    Call it while no index is built. A release whose index goes gets another one when it is rolled back to.
    """
    for folder in _index_folders(settings):
        if not _named(folder, sought):
            continue
        with database.writing() as session:
            is_live = not forget_index(session, folder.name)
        if not is_live:
            shutil.rmtree(folder, ignore_errors=True)


def _index_folders(settings: Settings) -> list[Path]:
    """Of index versions, and of what killed builds left."""
    return sorted(path for path in settings.indexes_folder.glob("*") if path.is_dir())


def _named(folder: Path, sought: Sought) -> list[str]:
    names = read_names(folder)
    return [*owners(names, sought.documents).elements(), *owners(names, sought.pairs).elements()]


def remove_training(settings: Settings, sought: Sought, deletions: Iterable[DeletionView]) -> None:
    """Remove the work folders of tuning that is not under way; what is under way keeps its own."""
    for folder in [*_work_folders(settings, deletions), *_training_indexes(settings, sought)]:
        with suppress(FileNotFoundError, BlockingIOError), (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _count_training(settings: Settings, sought: Sought, deletions: Iterable[DeletionView]) -> Counter[str]:
    listed = list(deletions)
    found = Counter(
        {one.id: sum(1 for _ in _work_folders(settings, [one])) for one in listed},
    )
    for folder in _training_indexes(settings, sought):
        found.update(set(_inside(folder, sought)))
    return found


def _work_folders(settings: Settings, deletions: Iterable[DeletionView]) -> Iterator[Path]:
    runs = {run_id for deletion in deletions for run_id in deletion.learnt_by}
    for run_id in sorted(runs):
        folder = settings.home / "training" / run_id
        if folder.is_dir():
            yield folder


def _training_indexes(settings: Settings, sought: Sought) -> list[Path]:
    return [one for one in settings.home.glob(f"{TRAINING_INDEX}*") if _inside(one, sought)]


def _inside(folder: Path, sought: Sought) -> list[str]:
    """The deletions that an index for learning names, whole or half written."""
    return [one for path in (*folder.glob("*"), *folder.glob(".*")) for one in _named(path, sought)]


def remove_drafts(settings: Settings) -> None:
    """Remove all drafts: what they were written from is known by a checksum only."""
    if not (settings.home / "evaluations" / DRAFTS).exists():
        return
    with closing(_open_drafts(settings)) as drafts:
        drafts.forget()


def _count_drafts(settings: Settings, deletions: Iterable[DeletionView]) -> Counter[str]:
    """Drafts from before each deletion; a file that can't be read may hold one."""
    if not (settings.home / "evaluations" / DRAFTS).exists():
        return Counter()
    try:
        with closing(_open_drafts(settings)) as drafts:
            return Counter({one.id: drafts.count_before(one.requested_at) for one in deletions})
    except DraftsUnusable:
        return Counter(one.id for one in deletions)


def _open_drafts(settings: Settings) -> DraftStore:
    return DraftStore(settings.home / "evaluations", lambda: datetime.now(UTC))

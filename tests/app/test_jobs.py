"""Jobs are durable: a process that is killed in the middle loses nothing and does nothing twice."""

import errno
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text

from app import snapshots
from app.cli.documents import ingest_files, wait_for
from app.db.document_views import get_outcomes
from app.db.documents import State, pending_versions
from app.db.indexes import corpus_sha256
from app.db.passages import add_embeddings, count_missing_embeddings
from app.db.session import claims
from app.db.tables import Document, DocumentVersion, IndexVersion, Passage
from app.embedding import embed_missing
from app.ingesting import parse_version
from app.job_engine import JobEngine
from app.job_lock import EngineElsewhere
from app.job_views import JobNotFound
from app.jobs import JobQueue
from app.models import Models
from app.qa.questions import embed_questions
from app.settings import Settings
from app.uploads import accept_upload
from app.wiring import Services, build_services
from tests.app.processes import run_former_worker, start_command, wait_until, worker

DOCUMENTS = 80
DEADLINE_SECONDS = 120


@pytest.fixture
def services(settings: Settings, models: Models) -> Iterator[Services]:
    services = build_services(settings, models)
    yield services
    services.close()


@contextmanager
def engine(services: Services) -> Iterator[JobQueue]:
    running = JobEngine(services)
    running.start()
    queue = JobQueue(services)
    yield queue
    queue.close()
    running.stop()


def no_progress(_what: str, _done: int, _total: int) -> None:
    pass


def write_documents(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        text = f"# Device {number}\n\nDevice {number} weighs {number * 3 + 1} grams and is painted green.\n"
        (folder / f"device-{number}.md").write_text(text)


def count_parsed(services: Services) -> int:
    with services.database.reading() as session:
        query = select(func.count()).select_from(DocumentVersion).where(DocumentVersion.state == "ready")
        return session.scalar(query) or 0


def kill_in_the_middle(services: Services, folder: Path) -> int:
    """Start an ingest as a process, kill it once some documents are parsed; how many were."""
    process = start_command(services.settings, folder.parent, "ingest", str(folder), "--json")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while count_parsed(services) == 0:
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    return count_parsed(services)


def check_whole(services: Services) -> None:
    """Every document is there once, and the live index has it."""
    with services.database.reading() as session:
        assert pending_versions(session) == []
        for table in (Document, DocumentVersion, Passage):
            assert session.scalar(select(func.count()).select_from(table)) == DOCUMENTS
        live = session.scalars(select(IndexVersion).where(IndexVersion.live)).one()
    assert (live.passages, live.documents) == (DOCUMENTS, DOCUMENTS)
    assert "22 grams" in services.search("How much does device 7 weigh?", k=1).hits[0].text


def test_a_disk_that_fails_for_a_moment_fails_no_document(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, settings = services.database, services.settings
    stored = accept_upload(
        database,
        settings,
        data=b"# Device\n\nIt weighs 7 grams.\n",
        name="a.md",
        uri="test:a",
        title=None,
        product=None,
        now=datetime.now(UTC),
    )

    def parse_again() -> State:
        return parse_version(
            database,
            settings,
            services.encoder,
            stored.document_id,
            stored.version,
            now=lambda: datetime.now(UTC),
        )

    def fail(_path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", fail)
        with pytest.raises(OSError, match="Input/output error"):
            parse_again()
    with database.reading() as session:
        assert pending_versions(session) == [(stored.document_id, stored.version)]
    assert parse_again() is State.READY
    (blob,) = (one for one in settings.blobs_folder.rglob("*") if one.is_file())
    blob.unlink()
    assert parse_again() is State.FAILED
    with database.reading() as session:
        (outcome,) = get_outcomes(session, [(stored.document_id, stored.version)])
    assert "'a.md': its stored bytes can't be read (No such file or directory)" in (outcome.error or "")


def store_devices(services: Services, count: int) -> list[str]:
    """Documents of one passage each, which no vector is of yet; their ids."""
    ids = []
    for number in range(count):
        text = f"# Device {number}\n\nDevice {number} weighs {number} grams.\n".encode()
        stored = accept_upload(
            services.database,
            services.settings,
            data=text,
            name="a.md",
            uri=f"test:{number}",
            title=None,
            product=None,
            now=datetime.now(UTC),
        )
        parse_version(
            services.database,
            services.settings,
            services.encoder,
            stored.document_id,
            stored.version,
            now=lambda: datetime.now(UTC),
        )
        ids.append(stored.document_id)
    return ids


def test_a_job_embeds_its_own_documents_and_leaves_those_of_others(services: Services) -> None:
    database, encoder = services.database, services.encoder
    ids = store_devices(services, 2)
    assert embed_missing(database, encoder, report=lambda *_counts: None, documents=ids[:1]) == 1
    with database.reading() as session:
        assert count_missing_embeddings(session, encoder.fingerprint) == {ids[1]: 1}
    assert embed_missing(database, encoder, report=lambda *_counts: None) == 1


POSTGRESQL = pytest.mark.parametrize(
    "settings", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


class Embedding:
    """What `embed_missing` tells and gives, in a thread of its own."""

    def __init__(self, services: Services, pool: ThreadPoolExecutor) -> None:
        self.told: list[tuple[int, int]] = []
        self.ended = pool.submit(
            embed_missing,
            services.database,
            services.encoder,
            report=lambda *counts: self.told.append(counts),
        )


@POSTGRESQL
def test_what_another_worker_embeds_is_left_to_it_and_waited_for(services: Services) -> None:
    database, encoder = services.database, services.encoder
    ids = store_devices(services, 3)
    with ThreadPoolExecutor(1) as pool, claims(database.engine) as other:  # as another process
        assert other(f"embed/{encoder.fingerprint}/{ids[0]}")
        embedding = Embedding(services, pool)
        wait_until(lambda: (2, 3) in embedding.told)  # its two, and not that of the other
        with database.reading() as session:
            assert set(count_missing_embeddings(session, encoder.fingerprint)) == {ids[0]}
        assert not embedding.ended.done()
        with database.writing() as session:
            (passage,) = session.scalars(select(Passage).where(Passage.document_id == ids[0]))
            add_embeddings(session, encoder.fingerprint, {passage.embedding_sha256: b"0000"})
        assert embedding.ended.result(timeout=30) == 2
    assert embedding.told[-1] == (3, 3)


@POSTGRESQL
def test_what_a_worker_was_embedding_whose_connection_is_gone_is_taken_over(services: Services) -> None:
    database, encoder = services.database, services.encoder
    ids = store_devices(services, 2)
    with ThreadPoolExecutor(1) as pool, claims(database.engine) as other:
        assert other(f"embed/{encoder.fingerprint}/{ids[0]}")
        embedding = Embedding(services, pool)
        wait_until(lambda: (1, 2) in embedding.told)
        with database.writing() as session:
            ended = text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND pid != pg_backend_pid()"
            )
            assert session.scalars(ended).all() == [True]
        assert embedding.ended.result(timeout=30) == 2


@POSTGRESQL
def test_a_worker_that_hangs_is_not_waited_for_without_end(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embedding.PATIENCE_SECONDS", 0.5)
    ids = store_devices(services, 2)
    with ThreadPoolExecutor(1) as pool, claims(services.database.engine) as other:
        assert other(f"embed/{services.encoder.fingerprint}/{ids[0]}")
        assert Embedding(services, pool).ended.result(timeout=30) == 2


def test_documents_that_arrive_meanwhile_are_left_to_the_next(services: Services) -> None:
    store_devices(services, 1)
    told = []

    def report(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 1:
            store_devices(services, 3)  # two more

    assert embed_missing(services.database, services.encoder, report=report) == 1
    assert told == [(0, 1), (1, 1)]


def test_documents_that_keep_arriving_do_not_keep_an_index_from_being_built(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_devices(services, 1)
    arrived = iter(range(2, 100))

    def embed_while_documents_arrive(*arguments: Any) -> None:
        embed_questions(*arguments)
        store_devices(services, next(arrived))

    monkeypatch.setattr(snapshots, "embed_questions", embed_while_documents_arrive)
    snapshot = snapshots.take_snapshot(services.database, services.encoder)
    assert (len(snapshot.entries), len(snapshot.vectors)) == (2, 2)
    with services.database.reading() as session:
        assert snapshot.corpus_sha256 == corpus_sha256(session)


def test_a_passage_whose_version_is_gone_is_not_tried_for_ever(services: Services) -> None:
    (document_id,) = store_devices(services, 1)
    with services.database.writing() as session:
        session.execute(delete(DocumentVersion).where(DocumentVersion.document_id == document_id))
    assert embed_missing(services.database, services.encoder, report=lambda *_counts: None) == 0


def test_a_job_from_before_an_upgrade_begins_again(services: Services) -> None:
    (document_id,) = store_devices(services, 1)
    with closing(JobQueue(services)) as queue:
        job = queue.ingest([(document_id, 1)])
        with worker(services.settings, run_former_worker) as process:
            wait_until(lambda: [step.name for step in queue.details(job).steps] == ["renew"])
            process.kill()
            process.join()
        assert queue.get(job).state == "running"
    with engine(services) as queue:
        assert wait_for(queue, job, no_progress)["stored"] == 1


def test_a_killed_ingest_goes_on_where_it_was(services: Services, tmp_path: Path) -> None:
    write_documents(tmp_path / "docs", DOCUMENTS)
    before = kill_in_the_middle(services, tmp_path / "docs")
    with engine(services) as queue:
        (job,) = queue.recent(limit=10)
        result = wait_for(queue, job.id, no_progress)
    assert before < DOCUMENTS  # it was in the middle
    assert (result["stored"], result["failed"]) == (DOCUMENTS, [])
    check_whole(services)


def test_running_a_killed_ingest_again_takes_in_what_was_left(services: Services, tmp_path: Path) -> None:
    write_documents(tmp_path / "docs", DOCUMENTS)
    kill_in_the_middle(services, tmp_path / "docs")
    summary = ingest_files(services, [tmp_path / "docs"], progress=no_progress)
    assert summary["failed"] == []
    check_whole(services)
    again = ingest_files(services, [tmp_path / "docs"], progress=no_progress)
    assert (again["stored"], again["unchanged"]) == (0, DOCUMENTS)
    check_whole(services)


def test_stopping_ends_the_step_under_way_and_the_job_goes_on_later(
    services: Services, tmp_path: Path
) -> None:
    write_documents(tmp_path / "docs", DOCUMENTS)
    running = JobEngine(services)
    queue = JobQueue(services)
    versions = [store(services, path) for path in sorted((tmp_path / "docs").iterdir())]
    job_id = queue.ingest(versions)
    running.start()
    while count_parsed(services) == 0:
        time.sleep(0.005)
    running.stop()
    assert count_parsed(services) < DOCUMENTS
    assert queue.get(job_id).state == "running"  # neither failed nor done
    with engine(services):
        wait_for(queue, job_id, no_progress)
    queue.close()
    check_whole(services)


def store(services: Services, path: Path) -> tuple[str, int]:
    """Store a file without handing it over to the engine."""
    stored = accept_upload(
        services.database,
        services.settings,
        data=path.read_bytes(),
        name=path.name,
        uri=None,
        title=None,
        product=None,
        now=datetime.now(UTC),
    )
    return stored.document_id, stored.version


def test_versions_whose_uploader_was_killed_are_adopted(services: Services, tmp_path: Path) -> None:
    write_documents(tmp_path / "docs", 1)
    store(services, tmp_path / "docs" / "device-0.md")
    with engine(services) as queue:
        (job,) = queue.recent(limit=10)
        assert wait_for(queue, job.id, no_progress)["stored"] == 1


def test_on_sqlite_only_one_process_runs_the_jobs_of_a_home(services: Services) -> None:
    if services.settings.shares_jobs:
        pytest.skip("on PostgreSQL any number of processes do; see test_kills.py")
    with engine(services), pytest.raises(EngineElsewhere):
        JobEngine(services).start()


def test_an_unknown_job_is_told(services: Services) -> None:
    with engine(services) as queue, pytest.raises(JobNotFound, match="job_none"):
        queue.get("job_none")

"""Purging is durable, spares what others need, and the doctor finds what is planted in any place."""

import hashlib
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from app.db.deletions import (
    DeletionView,
    Place,
    get_deletion,
    list_deletions,
    request_deletion,
)
from app.db.documents import Upload, delete_document, store_upload
from app.db.tables import (
    Answer,
    Base,
    Document,
    DocumentVersion,
    Embedding,
    EvaluationRun,
    Interaction,
    NearDuplicate,
    Passage,
    QAEvent,
    QAEvidence,
    QAPair,
    QAWork,
    Search,
    TrainingRun,
)
from app.deletion import purging
from app.deletion.purging import purge
from app.diagnosis import Level, diagnose_deletions
from app.evaluations.drafts import DraftStore
from app.indexing import build_live_index
from app.ingesting import parse_version
from app.job_records import EndedJobs
from app.learning.runs import work_folder
from app.models import Models
from app.settings import Settings
from app.uploads import accept_upload, blob_path
from app.wiring import Services, build_services
from generator.models import Message

GUIDE = "# Guide\n\nThe zyxophrenum is cleaned every 30 days with vinegar.\n"
TWIN = "# Twin\n\nBoth say the very same thing here.\n"
PAIR_SHA256 = "f" * 64
STEPS = ("look", "note_found", "remove_indexes", "remove_bytes", "find_records", "remove_rows", "note_gone")


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def services(settings: Settings, models: Models) -> Iterator[Services]:
    with closing(build_services(settings, models)) as services:
        yield services


def add(services: Services, text: str, uri: str, product: str | None = None) -> str:
    stored = accept_upload(
        services.database,
        services.settings,
        data=text.encode(),
        name="note.md",
        uri=uri,
        title=None,
        product=product,
        now=_now(),
    )
    parse_version(
        services.database, services.settings, services.encoder, stored.document_id, stored.version, now=_now
    )
    return stored.document_id


def build(services: Services) -> None:
    build_live_index(services.database, services.settings, services.encoder, report=lambda *_: None, now=_now)


def run_purge(services: Services) -> int:
    return purge(services.database, services.settings, EndedJobs(services), now=_now)


def remove(services: Services, document_id: str) -> str:
    with services.database.writing() as session:
        return request_deletion(session, document_id, now=_now())


def receipt(services: Services, deletion_id: str) -> DeletionView:
    with services.database.reading() as session:
        return get_deletion(session, deletion_id)


def test_a_version_that_is_stored_during_a_deletion_goes_with_it(services: Services) -> None:
    address = "https://docs.example/guide"
    document_id = add(services, GUIDE, address)
    newer = GUIDE + "\nOne more line.\n"
    digest = hashlib.sha256(newer.encode()).hexdigest()
    upload = Upload(
        sha256=digest, size_bytes=len(newer), name="note.md", uri=address, title=None, product=None
    )
    with ThreadPoolExecutor(1) as pool:
        with services.database.writing() as session:
            assert store_upload(session, upload, now=_now()).version == 2
            session.flush()
            deletion = pool.submit(remove, services, document_id)
            with pytest.raises(TimeoutError):
                deletion.result(timeout=0.5)
        deletion_id = deletion.result(timeout=30)
    assert digest in receipt(services, deletion_id).fingerprints.bytes


def test_an_upload_during_a_deletion_is_a_document_of_its_own(services: Services) -> None:
    address = "https://docs.example/guide"
    document_id = add(services, GUIDE, address)
    with ThreadPoolExecutor(1) as pool:
        with services.database.writing() as session:
            request_deletion(session, document_id, now=_now())
            session.flush()
            upload = pool.submit(add, services, GUIDE + "\nOne more line.\n", address)
            with pytest.raises(TimeoutError):
                upload.result(timeout=0.5)
        assert upload.result(timeout=30) != document_id


def test_a_purge_killed_at_any_step_is_ended_by_the_next(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    document_id = add(services, GUIDE, "https://docs.example/guide")
    add(services, "# Other\n\nAnother text.\n", "https://docs.example/other")
    build(services)
    deletion_id = remove(services, document_id)
    build(services)
    EndedJobs(services).naming(["none"])  # makes the tables of jobs
    for step in STEPS:
        if services.settings.database_url is None:
            _kill_at(step, services)
        else:  # connections to a server don't outlive a fork of this process
            with monkeypatch.context() as patched:
                patched.setattr(purging, step, _ending(getattr(purging, step), _raise))
                with pytest.raises(_Killed):
                    run_purge(services)
        assert receipt(services, deletion_id).completed_at is None
    assert run_purge(services) == 0
    done = receipt(services, deletion_id)
    assert done.completed_at is not None
    found = {place: record.found for place, record in done.places.items()}
    # what the first look counted is not forgotten by those after the kills
    assert (found[Place.TEXTS], found[Place.BYTES], found[Place.INDEXES], found[Place.EMBEDDINGS]) == (
        1,
        1,
        1,
        1,
    )
    assert run_purge(services) == 0
    assert receipt(services, deletion_id) == done
    with services.database.reading() as session:
        assert len(list_deletions(session)) == 1


class _Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def _raise() -> None:
    raise _Killed


def _ending(work: Callable[..., object], end: Callable[[], None]) -> Callable[..., None]:
    def run(*arguments: object, **named: object) -> None:
        work(*arguments, **named)
        end()

    return run


def _kill_at(step: str, services: Services) -> None:
    """Purge in a child process that is killed right after a step."""
    services.database.engine.dispose()
    child = os.fork()
    if child == 0:
        try:
            setattr(
                purging,
                step,
                _ending(getattr(purging, step), lambda: os.kill(os.getpid(), signal.SIGKILL)),
            )
            run_purge(build_services(services.settings, None))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), step
    assert os.WTERMSIG(status) == signal.SIGKILL, step


def test_what_another_document_needs_stays(services: Services) -> None:
    first = add(services, TWIN, "https://docs.example/1", product="One")
    second = add(services, TWIN, "https://docs.example/2", product="Two")  # the same bytes, text and vectors
    build(services)
    deletion_id = remove(services, first)
    build(services)
    assert run_purge(services) == 0
    found = receipt(services, deletion_id).places
    assert (found[Place.BYTES].found, found[Place.EMBEDDINGS].found, found[Place.TEXTS].found) == (0, 0, 1)
    assert [hit.document_id for hit in services.search("the very same thing", k=5).hits] == [second]
    with services.database.reading() as session:
        sha256 = session.scalar(select(DocumentVersion.sha256))
        assert session.scalar(select(Embedding.text_sha256)) is not None
    assert sha256 is not None
    assert blob_path(services.settings.blobs_folder, sha256).read_text() == TWIN
    remove(services, second)
    build(services)
    assert run_purge(services) == 0
    assert not blob_path(services.settings.blobs_folder, sha256).exists()
    with services.database.reading() as session:
        assert session.scalar(select(Embedding.text_sha256)) is None


def test_documents_deleted_without_a_receipt_get_one(services: Services) -> None:
    document_id = add(services, GUIDE, "https://docs.example/guide")
    build(services)
    with services.database.writing() as session:
        delete_document(session, document_id, now=_now())  # as an import or an older program did
    build(services)
    assert run_purge(services) == 0
    with services.database.reading() as session:
        (adopted,) = list_deletions(session)
    assert (adopted.document_id, adopted.places[Place.TEXTS].found) == (document_id, 1)
    assert adopted.completed_at is not None


def test_a_run_that_is_under_way_keeps_the_receipt_open(services: Services) -> None:
    document_id = add(services, GUIDE, "https://docs.example/guide")
    build(services)
    with services.database.writing() as session:
        session.add(_run())
    with work_folder(services, "trn_1"):
        deletion_id = remove(services, document_id)
        build(services)
        assert run_purge(services) == 1
        waiting = receipt(services, deletion_id)
        assert (waiting.learnt_by, waiting.completed_at) == (("trn_1",), None)
        assert "next index build" in str(waiting.places[Place.TRAINING].note)
        assert [place for place, record in waiting.places.items() if not record.gone_at] == [Place.TRAINING]
    assert run_purge(services) == 0
    assert receipt(services, deletion_id).completed_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planter:
    """Plants what was purged, anew."""

    services: Services

    def rows(self, *rows: Base) -> None:
        with self.services.database.writing() as session:
            for row in rows:
                session.add(row)
                session.flush()

    def address(self, document_id: str) -> None:
        with self.services.database.writing() as session:
            session.get_one(Document, document_id).uri = "https://docs.example/guide"

    def file(self, path: Path, content: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def draft(self, moment: datetime) -> None:
        folder = self.services.settings.home / "evaluations"
        with closing(DraftStore(folder, lambda: moment)) as drafts:
            drafts.add("g", {(Message("user", "q"),): "words"}, max_new_tokens=9)

    def all(self, deletion: DeletionView, other: str) -> Iterator[tuple[Place, Callable[[], None]]]:
        """Every place with what plants something there; a row is made when it is planted."""
        kept, document_id, home = deletion.fingerprints, deletion.document_id, self.services.settings.home
        passage, digest = kept.passages[0], next(one for one in kept.texts if one != PAIR_SHA256)
        names = json.dumps({"documents": [document_id]})
        yield Place.PAIRS, lambda: self.rows(_pair())
        yield Place.PAIR_EVENTS, lambda: self.rows(_event())
        twins = {"first_id": document_id, "second_id": other}
        yield Place.NEAR_DUPLICATES, lambda: self.rows(NearDuplicate(**twins, similarity=0.9))
        yield Place.ADDRESS, lambda: self.address(document_id)
        yield Place.TEXTS, lambda: self.rows(_version(document_id))
        yield Place.PASSAGES, lambda: self.rows(_passage(passage, document_id, digest))
        yield Place.BYTES, lambda: self.file(blob_path(home / "blobs", kept.bytes[0]), GUIDE)
        yield Place.INDEXES, lambda: self.file(home / "indexes" / "idx_old" / "entries.json", names)
        yield Place.EMBEDDINGS, lambda: self.rows(Embedding(encoder="e", text_sha256=digest, vector=b"1234"))
        yield Place.PAIR_WORK, lambda: self.rows(QAWork(maker="m", subject=f"{document_id}/1"))
        yield Place.SEARCHES, lambda: self.rows(_search("s1", passage))
        yield Place.INTERACTIONS, lambda: self.rows(_search("s2", "psg_other"), _click("s2", passage))
        yield Place.ANSWERS, lambda: self.rows(_answer(document_id))
        yield Place.EVALUATIONS, lambda: self.rows(_evaluation("https://docs.example/guide"))
        yield Place.DRAFTS, lambda: self.draft(deletion.requested_at - timedelta(hours=1))
        yield Place.TRAINING, lambda: self.file(home / "training" / "trn_1" / "rounds.json", "[]")
        yield Place.TRAINING, lambda: self.file(home / "training-index-x" / "index" / "entries.json", names)


def test_the_doctor_finds_what_is_planted_in_any_place(services: Services) -> None:
    document_id = add(services, GUIDE, "https://docs.example/guide")
    other = add(services, "# Other\n\nAnother text.\n", "https://docs.example/other")
    build(services)
    planter = Planter(services=services)
    evidence = QAEvidence(pair_id="qa_1", ordinal=0, document_id=document_id, version=1, start=0, end=5)
    planter.rows(_run(), _pair(), evidence)
    deletion_id = remove(services, document_id)
    build(services)
    assert run_purge(services) == 0
    plants = list(planter.all(receipt(services, deletion_id), other))
    untested = {Place.SEARCH, Place.JOBS, Place.FREED_PAGES}  # nothing can lie there, or see test_deletion.py
    assert {place for place, _ in plants} == set(Place) - untested
    for _, plant in plants:
        plant()
    (finding,) = diagnose_deletions(services.settings)
    assert finding.level is Level.BROKEN
    named = Counter(
        {place: int(count) for place, count in (one.split(": ") for one in finding.found.split("; "))}
    )
    assert named == Counter(place.value for place, _ in plants)
    assert receipt(services, deletion_id).completed_at is None  # it is open again
    assert run_purge(services) == 0, receipt(services, deletion_id)
    (finding,) = diagnose_deletions(services.settings)
    assert finding.level is Level.FINE, finding


def _pair() -> QAPair:
    return QAPair(
        id="qa_1",
        key="k" * 64,
        question="q",
        answer="a",
        origin="admin",
        method="m",
        status="approved",
        scores={},
        weight=1.0,
        split="train",
        split_seed=0,
        conflicts_with=[],
        question_sha256=PAIR_SHA256,
        created_at=_now(),
        changed_at=_now(),
    )


def _passage(passage_id: str, document_id: str, digest: str) -> Passage:
    return Passage(
        id=passage_id,
        document_id=document_id,
        version=1,
        ordinal=0,
        heading_path=[],
        start=0,
        end=3,
        embedding_sha256=digest,
    )


def _version(document_id: str) -> DocumentVersion:
    return DocumentVersion(
        document_id=document_id,
        version=1,
        name="guide.md",
        sha256="0" * 64,
        size_bytes=1,
        state="ready",
        created_at=_now(),
    )


def _run() -> TrainingRun:
    return TrainingRun(id="trn_1", created_at=_now(), kind="joint", state="running", base="b", report={})


def _event() -> QAEvent:
    return QAEvent(id="e", pair_id="qa_1", at=_now(), by="B", action="edit", before={})


def _search(search_id: str, passage_id: str) -> Search:
    return Search(id=search_id, created_at=_now(), question="q", index_version="i", shown=[passage_id])


def _click(search_id: str, passage_id: str) -> Interaction:
    return Interaction(
        id="i", created_at=_now(), kind="click", search_id=search_id, passage_id=passage_id, position=1
    )


def _answer(document_id: str) -> Answer:
    response = {"id": "a", "status": "answered", "text": "t", "citations": [{"document_id": document_id}]}
    asked: dict[str, object] = {"evidence": [], "conversation": []}
    return Answer(id="a", created_at=_now(), question="q", status="answered", response=response, asked=asked)


def _evaluation(uri: str) -> EvaluationRun:
    asked = [{"id": "1", "question": "q", "gold_documents": [uri]}]
    return EvaluationRun(id="evl", created_at=_now(), suite="s", subject={}, report={"asked": asked})

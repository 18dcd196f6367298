"""Workers that are killed at random moments: everything ends, as if nobody had been killed.

The oracle is the state of a home whose jobs nobody disturbed.
"""

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.db.documents import delete_document, pending_versions
from app.db.indexes import list_indexes, live_index
from app.db.jobs import seconds_silent
from app.db.pair_evidence import remove_document_evidence
from app.db.releases import ReleaseState, list_releases, read_pointers
from app.db.tables import Document, DocumentVersion, Embedding, Passage, QAPair
from app.db.training_runs import list_runs
from app.jobs import JobQueue
from app.model_folders import open_model
from app.models import Models
from app.settings import Settings
from app.uploads import accept_upload
from app.wiring import Services, build_services
from retriever.index import open_index
from tests.app.processes import run_hanging_worker, wait_until, worker
from tests.conftest import ENCODER, GENERATOR, MODELS

DOCUMENTS, MANY_DOCUMENTS = 24, 200
KILLS = {DOCUMENTS: 2, MANY_DOCUMENTS: 20}
SEED = 20_261_129

State = dict[str, Any]


def store_documents(services: Services, count: int) -> list[tuple[str, int]]:
    versions = []
    for number in range(count):
        text = (
            f"# Device {number}\n\n"
            f"## How heavy is device {number}?\n\nDevice {number} weighs {number * 3 + 1} grams.\n\n"
            f"## Who paints device {number}?\n\nThe yard in harbour {number} paints it green.\n"
        )
        stored = accept_upload(
            services.database,
            services.settings,
            data=text.encode(),
            name=f"device-{number}.md",
            uri=f"test:device-{number}",
            title=None,
            product=None,
            now=datetime.now(UTC),
        )
        versions.append((stored.document_id, stored.version))
    return versions


def hand_over_ingest(services: Services, queue: JobQueue, documents: int) -> str:
    return queue.ingest(store_documents(services, documents))


def hand_over_pairs(_services: Services, queue: JobQueue, _documents: int) -> str:
    return queue.build_pairs(write=0)


def hand_over_index(services: Services, queue: JobQueue, _documents: int) -> str:
    """Build an index that is not there yet: two documents are gone since the last one."""
    with services.database.writing() as session:
        for number in (3, 17):
            uri = f"test:device-{number}"
            document_id = session.scalars(select(Document.id).where(Document.uri == uri)).one()
            delete_document(session, document_id, now=datetime.now(UTC))
            remove_document_evidence(session, document_id)
    return queue.reindex()


KINDS: tuple[Callable[[Services, JobQueue, int], str], ...] = (
    hand_over_ingest,
    hand_over_pairs,
    hand_over_index,
)


def check_files(services: Services) -> None:
    """Every file that may be read now is whole."""
    with services.database.reading() as session:
        live = live_index(session)
    if live is not None:  # opening verifies the checksums
        open_index(services.settings.indexes_folder / live.id, encoder_fingerprint=live.encoder)
    for path in services.settings.blobs_folder.glob("*/[!.]*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def state_of(services: Services) -> State:
    """All that jobs made, under names that are the same in every home."""
    check_files(services)
    with services.database.reading() as session:
        assert pending_versions(session) == []
        uris = {row.id: row.uri for row in session.execute(select(Document.id, Document.uri))}
        versions = session.scalars(select(DocumentVersion)).all()
        passages = session.scalars(select(Passage)).all()
        embeddings = session.execute(select(Embedding.encoder, Embedding.text_sha256)).all()
        pairs = session.scalars(select(QAPair)).all()
        indexes = list_indexes(session)
    live = next(index for index in indexes if index.live)
    folders = {path.name for path in services.settings.indexes_folder.iterdir()}
    assert folders <= {index.id for index in indexes}  # the last build removed what killed ones left
    found = services.search("How heavy is device 7?", k=1).hits  # others tie, by ids
    return {
        "versions": sorted((uris[row.document_id], row.version, row.state, row.sha256) for row in versions),
        "passages": sorted((uris[p.document_id], p.version, p.ordinal, p.start, p.end) for p in passages),
        "embeddings": sorted(tuple(row) for row in embeddings),
        "pairs": sorted((pair.question, pair.answer, pair.status) for pair in pairs),
        "live": (live.passages, live.documents, live.pairs),
        "found": [(hit.uri, hit.start, hit.end, sorted(hit.via)) for hit in found],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """A home where nobody was killed.

    Attributes:
        documents: How many were ingested.
        state: What its jobs made.
        seconds: How long each of them ran.
    """

    documents: int
    state: State
    seconds: tuple[float, ...]


@pytest.fixture(scope="module", params=[DOCUMENTS, pytest.param(MANY_DOCUMENTS, marks=pytest.mark.slow)])
def undisturbed(
    request: pytest.FixtureRequest, models: Models, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    """The home that those of killed workers are compared with."""
    home = tmp_path_factory.mktemp("undisturbed")
    settings = Settings(home=home, models=MODELS, encoder=ENCODER, generator=GENERATOR)
    seconds: list[float] = []
    with closing(build_services(settings, models)) as services, closing(JobQueue(services)) as queue:
        for hand_over in KINDS:
            job_id = hand_over(services, queue, request.param)
            with worker(settings):
                wait_until(lambda: queue.get(job_id).state == "running")  # noqa: B023 - called in this round
                began = time.monotonic()
                wait_until(lambda: queue.get(job_id).state == "succeeded")  # noqa: B023
                seconds.append(time.monotonic() - began)
        state = state_of(services)
    left = request.param - 2  # as `hand_over_index` deletes two
    assert all(state.values())
    assert [len(state[part]) for part in ("versions", "passages", "pairs")] == [left, left, 2 * left]
    assert state["live"] == (left, left, 2 * left)
    assert state["found"][0][0] == "test:device-7"
    return Undisturbed(documents=request.param, state=state, seconds=tuple(seconds))


def test_jobs_of_killed_workers_end_as_if_nobody_had_been_killed(
    settings: Settings, models: Models, undisturbed: Undisturbed
) -> None:
    kills = KILLS[undisturbed.documents]
    dice = random.Random(SEED)
    with closing(build_services(settings, models)) as services, closing(JobQueue(services)) as queue:
        for hand_over, seconds in zip(KINDS, undisturbed.seconds, strict=True):
            job_id = hand_over(services, queue, undisturbed.documents)
            killed = 0
            while killed < kills and queue.get(job_id).state != "succeeded":
                moment = dice.uniform(0, 2 * seconds / kills) if killed else 0.0  # once for certain
                killed += kill_after(services, queue, job_id, moment)
                check_files(services)
            assert killed >= max(1, kills // 4), f"{hand_over.__name__} was hardly killed"
            with worker(settings):
                wait_until(lambda: queue.get(job_id).state not in ("waiting", "running"))  # noqa: B023
            assert queue.get(job_id).state == "succeeded"
        assert len(queue.recent(limit=50)) == len(KINDS), "no job was lost, none came twice"
        assert state_of(services) == undisturbed.state


@pytest.mark.slow
def test_models_are_made_and_go_live_whoever_is_killed(own_models: Settings, models: Models) -> None:
    with closing(build_services(own_models, models)) as services, closing(JobQueue(services)) as queue:
        end(services, queue, queue.ingest(store_documents(services, 2 * DOCUMENTS)))
        end(services, queue, queue.build_pairs(write=0))
        tuning = queue.tune_retriever({"epochs": 2, "batch_size": 8})
        run = disturb(services, queue, tuning)["training_run"]
        with services.database.reading() as session:
            (tuned,) = list_runs(session, limit=10)
        assert (tuned.id, tuned.state) == (run, "done")
        assert len(tuned.report["losses"]) == 2 * (tuned.report["examples"]["examples"] // 8)
        assert open_model(own_models.models_folder, f"run:{run}").fingerprint == tuned.fingerprint
        assert not list((own_models.home / "training").iterdir())
        making = queue.make_release(encoder=f"run:{run}", generator=None, note="")
        release = disturb(services, queue, making)["release_id"]
        assert disturb(services, queue, queue.promote(release, None, reason="a test"))["promoted"]
        with services.database.reading() as session:
            assert read_pointers(session).release == release
            states = Counter(one.state for one in list_releases(session))
        assert (states[ReleaseState.LIVE], states[ReleaseState.FORMER]) == (1, 1)
        services.serving.follow()
        assert services.search("How heavy is device 7?", k=1).hits[0].uri == "test:device-7"


def end(services: Services, queue: JobQueue, job_id: str) -> dict[str, Any]:
    """Let a worker end a job; its result."""
    with worker(services.settings):
        wait_until(lambda: queue.get(job_id).state not in ("waiting", "running"))
    job = queue.get(job_id)
    assert (job.state, job.error) == ("succeeded", None)
    return dict(job.result or {})


def disturb(services: Services, queue: JobQueue, job_id: str) -> dict[str, Any]:
    """Kill a job's workers at twenty moments, and let another one end it; its result."""
    dice, killed = random.Random(SEED), 0
    for _ in range(20):
        killed += kill_after(services, queue, job_id, dice.uniform(0, 5) if killed else 0.0)
        check_files(services)
        with services.database.reading() as session:
            states = [release.state for release in list_releases(session)]
            assert states.count(ReleaseState.LIVE) == (read_pointers(session).release is not None)
    assert killed
    return end(services, queue, job_id)


def kill_after(services: Services, queue: JobQueue, job_id: str, seconds: float) -> bool:
    """Kill a worker so long after it went on with the job; whether the job was under way."""
    before = last_begun(queue, job_id)
    with worker(services.settings) as process:
        wait_until(lambda: last_begun(queue, job_id) != before or queue.get(job_id).state == "succeeded")
        time.sleep(seconds)
        process.kill()
        process.join()
    return queue.get(job_id).state == "running"


def last_begun(queue: JobQueue, job_id: str) -> datetime | None:
    steps = queue.details(job_id).steps
    return steps[-1].started_at if steps else None


def test_a_living_worker_takes_over_the_jobs_of_a_killed_one(settings: Settings, models: Models) -> None:
    if not settings.shares_jobs:
        pytest.skip("on SQLite one process has the jobs to itself")
    with closing(build_services(settings, models)) as services, closing(JobQueue(services)) as queue:
        job_id = hand_over_ingest(services, queue, DOCUMENTS)
        with worker(settings, run_hanging_worker) as first:
            wait_until(lambda: bool(queue.details(job_id).steps))
            with worker(settings):
                wait_until(lambda: count_workers(services) == 2)
                first.kill()
                wait_until(lambda: queue.get(job_id).state not in ("waiting", "running"))
        job = queue.get(job_id)
        assert job.result is not None
        assert (job.state, job.result["stored"]) == ("succeeded", DOCUMENTS)
        assert count_workers(services) == 0, "the killed one is forgotten, the other has left"


def count_workers(services: Services) -> int:
    with services.database.reading() as session:
        return len(seconds_silent(session))

"""What jobs do, as lists of steps: each is recorded when it has ended, and safe to repeat when it has not."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from app.db.document_views import get_outcomes
from app.db.documents import renew_versions_cut_otherwise
from app.db.jobs import set_progress
from app.db.pair_work import unread_versions
from app.db.pairs import count_pairs
from app.db.passages import LOOKUP_SIZE
from app.deletion.purging import JobRecords, purge
from app.embedding import embed_missing
from app.indexing import ReleaseMoved, build_live_index
from app.ingesting import cut_name, parse_version, record_near_duplicates
from app.qa.extraction import EXTRACTOR, extract_pairs
from app.qa.filtering import PairFilter, count_new
from app.qa.writing import count_unwritten, write_next_pairs
from app.wiring import Services
from generator.errors import Stopped
from retriever.encoder import Encoder
from retriever.errors import EncoderMismatch

PARSED_AT_ONCE = 16  # documents in one recorded step
FILTERED_AT_ONCE = 256  # pairs
WRITTEN_AT_ONCE = 16  # passages that pairs are written from: about a minute on two cores

Versions = Sequence[tuple[str, int]]


class Stopping(BaseException):
    """Ends a step because the engine stops. No Exception: the workflow has not failed, it goes on later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a workflow, possibly the second after a crash.

    Attributes:
        services: What its steps work with.
        job_id: The job.
        step: Runs work as a recorded step: where it has ended before, its recorded result is given instead.
        is_stopping: Whether this process wants to end.
        jobs: The records of ended jobs, which may name deleted documents.
    """

    services: Services
    job_id: str
    step: Callable[[str, Callable[[], Any]], Any]
    is_stopping: Callable[[], bool]
    jobs: JobRecords

    def check(self) -> None:
        """Raise Stopping if this process wants to end."""
        if self.is_stopping():
            raise Stopping

    def report(self, stage: str, done: int, total: int) -> None:
        """Record how far the job is; raises Stopping if this process wants to end."""
        self.check()
        with self.services.database.writing() as session:
            set_progress(session, self.job_id, stage, done, total)


def _now() -> datetime:
    return datetime.now(UTC)


def ingest_versions(run: Run, given: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Parse, embed and index document versions.

    Returns:
        ``stored``, ``failed``, ``near_duplicates`` and ``index_version``.
    """
    renewed = run.step("renew", partial(_renew, run))
    versions = [(str(version[0]), int(version[1])) for version in [*given, *renewed]]
    for begin in range(0, len(versions), PARSED_AT_ONCE):
        run.step("parse", partial(_parse, run, versions, begin))
    run.step("embed", partial(_embed, run, versions))
    pairs = run.step("near_duplicates", partial(_near_duplicates, run, versions))
    index_id = run.step("index", partial(_index, run))
    outcome: dict[str, Any] = run.step("outcome", partial(_outcome, run, versions, pairs, index_id))
    return outcome


def _renew(run: Run) -> list[tuple[str, int]]:
    """New versions of documents whose passages were cut for another encoder or by an older parser."""
    services = run.services
    encoder = services.serving.follow().models.encoder
    with services.database.writing() as session:
        cut = cut_name(encoder, services.settings)
        return renew_versions_cut_otherwise(session, cut, now=_now())


def _parse(run: Run, versions: Versions, begin: int) -> None:
    services = run.services
    run.report("parsing", begin, len(versions))
    for document_id, version in versions[begin : begin + PARSED_AT_ONCE]:
        run.check()
        parse_version(services.database, services.settings, services.encoder, document_id, version, now=_now)


def _embed(run: Run, versions: Versions) -> None:
    """Only what this job brought: another worker is at the rest."""
    report = partial(run.report, "embedding")
    documents = sorted({document_id for document_id, _version in versions})
    for begin in range(0, len(documents), LOOKUP_SIZE):
        some = documents[begin : begin + LOOKUP_SIZE]
        embed_missing(run.services.database, run.services.encoder, report=report, documents=some)


def _near_duplicates(run: Run, versions: Versions) -> list[tuple[str, str, float]]:
    return record_near_duplicates(run.services.database, [document_id for document_id, _ in versions])


def _index(run: Run) -> str:
    """An index of the live release's encoder, also where another one goes live meanwhile.

    What was deleted is in it no more, and is then purged from every other place.
    """
    services = run.services
    while True:
        run.check()
        encoder = services.serving.follow().models.encoder
        with contextlib.suppress(ReleaseMoved):
            index_id = build_live_index(
                services.database, services.settings, encoder, report=run.report, now=_now
            )
            purge(services.database, services.settings, run.jobs, now=_now)
            return index_id


def _outcome(run: Run, versions: Versions, pairs: Sequence[Sequence[Any]], index_id: str) -> dict[str, Any]:
    with run.services.database.reading() as session:
        outcomes = get_outcomes(session, versions)
    run.report("done", len(versions), len(versions))
    return {
        "stored": sum(outcome.error is None for outcome in outcomes),
        "failed": [
            {"document_id": outcome.document_id, "name": outcome.name, "error": outcome.error}
            for outcome in outcomes
            if outcome.error is not None
        ],
        "near_duplicates": [list(pair) for pair in pairs],
        "index_version": index_id,
    }


def build_pairs(run: Run, write: int | None) -> dict[str, Any]:
    """Compile QA pairs: those that stand in documents, then those that the generator writes.

    Args:
        run: This run.
        write: Most passages that the generator writes from; None for all that no pair rests on.

    Returns:
        ``found``, how many pairs are new in documents; ``written_from``, how many passages the generator
        wrote from; ``pairs``, `app.db.pairs.PairStatistics`; and ``index_version``.
    """
    found, written, filters = 0, 0, _Filters(run)
    run.step("index", partial(_index, run))
    while True:
        begun = found
        while batch := run.step("extract", partial(_extract, run)):
            found += batch[1]
        if found > begun:  # their questions must be able to find their evidence
            run.step("index", partial(_index, run))
            filters = _Filters(run)
        while run.step("filter", filters.filter_next):
            pass
        most = WRITTEN_AT_ONCE if write is None else min(WRITTEN_AT_ONCE, write - written)
        tried = run.step("write", partial(_write, run, most, written, write)) if most else 0
        if not tried:
            break
        written += tried
    index_id = run.step("index", partial(_index, run))
    outcome: dict[str, Any] = run.step("outcome", partial(_pairs_outcome, run, found, written, index_id))
    return outcome


def _extract(run: Run) -> tuple[int, int] | None:
    """Find pairs in some documents that were not looked at; how many documents and pairs, or None."""
    services = run.services
    with services.database.reading() as session:
        versions = unread_versions(session, EXTRACTOR)
    run.report("extracting", 0, len(versions))
    batch = versions[:PARSED_AT_ONCE]
    if not batch:
        return None
    return len(batch), extract_pairs(services.database, services.settings, batch, now=_now)


class _Filters:
    """Makes the filter when a step needs it: it reads every known question, which a replay need not."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._filter: PairFilter | None = None
        self._encoder: Encoder | None = None

    def filter_next(self) -> int:
        """Filter the next new pairs; how many there were."""
        services = self._run.services
        with services.database.reading() as session:
            waiting = count_new(session)
        if not waiting:
            return 0
        self._run.report("filtering", 0, waiting)
        encoder = services.encoder
        if self._filter is None or self._encoder is not encoder:  # another release is live
            self._encoder = encoder
            self._filter = PairFilter(
                services.database,
                services.settings,
                encoder,
                services.live_index,
                lambda: services.generator,
                should_stop=self._run.is_stopping,
            )
        try:
            return self._filter.filter_next(FILTERED_AT_ONCE, now=_now())
        except EncoderMismatch:  # another release became live in between: once more, with its encoder
            return waiting
        except Stopped:
            raise Stopping from None


def _write(run: Run, most: int, written: int, wanted: int | None) -> int:
    services = run.services
    total = wanted
    if total is None:
        with services.database.reading() as session:
            total = written + count_unwritten(session, services.generator)
    run.report("writing", written, total)
    try:
        return write_next_pairs(
            services.database,
            services.settings,
            services.generator,
            most,
            now=_now,
            should_stop=run.is_stopping,
        )
    except Stopped:
        raise Stopping from None


def _pairs_outcome(run: Run, found: int, written: int, index_id: str) -> dict[str, Any]:
    with run.services.database.reading() as session:
        statistics = count_pairs(session)
    run.report("done", found + written, found + written)
    return {
        "found": found,
        "written_from": written,
        "pairs": asdict(statistics),
        "index_version": index_id,
    }

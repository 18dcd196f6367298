"""What ``footnote doctor`` finds: each part looked at on its own, so that one broken part hides no other."""

import platform
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from app.bundles import Lineup
from app.catalogue import CATALOGUE
from app.db.deletions import DeletionView, Place, list_deletions, reopen
from app.db.document_views import count_states
from app.db.documents import State
from app.db.indexes import corpus_sha256, live_index
from app.deletion.purging import look
from app.job_records import EndedJobs
from app.model_folders import open_model
from app.models import ReleaseDamaged
from app.settings import Settings
from app.wiring import Services, build_services
from generator.model_server import ModelServer, Passing

PACKAGES = ("torch", "transformers", "sentence-transformers", "faiss-cpu", "bm25s", "dbos", "sqlalchemy")
LOW_DISK_GIGABYTES = 5
ASKING_SECONDS = 5.0  # of a generator's server


class Level(StrEnum):
    """How a part is."""

    FINE = "fine"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part: how it is, what was found, and what to do about it."""

    level: Level
    subject: str
    found: str
    mend: str = ""


def diagnose(settings: Settings) -> list[Finding]:
    """Look at every part; never raises for what a part does."""
    findings = [_software(), _processor(), _disk(settings)]
    try:
        services = build_services(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        broken = Finding(level=Level.BROKEN, subject="database", found=str(error), mend=_DATABASE)
        return [*findings, *_models(settings), broken]
    try:
        lineup = services.serving.lineup()
    except ReleaseDamaged as error:
        findings.append(Finding(level=Level.BROKEN, subject="release", found=str(error), mend=_RELEASE))
        findings += _models(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        findings.append(Finding(level=Level.BROKEN, subject="database", found=str(error), mend=_DATABASE))
        findings += _models(settings)
    else:
        if lineup.release is not None:
            findings.append(_guarded("release", lambda: _release(lineup)))
        findings += _models(lineup.settings)
    findings.append(
        Finding(level=Level.FINE, subject="database", found=services.database.engine.dialect.name)
    )
    findings.append(_guarded("documents", lambda: _documents(services)))
    findings.append(_guarded("index", lambda: _index(services)))
    services.close()
    return findings


_RELEASE = "put its files back, or run: footnote release rollback"
_DATABASE = "check FOOTNOTE_DATABASE_URL and that the server runs; on SQLite, that the folder can be written"


def _guarded(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return Finding(level=Level.BROKEN, subject=subject, found=str(error), mend="see the message")


def _software() -> Finding:
    versions, missing = [f"Python {platform.python_version()}"], []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        found = f"missing: {', '.join(missing)}"
        return Finding(level=Level.BROKEN, subject="software", found=found, mend="run: make setup")
    return Finding(level=Level.FINE, subject="software", found=", ".join(versions))


def _processor() -> Finding:
    import torch  # noqa: PLC0415 - a second that other commands don't need

    from generator.weights import best_cpu_dtype  # noqa: PLC0415

    native = best_cpu_dtype() is torch.bfloat16
    return Finding(
        level=Level.FINE if native else Level.NOTE,
        subject="processor",
        found=f"{torch.get_num_threads()} threads, {'bfloat16' if native else 'float32'}",
        mend="" if native else "no native bfloat16 here: expect a third of the speed",
    )


def _disk(settings: Settings) -> Finding:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free / 1e9
    low = free < LOW_DISK_GIGABYTES
    return Finding(
        level=Level.NOTE if low else Level.FINE,
        subject="home",
        found=f"{settings.home.resolve()}, {free:.0f} GB free",
        mend="free some space: models and indexes need a few gigabytes" if low else "",
    )


def _release(lineup: Lineup) -> Finding:
    try:
        lineup.models.verify()
        _ = lineup.models.encoder  # it may run in another way here than where the index was built
    except ReleaseDamaged as error:
        return Finding(level=Level.BROKEN, subject="release", found=str(error), mend=_RELEASE)
    return Finding(level=Level.FINE, subject="release", found=f"{lineup.release}, its models are whole")


def _models(settings: Settings) -> list[Finding]:
    """The models that answer, in their order of use."""
    findings = [_guarded("encoder", lambda: _model(settings, "encoder", settings.encoder))]
    if (reranker := settings.reranker) is not None:
        findings.append(_guarded("reranker", lambda: _model(settings, "reranker", reranker)))
    if (address := settings.generator_address) is not None:
        findings.append(_guarded("generator", lambda: _remote_generator(settings, address)))
    else:
        findings.append(_guarded("generator", lambda: _model(settings, "generator", settings.generator)))
    return findings


def _remote_generator(settings: Settings, address: str) -> Finding:
    key = None if settings.generator_key is None else settings.generator_key.get_secret_value()
    server = ModelServer(address=address, model=settings.generator, api_key=key, timeout=ASKING_SECONDS)
    subject, where = "generator", f"{server.model} on {server.address}"
    mend = "start that server, or check FOOTNOTE_GENERATOR_ADDRESS and the live release"
    with closing(server):
        try:
            status = server.look()
        except Passing as error:
            found = f"{where}, which does not answer: {error}"
            return Finding(level=Level.BROKEN, subject=subject, found=found, mend=mend)
    found = f"{where}, which answers with status {status}"
    if status in (401, 403):
        return Finding(level=Level.BROKEN, subject=subject, found=found, mend="check FOOTNOTE_GENERATOR_KEY")
    if status >= 500:  # noqa: PLR2004 - the statuses of a server that fails
        return Finding(level=Level.BROKEN, subject=subject, found=found, mend=mend)
    return Finding(level=Level.FINE, subject=subject, found=found)


def _model(settings: Settings, role: str, reference: str) -> Finding:
    model = open_model(settings.models_folder, reference)
    licence = CATALOGUE[reference].licence if reference in CATALOGUE else "licence unknown to Footnote"
    return Finding(
        level=Level.FINE, subject=role, found=f"{reference} ({licence}), checksums right, {model.fingerprint}"
    )


def _documents(services: Services) -> Finding:
    with services.database.reading() as session:
        counts = count_states(session)
    failed = counts[State.FAILED]
    return Finding(
        level=Level.NOTE if failed else Level.FINE,
        subject="documents",
        found=", ".join(f"{count} {state.value}" for state, count in counts.items()),
        mend="GET /v1/documents shows the error of each failed one" if failed else "",
    )


def _index(services: Services) -> Finding:
    with services.database.reading() as session:
        live = live_index(session)
        current = live is not None and live.corpus_sha256 == corpus_sha256(session)
    if live is None:
        return Finding(level=Level.NOTE, subject="index", found="none yet", mend="run: footnote ingest PATH")
    services.live_index()
    found = f"{live.id} of {live.created_at:%Y-%m-%d %H:%M} UTC, {live.passages} passages, opens and verifies"
    if current:
        return Finding(level=Level.FINE, subject="index", found=found)
    return Finding(
        level=Level.NOTE,
        subject="index",
        found=f"{found}; older than the documents",
        mend="run: footnote reindex",
    )


def diagnose_deletions(settings: Settings) -> list[Finding]:
    """Look into every place for every document that was deleted.

    What is found of one whose receipt was complete opens it again, so that the next build purges it.
    """
    services = build_services(settings)
    with services.database.reading() as session:
        deletions = list_deletions(session)
    found = look(services.database, settings, EndedJobs(services), deletions)
    findings = []
    for deletion in deletions:
        there = {place: count for place, count in found[deletion.id].items() if count}
        if there and deletion.completed_at is not None:
            with services.database.writing() as session:
                reopen(session, deletion.id, list(there))
        findings.append(_deletion(deletion, there))
    services.close()
    if not findings:
        return [Finding(level=Level.FINE, subject="deletions", found="no document was deleted")]
    return findings


def _deletion(deletion: DeletionView, there: Mapping[Place, int]) -> Finding:
    subject = f"{deletion.id} of {deletion.document_id}"
    if there:
        found = "; ".join(f"{place.value}: {count}" for place, count in there.items())
        return Finding(level=Level.BROKEN, subject=subject, found=found, mend="run: footnote reindex")
    if deletion.completed_at is None:
        found = "nothing found, but its purge has not ended"
        return Finding(level=Level.NOTE, subject=subject, found=found, mend="run: footnote reindex")
    return Finding(level=Level.FINE, subject=subject, found="nothing found in any place")

"""The program: its commands, and how errors end it."""

import sys

import typer
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from app.catalogue import ModelUnavailable
from app.cli import (
    backups,
    deletions,
    documents,
    evaluation,
    generators,
    jobs,
    keys,
    operations,
    pairs,
    products,
    questions,
    releases,
    reranking,
    sources,
    tuning,
)
from app.cli.output import end_at_once, err
from app.observability import configure_logging
from app.settings import SettingsInvalid, calm_idle_threads, load_settings
from finetune.comparison import NotComparable
from finetune.suites import SuiteInvalid

app = typer.Typer(
    name="footnote",
    help="Answers questions from your own documents, with citations that a reader can check. "
    "Settings come from FOOTNOTE_* variables or footnote.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(operations.serve)
app.command()(documents.ingest)
app.command()(documents.reindex)
app.add_typer(deletions.documents, name="documents")
app.add_typer(deletions.deletions, name="deletions")
app.command()(questions.ask)
app.command()(questions.search)
app.add_typer(evaluation.evaluate, name="evaluate")
app.add_typer(pairs.qa, name="qa")
app.add_typer(products.products, name="products")
app.add_typer(sources.sources, name="sources")
tuning.tune.command("reranker")(reranking.reranker)
tuning.tune.command("generator")(generators.generator)
tuning.tune.command("joint")(generators.joint)
app.add_typer(tuning.tune, name="tune")
app.add_typer(releases.release, name="release")
app.add_typer(operations.models, name="models")
app.add_typer(jobs.jobs, name="jobs")
app.command()(jobs.worker)
app.add_typer(keys.keys, name="keys")
app.command()(backups.backup)
app.command()(backups.restore)
app.command()(operations.doctor)


def main() -> None:
    """Run a command; exit with 0, 1 where it failed, or 2 where it was called wrongly."""
    expected = _expected_errors()
    calm_idle_threads()
    try:
        is_service = sys.argv[1:2] in (["serve"], ["worker"])
        configure_logging(load_settings().log_level if is_service else "warning")
        app()
    except KeyboardInterrupt:
        err.print("\ninterrupted; a job that was under way goes on at the next start", highlight=False)
        end_at_once(130)
    except expected as error:
        err.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


def _expected_errors() -> tuple[type[Exception], ...]:
    """What says for itself what is wrong and what to do; anything else is a defect."""
    from app.backups import BackupDamaged, NotEmpty  # noqa: PLC0415
    from app.database_copies import CopyFailed  # noqa: PLC0415
    from app.db.api_keys import KeyInvalid, KeyNotFound  # noqa: PLC0415
    from app.db.deletions import DeletionNotFound  # noqa: PLC0415
    from app.db.documents import DocumentNotFound  # noqa: PLC0415
    from app.db.evaluation_runs import EvaluationNotFound  # noqa: PLC0415
    from app.db.pair_reviews import EvidenceInvalid  # noqa: PLC0415
    from app.db.pairs import PairNotFound  # noqa: PLC0415
    from app.db.products import AliasTaken  # noqa: PLC0415
    from app.db.releases import ReleaseNotFound, ReleaseRetired  # noqa: PLC0415
    from app.db.sources import SourceNameTaken, SourceNotFound  # noqa: PLC0415
    from app.db.training_runs import TrainingRunNotFound  # noqa: PLC0415
    from app.evaluations.drafts import DraftsUnusable  # noqa: PLC0415
    from app.job_lock import EngineElsewhere  # noqa: PLC0415
    from app.job_views import (  # noqa: PLC0415
        JobEnded,
        JobNotFound,
        JobUnderWay,
    )
    from app.learning.runs import AlreadyTuning  # noqa: PLC0415
    from app.metrics import PortTaken  # noqa: PLC0415
    from app.models import ReleaseDamaged  # noqa: PLC0415
    from app.releases import GateOutdated, MovedMeanwhile, NothingToRollBack  # noqa: PLC0415
    from app.searching import ProductUnknown  # noqa: PLC0415 - loads the search libraries
    from app.sources.errors import SourceInvalid  # noqa: PLC0415
    from app.wiring import NotReady  # noqa: PLC0415
    from finetune.devices import DeviceUnavailable  # noqa: PLC0415
    from finetune.examples import ExamplesInvalid, TooFewExamples  # noqa: PLC0415
    from finetune.product_labels import LabelsInvalid  # noqa: PLC0415
    from finetune.training import CheckpointForeign, TrainingDiverged  # noqa: PLC0415
    from generator.errors import GeneratorError  # noqa: PLC0415
    from ingest.pairs.named_entities import NameModelMissing  # noqa: PLC0415
    from retriever.errors import RetrieverError  # noqa: PLC0415

    return (
        SettingsInvalid,
        ModelUnavailable,
        NameModelMissing,
        NotReady,
        JobNotFound,
        DocumentNotFound,
        DeletionNotFound,
        PairNotFound,
        EvaluationNotFound,
        NotComparable,
        DraftsUnusable,
        EvidenceInvalid,
        ProductUnknown,
        AliasTaken,
        KeyInvalid,
        KeyNotFound,
        SourceInvalid,
        SourceNotFound,
        SourceNameTaken,
        LabelsInvalid,
        GeneratorError,
        RetrieverError,
        documents.JobFailed,
        EngineElsewhere,
        PortTaken,
        JobEnded,
        JobUnderWay,
        SQLAlchemyError,
        BackupDamaged,
        NotEmpty,
        CopyFailed,
        SuiteInvalid,
        TrainingRunNotFound,
        ReleaseNotFound,
        ReleaseDamaged,
        ReleaseRetired,
        GateOutdated,
        MovedMeanwhile,
        NothingToRollBack,
        AlreadyTuning,
        DeviceUnavailable,
        ExamplesInvalid,
        TooFewExamples,
        CheckpointForeign,
        TrainingDiverged,
        OSError,
    )


if __name__ == "__main__":
    main()

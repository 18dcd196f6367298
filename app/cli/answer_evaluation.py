"""``footnote evaluate --answers``: the whole table of retrievers, generators and evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.cli.output import say
from app.db.indexes import corpus_sha256
from app.db.training_runs import list_runs
from app.downloads import Progress
from app.evaluations.answer_reports import AnswerRun
from app.evaluations.answer_runs import evaluate_generator, join_cells, store_answers
from app.evaluations.answers import collect_evidence
from app.evaluations.drafts import DraftStore
from app.evaluations.questions import Asked, draw_questions
from app.evaluations.runs import describe_questions
from app.evaluations.stored_runs import AnyRun, check_questions
from app.models import Models, fetch
from app.wiring import Services
from finetune.answer_drafts import Condition
from finetune.comparison import NotComparable


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions:
    """What the command line asks for.

    Attributes:
        encoders: References of encoders, each once.
        generators: References of generators; none for the configured one and the newest that was tuned here.
        conditions: Which evidence is shown.
        limit: How many questions to draw; None for all.
        seed: What they are drawn by.
    """

    encoders: Sequence[str]
    generators: Sequence[str]
    conditions: Sequence[Condition]
    limit: int | None
    seed: int


def evaluate_answers(
    services: Services,
    corpus: Services,
    asked: Asked,
    options: AnswerOptions,
    *,
    baseline: AnyRun | None,
    progress: Progress,
) -> list[AnswerRun]:
    """A stored run for each encoder and generator, each compared with the baseline and all before it.

    Args:
        services: Where runs are kept, and which models there are.
        corpus: Where the documents are.
        asked: The questions.
        options: What was asked for.
        baseline: An earlier run to compare with, or None.
        progress: Told how far it is.

    Raises:
        NotComparable: If the baseline did not measure answers, or was asked other questions.
    """
    settings = services.settings
    if options.limit is not None:
        asked = draw_questions(asked, options.limit, seed=options.seed)
    if baseline is not None and not isinstance(baseline, AnswerRun):
        raise NotComparable(f"run {baseline.id} measured search; name a run of footnote evaluate --answers")
    against = [] if baseline is None else [baseline]
    for run in against:  # before the long work
        check_questions(run, asked.sha256, describe_questions((*asked.questions, *asked.unanswerable)))
    generators = list(dict.fromkeys(options.generators or _generators(services)))
    if settings.generator_address is None:
        for reference in generators:
            fetch(settings, reference, progress)
    retrievers = [
        collect_evidence(
            corpus.database,
            asked,
            reference,
            Models(settings.model_copy(update={"encoder": reference})),
            options.conditions,
            most=settings.evidence_passages,
            progress=progress,
        )
        for reference in options.encoders
    ]
    cells = join_cells(asked, retrievers)
    most = sum(len(shown) for shown in cells.values()) * len(generators)
    say(f"{len(asked.questions) + len(asked.unanswerable)} questions; at most {most} answers are written")
    drafts = DraftStore(settings.home / "evaluations", lambda: datetime.now(UTC))
    with corpus.database.reading() as session:
        corpus_checksum = corpus_sha256(session)
    runs: list[AnswerRun] = []
    try:
        for reference in generators:
            models = Models(settings.model_copy(update={"generator": reference}))
            for subject, report in evaluate_generator(
                reference,
                models.generator,
                asked,
                retrievers,
                corpus_sha256=corpus_checksum,
                settings=settings,
                drafts=drafts,
                progress=progress,
                say=say,
            ):
                runs.append(store_answers(services.database, asked, subject, report, [*against, *runs]))
    finally:
        drafts.close()
    return runs


def _generators(services: Services) -> list[str]:
    """The configured generator, and the newest that was tuned here."""
    settings = services.settings
    if settings.generator_address is not None:
        return [settings.generator]
    with services.database.reading() as session:
        tuned = list_runs(session, kind="generator", state="done", limit=1)
    return [settings.generator, *(f"run:{run.id}" for run in tuned)]

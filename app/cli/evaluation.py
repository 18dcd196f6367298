"""``footnote evaluate``: measure search, keep the figures, compare them."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.documents import ingest_files
from app.cli.evaluation_tables import print_comparison, print_list, print_run, print_worst
from app.cli.output import err, out, print_json, progress_bars
from app.db.evaluation_runs import list_evaluations
from app.db.training_runs import list_runs
from app.downloads import Progress
from app.evaluations.page import render_page
from app.evaluations.questions import Asked, pair_questions, suite_questions
from app.evaluations.reports import EvaluationRun
from app.evaluations.runs import (
    check_questions,
    compare_with,
    describe_questions,
    evaluate_encoder,
    read_compared,
    read_run,
    store_run,
)
from app.models import Models, fetch
from app.settings import Settings, load_settings
from app.wiring import Services, build_services
from finetune.evaluation import WORST
from finetune.suites import SuiteInvalid, load_suite

evaluate = typer.Typer(
    help="Measure search on held-out pairs or on a suite of questions; runs are stored.",
    invoke_without_command=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Worst = Annotated[
    int, typer.Option(min=0, max=WORST, help="How many of the worst questions to list, with what was found.")
]
RunId = Annotated[str, typer.Argument(help="A stored run; footnote evaluate list shows them.")]


@evaluate.callback()
def measure(
    context: typer.Context,
    *,
    pairs: Annotated[
        Literal["dev", "test"] | None,
        typer.Option(help="Ask approved QA pairs of this split; dev if not given."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="Ask a suite instead: its folder, or its name below <home>/suites.")
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="Encoder to evaluate: catalogue name, hf:owner/name, path:folder or run:ID; may be "
            "repeated. If not given, the configured one, and the newest retriever that was tuned here."
        ),
    ] = None,
    against: Annotated[str | None, typer.Option(help="Also compare with this stored run.")] = None,
    worst: Worst = 0,
    html: Annotated[Path | None, typer.Option(help="Also write a page with plots.", dir_okay=False)] = None,
    json: AsJson = False,
) -> None:
    """Measure search, once for each encoder, and compare the second and later with the first.

    Pairs are asked of an index of this home that is built without them. The documents of a suite get a home
    of their own.
    """
    if context.invoked_subcommand is not None:
        return
    if suite is not None and pairs is not None:
        raise typer.BadParameter("say --suite NAME or --pairs SPLIT, not both")
    with closing(build_services(load_settings())) as services, progress_bars() as progress:
        references = list(dict.fromkeys(encoder or _references(services)))
        for reference in references:
            fetch(services.settings, reference, progress)
        baseline = None if against is None else read_run(services.database, against)
        if suite is None:
            asked = pair_questions(services.database, services.settings, pairs or "dev")
            runs = _evaluate(services, services, asked, references, baseline=baseline, progress=progress)
        else:
            runs = _evaluate_suite(services, suite, references, baseline, progress)
    if html is not None:
        html.write_text(render_page([*([] if baseline is None else [baseline]), *runs]), encoding="utf-8")
    if json:
        print_json({"runs": [run.model_dump(mode="json") for run in runs]})
        return
    for run in runs:
        print_run(run)
        print_worst(run, worst)


def _references(services: Services) -> list[str]:
    """The configured encoder, and the newest that was tuned here."""
    with services.database.reading() as session:
        tuned = list_runs(session, kind="retriever", state="done", limit=1)
    return [services.settings.encoder, *(f"run:{run.id}" for run in tuned)]


def _evaluate_suite(
    services: Services,
    suite: str,
    references: Sequence[str],
    baseline: EvaluationRun | None,
    progress: Progress,
) -> list[EvaluationRun]:
    settings = services.settings
    loaded = load_suite(_suite_folder(settings, suite))
    home = settings.home / "evaluations" / loaded.manifest.name
    own = load_settings(home=home, models=settings.models_folder, database_url=None)
    with closing(build_services(own)) as corpus:
        summary = ingest_files(
            corpus,
            [loaded.documents],
            uri_prefix=loaded.manifest.uri_prefix,
            product=loaded.product_of,
            progress=progress,
        )
        for failure in summary["failed"]:
            err.print(
                f"not in the suite: {failure['file']}: {failure['error']}", markup=False, soft_wrap=True
            )
        asked = suite_questions(corpus.database, loaded)
        return _evaluate(services, corpus, asked, references, baseline=baseline, progress=progress)


def _suite_folder(settings: Settings, suite: str) -> Path:
    for folder in (Path(suite), settings.home / "suites" / suite):
        if folder.is_dir():
            return folder
    raise SuiteInvalid(
        f"no suite {suite!r} here or in {settings.home / 'suites'}; docs/evaluation.md tells how to make one"
    )


def _evaluate(
    services: Services,
    corpus: Services,
    asked: Asked,
    references: Sequence[str],
    *,
    baseline: EvaluationRun | None,
    progress: Progress,
) -> list[EvaluationRun]:
    """A run for each encoder, compared with the baseline and with the first, and stored."""
    against = [] if baseline is None else [baseline]
    for run in against:  # before the long work
        check_questions(run, asked.sha256, describe_questions(asked.questions))
    runs: list[EvaluationRun] = []
    for reference in references:
        models = Models(services.settings.model_copy(update={"encoder": reference}))
        subject, report = evaluate_encoder(corpus.database, asked, reference, models, progress)
        runs.append(store_run(services.database, asked, subject, report, [*against, *runs[:1]]))
    return runs


@evaluate.command("list")
def list_all(
    suite: Annotated[str | None, typer.Option(help='Only runs of this suite, or of "pairs dev".')] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    json: AsJson = False,
) -> None:
    """The newest runs."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        found = list_evaluations(session, suite=suite, limit=limit)
    print_list(found, as_json=json)


@evaluate.command("show")
def show(run: RunId, worst: Worst = 0, json: AsJson = False) -> None:
    """One run: its figures, and what they were compared with."""
    (found,) = _read([run])
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_run(found)
        print_worst(found, worst)


@evaluate.command("compare")
def compare(
    first: RunId,
    second: Annotated[str, typer.Argument(help="Another run of the same questions.")],
    json: AsJson = False,
) -> None:
    """What the second run gained over the first, question by question."""
    before, after = _read([first, second])
    comparison = compare_with(before, after.subject, after.report)
    if json:
        print_json(comparison.model_dump(mode="json"))
    else:
        print_comparison(after, comparison)


@evaluate.command("export")
def export(
    run: RunId,
    file: Annotated[Path, typer.Argument(help="File to write: .json for all of it, .html for a page.")],
    json: AsJson = False,
) -> None:
    """Write a run to a file: everything as JSON, or one page with plots."""
    if file.suffix not in (".json", ".html"):
        raise typer.BadParameter(f"{file} must end in .json or .html")
    with closing(build_services(load_settings())) as services:
        found = read_run(services.database, run)
        others = read_compared(services.database, found)
    text = found.model_dump_json(indent=2) + "\n" if file.suffix == ".json" else render_page([*others, found])
    file.write_text(text, encoding="utf-8")
    if json:
        print_json({"file": str(file)})
    else:
        out.print(f"wrote {file}", highlight=False, markup=False)


def _read(ids: Sequence[str]) -> list[EvaluationRun]:
    with closing(build_services(load_settings())) as services:
        return [read_run(services.database, run_id) for run_id in ids]

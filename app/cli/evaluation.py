"""``footnote evaluate``: measure search and answers, keep the figures, compare them."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.answer_evaluation import AnswerOptions, evaluate_answers
from app.cli.answer_tables import print_answer_comparison
from app.cli.evaluation_tables import print_comparison, print_list, print_runs
from app.cli.output import out, print_json, progress_bars
from app.cli.suites import open_questions
from app.db.evaluation_runs import list_evaluations
from app.db.training_runs import list_runs
from app.downloads import Progress
from app.evaluations.answer_reports import AnswerRun
from app.evaluations.answer_runs import compare_answers
from app.evaluations.pages import render_runs
from app.evaluations.questions import Asked
from app.evaluations.reports import EvaluationRun
from app.evaluations.runs import compare_with, describe_questions, evaluate_encoder, store_run
from app.evaluations.stored_runs import AnyRun, check_questions, read_compared, read_run
from app.models import Models, fetch
from app.settings import load_settings
from app.wiring import Services, build_services
from finetune.answer_drafts import Condition
from finetune.comparison import NotComparable
from finetune.evaluation import WORST

evaluate = typer.Typer(
    help="Measure search, or answers, on held-out pairs or on a suite of questions; runs are stored.",
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
    answers: Annotated[
        bool, typer.Option("--answers", help="Measure answers, with every encoder beside every generator.")
    ] = False,
    generator: Annotated[
        list[str] | None,
        typer.Option(
            help="With --answers: generator to evaluate; may be repeated. If not given, the configured one, "
            "and the newest that was tuned here."
        ),
    ] = None,
    evidence: Annotated[
        list[Condition] | None,
        typer.Option(help="With --answers: what generators are shown; may be repeated. All if not given."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --answers: ask only so many questions, drawn by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --limit: which questions are drawn.")] = 0,
    against: Annotated[str | None, typer.Option(help="Also compare with this stored run.")] = None,
    worst: Worst = 0,
    html: Annotated[Path | None, typer.Option(help="Also write a page with plots.", dir_okay=False)] = None,
    json: AsJson = False,
) -> None:
    """Measure search, once for each encoder, and compare the second and later with the first.

    Pairs are asked of an index of this home that is built without them. The documents of a suite get a home
    of their own. With --answers, generators write answers, which takes long: what was written is kept, and
    the same command goes on where it was killed.
    """
    if context.invoked_subcommand is not None:
        return
    if suite is not None and pairs is not None:
        raise typer.BadParameter("say --suite NAME or --pairs SPLIT, not both")
    if not answers and (generator or evidence or limit):
        raise typer.BadParameter("--generator, --evidence and --limit are for --answers; say --answers, too")
    with closing(build_services(load_settings())) as services, progress_bars() as progress:
        references = list(dict.fromkeys(encoder or _references(services)))
        for reference in references:
            fetch(services.settings, reference, progress)
        baseline = None if against is None else read_run(services.database, against)
        runs: Sequence[AnyRun]
        with open_questions(services, suite, pairs, progress) as (corpus, asked):
            if answers:
                options = AnswerOptions(
                    encoders=references,
                    generators=generator or (),
                    conditions=evidence or list(Condition),
                    limit=limit,
                    seed=seed,
                )
                runs = evaluate_answers(
                    services, corpus, asked, options, baseline=baseline, progress=progress
                )
            else:
                runs = _evaluate(services, corpus, asked, references, baseline=baseline, progress=progress)
    if html is not None:
        html.write_text(render_runs([*([] if baseline is None else [baseline]), *runs]), encoding="utf-8")
    if json:
        print_json({"runs": [run.model_dump(mode="json") for run in runs]})
        return
    print_runs(runs, worst)


def _references(services: Services) -> list[str]:
    """The configured encoder, and the newest that was tuned here."""
    with services.database.reading() as session:
        tuned = list_runs(session, kind="retriever", state="done", limit=1)
    return [services.settings.encoder, *(f"run:{run.id}" for run in tuned)]


def _evaluate(
    services: Services,
    corpus: Services,
    asked: Asked,
    references: Sequence[str],
    *,
    baseline: AnyRun | None,
    progress: Progress,
) -> list[EvaluationRun]:
    """A run for each encoder, compared with the baseline and with the first, and stored."""
    if isinstance(baseline, AnswerRun):
        raise NotComparable(f"run {baseline.id} measured answers; say --answers, too")
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
        print_runs([found], worst)


@evaluate.command("compare")
def compare(
    first: RunId,
    second: Annotated[str, typer.Argument(help="Another run of the same questions.")],
    json: AsJson = False,
) -> None:
    """What the second run gained over the first, question by question."""
    before, after = _read([first, second])
    if isinstance(before, AnswerRun) and isinstance(after, AnswerRun):
        answers = compare_answers(before, after.subject, after.report)
        shown, show = answers.model_dump(mode="json"), partial(print_answer_comparison, after, answers)
    elif isinstance(before, EvaluationRun) and isinstance(after, EvaluationRun):
        search = compare_with(before, after.subject, after.report)
        shown, show = search.model_dump(mode="json"), partial(print_comparison, after, search)
    else:
        raise NotComparable(f"one of {first} and {second} measured search, the other answers")
    if json:
        print_json(shown)
    else:
        show()


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
    text = found.model_dump_json(indent=2) + "\n" if file.suffix == ".json" else render_runs([*others, found])
    file.write_text(text, encoding="utf-8")
    if json:
        print_json({"file": str(file)})
    else:
        out.print(f"wrote {file}", highlight=False, markup=False)


def _read(ids: Sequence[str]) -> list[AnyRun]:
    with closing(build_services(load_settings())) as services:
        return [read_run(services.database, run_id) for run_id in ids]

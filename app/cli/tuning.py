"""``footnote tune``: models that learn from this home."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import out, print_json, print_table, progress_bars
from app.db.training_runs import TrainingRunView, get_run, list_runs
from app.models import fetch
from app.settings import load_settings
from app.wiring import build_services
from finetune.configuration import DeviceName, OptimizerConfig, RetrieverConfig
from finetune.suites import read_questions

tune = typer.Typer(
    help="Models that learn from approved pairs, clicks and files of examples.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[DeviceName, typer.Option(help="auto takes a GPU where there is one.")]
Examples = Annotated[
    Path | None,
    typer.Option(help="JSON lines of your own: question, uri, and if you like quote, relevance, product."),
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")]
_DEFAULTS = RetrieverConfig()
_OPTIMIZER = OptimizerConfig()


@tune.command("retriever")
def retriever(
    *,
    examples: Examples = None,
    general: Annotated[
        Path | None,
        typer.Option(help="JSON lines of general questions that must not be forgotten: question, passage."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often each example is seen.")] = _DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(min=2, help="Questions of a step.")] = _DEFAULTS.batch_size,
    negatives: Annotated[
        int, typer.Option(min=0, help="Mined negatives per question and step.")
    ] = _DEFAULTS.negatives,
    learning_rate: Annotated[
        float, typer.Option(min=1e-7, max=1e-2, help="Largest learning rate.")
    ] = _OPTIMIZER.learning_rate,
    seed: Seed = _OPTIMIZER.seed,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Tune the encoder on this home's approved pairs and clicks; nothing goes live.

    The same command again goes on where a killed one was. Compare the result with: footnote evaluate
    """
    from app.learning.retriever import TuneRetriever, tune_retriever  # noqa: PLC0415 - loads torch
    from finetune.examples import read_example_lines  # noqa: PLC0415
    from finetune.pool import read_pool  # noqa: PLC0415

    settings = load_settings()
    wanted = TuneRetriever(
        config=RetrieverConfig(epochs=epochs, batch_size=batch_size, negatives=negatives),
        optimizer=OptimizerConfig(learning_rate=learning_rate, seed=seed),
        device=device,
        lines=[] if examples is None else read_example_lines(read_lines(examples)),
        general=None if general is None else read_pool(read_lines(general)),
    )
    with progress_bars() as progress:
        fetch(settings, settings.encoder, progress)
        services = build_services(settings)
        run = tune_retriever(services, wanted, progress)
    services.close()
    if json:
        print_json(asdict(run))
    else:
        _print_retriever(run)


def read_lines(path: Path) -> list[str]:
    """The lines of a file of JSON lines, which may hold other separators of lines within their texts.

    Raises:
        ExamplesInvalid: If it is not UTF-8.
    """
    from finetune.examples import ExamplesInvalid  # noqa: PLC0415

    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ExamplesInvalid(f"{path}, line {line}: it is not UTF-8; save the file as UTF-8") from error


def run_summary(run: TrainingRunView) -> str:
    """What a run learnt from, in a line."""
    report, examples = run.report, run.report["examples"]
    return (
        f"{run.id}: {examples['examples']} examples over {examples['passages']} passages, "
        f"{report['seconds'] / 60:.1f} minutes; left out: {report['skipped'] or 'none'}"
    )


def _print_retriever(run: TrainingRunView) -> None:
    report = run.report
    out.print(run_summary(run), highlight=False)
    if report["trials"]:
        rows = [
            (
                f"{trial['factor']:.2f}" + (" (taken)" if trial["factor"] == report["factor"] else ""),
                f"{trial['in_domain']:.3f}",
                "" if trial["general"] is None else f"{trial['general']:.3f}",
            )
            for trial in report["trials"]
        ]
        columns = ("share of the tuned weights", "MRR@10, pairs of dev", "hit@10, general")
        print_table("Between base and tuned, on a sample of passages", columns, rows)
    if report["factor"] == 0:
        out.print("No mixture was better than the base model, so its weights were kept.")
    out.print(f"Measure it: footnote evaluate --encoder run:{run.id}", highlight=False)
    tell_use("FOOTNOTE_ENCODER", run.id)


def tell_use(setting: str, run_id: str) -> None:
    """How what a run tuned comes to answer: a live release pins its models, whatever settings say."""
    reindexed = "footnote reindex with it, and " if setting == "FOOTNOTE_ENCODER" else ""
    out.print(
        f"Use it: {setting}=run:{run_id} footnote release create, and footnote release promote. While no "
        f"release is live, {reindexed}the same setting for the server will do.",
        highlight=False,
        soft_wrap=True,
    )


@tune.command("search")
def search(
    questions: Annotated[
        Path, typer.Argument(help="JSON lines: id, question, gold_documents (addresses of documents here).")
    ],
    save: Annotated[
        bool,
        typer.Option("--save", help="Keep them with the configured encoder, which must be tuned here."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Learn how much vectors, words, whole documents and pairs are worth, from people's questions."""
    from app.learning.search import learn_search  # noqa: PLC0415
    from finetune.fusion_weights import describe_weights  # noqa: PLC0415

    asked = [question for question in read_questions(questions) if question.answerable]
    with closing(build_services(load_settings())) as services, progress_bars() as progress:
        learned = learn_search(services, asked, save=save, progress=progress)
    weights = describe_weights(learned.config)
    figures = {"before": learned.before, "after": learned.after, "cross_fitted": learned.cross_fitted}
    if json:
        print_json({"weights": weights, "figures": figures, "saved": save})
        return
    print_table("Weights", list(weights), [list(weights.values())])
    labels = {
        "before": "as it is",
        "after": "learnt, on the questions that it was learnt from",
        "cross_fitted": "learnt on one half, measured on the other",
    }
    rows = [(labels[name], *(f"{value:.3f}" for value in values)) for name, values in figures.items()]
    print_table("Search", ("", "hit@10", "MRR@10"), rows)


@tune.command("list")
def list_training_runs(json: AsJson = False) -> None:
    """Training runs, the newest first."""
    services = build_services(load_settings())
    with services.database.reading() as session:
        runs = list_runs(session)
    services.close()
    if json:
        print_json([asdict(run) for run in runs])
        return
    for run in runs:
        line = f"{run.id}  {run.created_at:%Y-%m-%d %H:%M}  {run.kind}  {run.state}"
        out.print(
            line + (f": {run.error}" if run.error else ""), highlight=False, markup=False, soft_wrap=True
        )


@tune.command("show")
def show_training_run(run_id: str) -> None:
    """One training run with its manifest, as JSON."""
    services = build_services(load_settings())
    with services.database.reading() as session:
        run = get_run(session, run_id)
    services.close()
    print_json(asdict(run))

"""``footnote tune reranker``: a model that reads question and passage together."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.output import out, print_json, print_table, progress_bars
from app.cli.tuning import AsJson, Device, Examples, Seed, read_lines, run_summary, tell_use
from app.db.training_runs import TrainingRunView
from app.models import fetch
from app.settings import load_settings
from app.wiring import build_services
from finetune.configuration import RERANKER_LEARNING_RATE, OptimizerConfig, RerankerConfig

_DEFAULTS = RerankerConfig()
_SEED = OptimizerConfig().seed


def reranker(
    *,
    examples: Examples = None,
    limit: Annotated[
        int | None, typer.Option(min=50, help="Most examples, drawn by the seed; all if not given.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often each example is seen.")] = _DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions of a step.")] = _DEFAULTS.batch_size,
    negatives: Annotated[
        int, typer.Option(min=1, help="Passages beside the right one for each question.")
    ] = _DEFAULTS.negatives,
    learning_rate: Annotated[
        float, typer.Option(min=1e-7, max=1e-2, help="Largest learning rate.")
    ] = RERANKER_LEARNING_RATE,
    seed: Seed = _SEED,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Tune a reranker from the configured encoder's weights, and weigh it on pairs of dev; nothing goes live.

    The same command again goes on where a killed one was. Compare the result with: footnote evaluate
    """
    from app.learning.reranker import TuneReranker, tune_reranker  # noqa: PLC0415 - loads torch
    from finetune.examples import read_example_lines  # noqa: PLC0415

    settings = load_settings()
    wanted = TuneReranker(
        config=RerankerConfig(epochs=epochs, batch_size=batch_size, negatives=negatives),
        optimizer=OptimizerConfig(learning_rate=learning_rate, seed=seed),
        device=device,
        lines=[] if examples is None else read_example_lines(read_lines(examples)),
        limit=limit,
    )
    with progress_bars() as progress:
        fetch(settings, settings.encoder, progress)
        with closing(build_services(settings)) as services:
            run = tune_reranker(services, wanted, progress)
    if json:
        print_json(asdict(run))
    else:
        _print_reranker(run)


def _print_reranker(run: TrainingRunView) -> None:
    report = run.report
    out.print(run_summary(run), highlight=False)
    weight, trials, times = report["rerank_weight"], report["rerank_trials"], report["milliseconds"]
    if not trials:
        out.print(
            f"Too few pairs of dev to weigh it on: it gets the weight {weight}, whether it pays or not."
        )
    else:
        rows = [
            (f"{one['weight']:g}" + (" (taken)" if one["weight"] == weight else ""), f"{one['mrr@10']:.3f}")
            for one in trials
        ]
        print_table("Beside the search's own score", ("weight", "MRR@10, pairs of dev"), rows)
        out.print(
            f"A question takes {times['p50']:.0f} ms more, {times['p95']:.0f} ms at p95, without a budget."
        )
    if weight == 0:
        out.print(
            "It does not pay: no weight above 0 was better, and a server that names it leaves hits alone."
        )
        return
    out.print(f"Measure it: FOOTNOTE_RERANKER=run:{run.id} footnote evaluate", highlight=False)
    tell_use("FOOTNOTE_RERANKER", run.id)

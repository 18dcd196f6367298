"""``footnote tune generator`` and ``joint``: answers that rest on what they cite."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any

import typer

from app.cli.output import out, print_json, print_table, progress_bars, say
from app.cli.tuning import AsJson, Device, Examples, Seed, read_lines, tell_use
from app.db.training_runs import TrainingRunView
from app.models import fetch_models
from app.settings import load_settings
from app.wiring import build_services
from finetune.configuration import (
    GENERATOR_LEARNING_RATE,
    GeneratorConfig,
    OptimizerConfig,
    RetrieverConfig,
)

_DEFAULTS = GeneratorConfig()
_SEED = OptimizerConfig().seed
_EXAMPLES, _HELD_OUT = 300, 32

Most = Annotated[
    int,
    typer.Option(min=20, help="Most pairs that are learnt; the most different ones where there are more."),
]


def _check_held_out(count: int) -> int:
    """None, or as many as can tell one epoch from another."""
    from app.learning.runs import LEAST_DEV  # noqa: PLC0415 - loads torch

    if 0 < count < LEAST_DEV:
        raise typer.BadParameter(f"{count} can't tell one epoch from another: {LEAST_DEV} or more, or 0")
    return count


HeldOut = Annotated[
    int,
    typer.Option(
        min=0,
        callback=_check_held_out,
        help="Most pairs of dev that epochs are chosen on; 0 learns them all.",
    ),
]
Layers = Annotated[
    int,
    typer.Option(
        min=1,
        help="Layers that learn, counted from the output; fewer are faster. A tuned generator keeps its own.",
    ),
]
GeneratorRate = Annotated[float, typer.Option(min=1e-7, max=1e-2, help="Largest learning rate.")]


def generator(
    *,
    limit: Most = _EXAMPLES,
    held_out: HeldOut = _HELD_OUT,
    epochs: Annotated[int, typer.Option(min=1, help="Most times each pair is seen.")] = _DEFAULTS.epochs,
    layers: Layers = _DEFAULTS.layers,
    rank: Annotated[int, typer.Option(min=1, help="Of a new adapter's matrices.")] = _DEFAULTS.rank,
    learning_rate: GeneratorRate = GENERATOR_LEARNING_RATE,
    seed: Seed = _SEED,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Tune an adapter of the generator on approved pairs, and choose it on pairs of dev; nothing goes live.

    The same command again goes on where a killed one was.
    """
    from app.learning.generator import TuneGenerator, tune_generator  # noqa: PLC0415 - loads torch

    settings = load_settings()
    wanted = TuneGenerator(
        config=GeneratorConfig(epochs=epochs, layers=layers, rank=rank),
        optimizer=_optimizer(learning_rate, seed),
        device=device,
        most_examples=limit,
        most_dev=held_out,
    )
    with progress_bars() as progress:
        fetch_models(settings, progress)
        with closing(build_services(settings)) as services:
            run = tune_generator(services, wanted, progress)
    if json:
        print_json(asdict(run))
    else:
        _print_generator(run)


def _optimizer(learning_rate: float, seed: int) -> OptimizerConfig:
    """A step of a generator takes a minute or more on two cores, so checkpoints are frequent."""
    return OptimizerConfig(learning_rate=learning_rate, seed=seed, steps_per_checkpoint=5)


def _print_generator(run: TrainingRunView) -> None:
    report, examples = run.report, run.report["examples"]
    out.print(
        f"{run.id}: {examples['examples']} examples, {examples['refusals']} of them refusals, "
        f"{report['tokens']} tokens, {report['seconds'] / 60:.1f} minutes; "
        f"left out: {report['skipped'] or 'none'}",
        highlight=False,
    )
    if report["scores"]:
        _print_scores(report)
    else:
        out.print("Too few pairs of dev to choose with: all epochs were learnt, whether they pay or not.")
    tell_use("FOOTNOTE_GENERATOR", run.id)


def joint(
    *,
    examples: Examples = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often both learn, one after the other.")] = 2,
    candidates: Annotated[
        int, typer.Option(min=2, help="Passages per question that the generator scores.")
    ] = 4,
    limit: Most = _EXAMPLES,
    held_out: HeldOut = _HELD_OUT,
    epochs: Annotated[
        int, typer.Option(min=1, help="Most times each pair is seen by the generator in a round.")
    ] = 1,
    layers: Layers = _DEFAULTS.layers,
    seed: Seed = _SEED,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Tune retriever and generator together: each round one learns from the other; nothing goes live.

    The same command again goes on where a killed one was. Compare with: footnote evaluate --answers
    """
    from app.learning.generator import TuneGenerator  # noqa: PLC0415 - loads torch
    from app.learning.joint import TuneJoint, tune_joint  # noqa: PLC0415
    from app.learning.retriever import TuneRetriever  # noqa: PLC0415
    from finetune.examples import read_example_lines  # noqa: PLC0415
    from finetune.joint import LIKELIHOOD_TEMPERATURE  # noqa: PLC0415

    settings = load_settings()
    wanted = TuneJoint(
        rounds=rounds,
        candidates=candidates,
        retriever=TuneRetriever(
            config=RetrieverConfig(epochs=1, teacher_temperature=LIKELIHOOD_TEMPERATURE),
            optimizer=OptimizerConfig(seed=seed),
            device=device,
            lines=[] if examples is None else read_example_lines(read_lines(examples)),
        ),
        generator=TuneGenerator(
            config=GeneratorConfig(epochs=epochs, layers=layers),
            optimizer=OptimizerConfig(
                learning_rate=GENERATOR_LEARNING_RATE, seed=seed, steps_per_checkpoint=5
            ),
            device=device,
            most_examples=limit,
            most_dev=held_out,
        ),
    )
    with progress_bars() as progress:
        fetch_models(settings, progress)
        with closing(build_services(settings)) as services:
            run = tune_joint(services, wanted, progress, say)
    if json:
        print_json(asdict(run))
        return
    results = run.report["results"]
    rows = [(number, one["encoder"], one["generator"]) for number, one in enumerate(results, start=1)]
    title = f"{run.id}, {run.report['seconds'] / 60:.0f} minutes"
    print_table(title, ("round", "retriever", "generator"), rows)
    last = results[-1]
    out.print(
        "Measure both: footnote evaluate --answers "
        f"--encoder {last['encoder']} --generator {last['generator']}",
        highlight=False,
        soft_wrap=True,
    )


def _print_scores(report: dict[str, Any]) -> None:
    best = report["epoch"]
    rows = [
        (("as it was" if not epoch else str(epoch)) + (" (taken)" if epoch == best else ""), f"{score:.3f}")
        for epoch, score in enumerate(report["scores"])
    ]
    rows += [
        (
            f"{best}, at {scale} of its strength" + (" (taken)" if float(scale) == report["scale"] else ""),
            f"{score:.3f}",
        )
        for scale, score in report["scales"].items()
        if float(scale) < 1
    ]
    print_table(f"{report['dev']['examples']} held-out questions", ("epoch", "grounded score"), rows)
    if not best:
        out.print("No epoch was better than the generator as it was, so its weights were kept.")

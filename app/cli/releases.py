"""``footnote release``: what answers, and how another takes its place."""

from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Literal

import typer

from app.cli.output import out, print_json, print_table, progress_bars, say
from app.cli.suites import open_questions
from app.db.releases import ReleaseView, get_release, list_events, list_releases
from app.settings import load_settings
from app.wiring import build_services
from finetune.gate import GateDecision, MainMeasure

ANSWERED = 60


class PairsSplit(StrEnum):
    """Which held-out pairs are asked."""

    DEV = "dev"
    TEST = "test"


release = typer.Typer(
    help="What answers: retriever, generator, index, thresholds and prompt, which go live together.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@release.command("list")
def list_all(json: AsJson = False) -> None:
    """Every release, the newest first."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        found = list_releases(session)
    if json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        _print_release(one)


@release.command("show")
def show(release_id: str) -> None:
    """One release, with what happened to it, as JSON."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        found = get_release(session, release_id)
        events = list_events(session, release_id)
    print_json(asdict(found) | {"events": [asdict(event) for event in events]})


@release.command("create")
def create(
    encoder: Annotated[
        str | None, typer.Option(help="run:ID or another reference; the configured one if not given.")
    ] = None,
    generator: Annotated[str | None, typer.Option(help="The same for the generator.")] = None,
    note: Annotated[str, typer.Option(help="What it is, for people.")] = "",
    json: AsJson = False,
) -> None:
    """Record a candidate with an index of its own; nothing goes live."""
    from app.releases import create_release  # noqa: PLC0415 - loads the search libraries

    settings = load_settings()
    named = {"encoder": encoder or settings.encoder, "generator": generator or settings.generator}
    with progress_bars() as progress, closing(build_services(settings)) as services:
        made = create_release(services, settings.model_copy(update=named), note=note, progress=progress)
    _print(made, json=json)


Suite = Annotated[
    str | None, typer.Option(help="Folder or name of a suite; approved pairs of this home if not given.")
]
Split = Annotated[PairsSplit, typer.Option(help="Which pairs are asked.")]
Main = Annotated[
    MainMeasure | None,
    typer.Option(help="What must rise: citation recall where the generator is another, else mrr@10."),
]
Margin = Annotated[float, typer.Option(min=0, max=1, help="By how much, at the lower end of its interval.")]
Answers = Annotated[
    int,
    typer.Option(
        min=1, help="Questions that are answered; up to four times as many while a guard is in doubt."
    ),
]


@release.command("gate")
def gate(
    release_id: str,
    *,
    suite: Suite = None,
    pairs: Split = PairsSplit.TEST,
    main: Main = None,
    margin: Margin = 0.0,
    answers: Answers = ANSWERED,
    json: AsJson = False,
) -> None:
    """Ask a candidate and what is live the same questions, and decide; nothing goes live."""
    decision = _decide(release_id, suite, pairs, main=main, margin=margin, answers=answers)
    if json:
        print_json(asdict(decision))
    else:
        _print_decision(decision)
    if not decision.passed:
        raise typer.Exit(1)


@release.command("promote")
def promote_release(
    release_id: str,
    *,
    suite: Suite = None,
    pairs: Split = PairsSplit.TEST,
    main: Main = None,
    margin: Margin = 0.0,
    answers: Answers = ANSWERED,
    force: Annotated[bool, typer.Option("--force", help="Without the gate; needs --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; recorded.")] = None,
    json: AsJson = False,
) -> None:
    """Make a release live if the gate lets it; servers follow within seconds."""
    from app.releases import is_live, promote  # noqa: PLC0415

    if force and not (reason or "").strip():
        raise typer.BadParameter("--force needs --reason: it is recorded why the gate was passed by")
    with closing(build_services(load_settings())) as services:
        done = is_live(services, release_id)  # by the same command before, which was killed after it
    if not force and not done:
        decision = _decide(release_id, suite, pairs, main=main, margin=margin, answers=answers)
        if not json:
            _print_decision(decision)
        if not decision.passed:
            if json:
                print_json(asdict(decision))
            raise typer.Exit(1)
    with progress_bars() as progress, closing(build_services(load_settings())) as services:
        moved = promote(services, release_id, reason=reason, forced=force, progress=progress)
    _print(moved, json=json)


def _decide(
    release_id: str,
    suite: str | None,
    pairs: PairsSplit,
    *,
    main: MainMeasure | None,
    margin: float,
    answers: int,
) -> GateDecision:
    from app.release_gate import DRAWN_BY, gate_release  # noqa: PLC0415

    with progress_bars() as progress, closing(build_services(load_settings())) as services:
        split: Literal["dev", "test"] = "dev" if pairs is PairsSplit.DEV else "test"
        with open_questions(services, suite, None if suite else split, progress) as (corpus, asked):
            return gate_release(
                services,
                corpus,
                release_id,
                asked,
                main=main,
                margin=margin,
                answers=answers,
                seed=DRAWN_BY,
                progress=progress,
                say=say,
            )


def _print_decision(decision: GateDecision) -> None:
    rows = [
        (
            check.name,
            check.kind,
            f"{check.live:.3f}",
            f"{check.candidate:.3f}",
            ("doubtful" if check.doubtful else "yes") if check.passed else "NO",
        )
        for check in decision.checks
    ]
    if rows:
        print_table(f"{decision.questions} questions", ("measure", "as", "live", "candidate", "passed"), rows)
    for reason in decision.reasons:
        out.print(f"Refused: {reason}.", highlight=False, markup=False, soft_wrap=True)
    for check in decision.checks:
        if check.doubtful:
            out.print(f"In doubt: {check.reason}.", highlight=False, markup=False, soft_wrap=True)
    if decision.passed:
        out.print("The gate lets it pass.")


@release.command("rollback")
def rollback(
    release_id: Annotated[
        str | None, typer.Argument(help="The release to go back to; if not given, what was replaced.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; recorded.")] = None,
    json: AsJson = False,
) -> None:
    """Go back to a former release, with its index and its answers."""
    from app.releases import roll_back  # noqa: PLC0415

    with progress_bars() as progress, closing(build_services(load_settings())) as services:
        moved = roll_back(services, release_id, reason=reason, progress=progress)
    _print(moved, json=json)


def _print(one: ReleaseView, *, json: bool) -> None:
    if json:
        print_json(asdict(one))
    else:
        _print_release(one)


def _print_release(one: ReleaseView) -> None:
    out.print(
        f"{one.id}  {one.created_at:%Y-%m-%d %H:%M}  {one.state}  {one.encoder}, {one.generator}"
        + (f": {one.note}" if one.note else ""),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )

"""What jobs do with models: tuning them, recording releases of them, and making a release live."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any, Literal, TypedDict

from app.db.releases import ReleaseNotFound, get_release
from app.evaluations.questions import pair_questions
from app.observability import logger
from app.release_gate import DRAWN_BY, gate_release
from app.releases import create_release, is_live, promote
from app.workflows import Run
from finetune.gate import MainMeasure

LONGEST_STAGE = 20  # characters that its column holds
REPORTING_SECONDS = 1.0  # between two reports of work that reports at every turn


class GateOptions(TypedDict):
    """How the gate is asked: of which held-out pairs, what must rise by how much, how many answers."""

    pairs: Literal["dev", "test"]
    main: MainMeasure | None
    margin: float
    answers: int


def _brief(run: Run) -> Callable[[str, int, int], None]:
    """Reports of work that reports at every turn, and in sentences: as often and as short as a job needs."""
    reported = float("-inf")

    def report(what: str, done: int, total: int) -> None:
        nonlocal reported
        run.check()
        if time.monotonic() - reported >= REPORTING_SECONDS:
            reported = time.monotonic()
            run.report(what.lower()[:LONGEST_STAGE], done, total)

    return report


def tune_encoder(run: Run, options: Mapping[str, Any]) -> dict[str, Any]:
    """Tune the encoder on this home's pairs and clicks; nothing goes live.

    Args:
        run: This run.
        options: ``epochs``, ``batch_size``, ``negatives``, ``learning_rate`` and ``seed``, those that are
            given; see `finetune.configuration`.

    Returns:
        ``training_run``, its id.
    """
    return {"training_run": run.step("tune", partial(_tune_encoder, run, options))}


def _tune_encoder(run: Run, options: Mapping[str, Any]) -> str:
    from app.learning.retriever import TuneRetriever, tune_retriever  # noqa: PLC0415 - loads the trainer
    from finetune.configuration import OptimizerConfig, RetrieverConfig  # noqa: PLC0415

    of_optimizer = {key: options[key] for key in ("learning_rate", "seed") if key in options}
    of_tuning = {key: value for key, value in options.items() if key not in of_optimizer}
    wanted = TuneRetriever(config=RetrieverConfig(**of_tuning), optimizer=OptimizerConfig(**of_optimizer))
    return tune_retriever(run.services, wanted, _brief(run)).id


def make_release(run: Run, encoder: str | None, generator: str | None, note: str) -> dict[str, Any]:
    """Record a candidate with an index of its own.

    Args:
        run: This run.
        encoder: A reference; None for the configured one.
        generator: The same for the generator.
        note: What it is, for people.

    Returns:
        ``release_id``.
    """
    settings = run.services.settings
    named = {"encoder": encoder or settings.encoder, "generator": generator or settings.generator}
    release_id = run.job_id.replace("job_", "rel_", 1)  # so that a repeated step makes no second one

    def create() -> str:
        with run.services.database.reading() as session, contextlib.suppress(ReleaseNotFound):
            return get_release(session, release_id).id
        return create_release(
            run.services,
            settings.model_copy(update=named),
            note=note,
            progress=_brief(run),
            release_id=release_id,
        ).id

    return {"release_id": run.step("release", create)}


def promote_release(
    run: Run, release_id: str, gate: GateOptions | None, reason: str | None
) -> dict[str, Any]:
    """Let the gate decide on a release, and make it live if it passes.

    Args:
        run: This run.
        release_id: The release.
        gate: How it is asked; None to pass it by.
        reason: Why; needed where the gate is passed by.

    Returns:
        ``promoted``, and the ``gate``'s decision; None where it was passed by, or the release is
        live already.
    """
    services, decision = run.services, None
    if gate is not None:
        decision = run.step("gate", partial(_ask_gate, run, release_id, gate))
        if decision is not None and not decision["passed"]:
            return {"promoted": False, "gate": decision}

    def make_live() -> None:
        promote(
            services,
            release_id,
            reason=reason,
            forced=gate is None,
            progress=_brief(run),
            job_id=run.job_id,
        )

    run.step("promote", make_live)
    return {"promoted": True, "gate": decision}


def _ask_gate(run: Run, release_id: str, gate: GateOptions) -> dict[str, Any] | None:
    services = run.services
    if is_live(services, release_id):
        return None
    decision = gate_release(
        services,
        services,
        release_id,
        pair_questions(services.database, services.settings, gate["pairs"]),
        main=gate["main"],
        margin=gate["margin"],
        answers=gate["answers"],
        seed=DRAWN_BY,
        progress=_brief(run),
        say=lambda text: logger().info("gate", said=text),
    )
    return asdict(decision)

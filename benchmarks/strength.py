"""What a least strength of evidence refuses: on questions that can't be answered, and on those that can.

    python -m benchmarks.strength SUITE [SUITE ...] [--evidence retrieved] [--encoder REF] [--without 60]

No answer is written: it is what would be refused before that, for ``FOOTNOTE_MINIMUM_STRENGTH`` or for a name
that no passage mentions. ``--without N`` leaves out the N questions that ``footnote evaluate --answers
--limit N`` asks: nothing is chosen on what is reported.
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.cli.suites import open_questions
from app.evaluations.answers import collect_evidence
from app.evaluations.questions import draw_questions
from app.models import Models
from app.observability import configure_logging
from app.settings import Settings, load_settings
from app.wiring import build_services
from benchmarks.tuning import report_nothing
from finetune.answer_drafts import Condition, ShownQuestion
from finetune.answer_metrics import refusal_measures
from generator.passages import read_passage
from generator.strength import StrengthConfig, measure_strength

Flags = NDArray[np.bool_]

LEAST = (0.0, 0.40, 0.45, 0.50, 0.52, 0.55, 0.60, 0.65)


def main() -> None:
    """Print a table for each suite as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("suites", nargs="+", help="names below <home>/suites, or folders")
    parser.add_argument("--evidence", type=Condition, default=Condition.GOLD, help="gold or retrieved")
    parser.add_argument("--encoder", help="the configured one if not given")
    parser.add_argument("--without", type=int, default=0)
    arguments = parser.parse_args()
    configure_logging("error")
    settings = load_settings()
    if arguments.encoder:
        settings = settings.model_copy(update={"encoder": arguments.encoder})
    tables = {
        suite: _measure(settings, suite, arguments.evidence, arguments.without) for suite in arguments.suites
    }
    print(json.dumps(tables, indent=2))


def _measure(settings: Settings, suite: str, condition: Condition, without: int) -> dict[str, Any]:
    with (
        closing(build_services(settings)) as services,
        open_questions(services, suite, None, report_nothing) as (corpus, asked),
    ):
        drawn = draw_questions(asked, without, seed=0) if without else None
        reported = {one.id for one in (*drawn.questions, *drawn.unanswerable)} if drawn else set()
        found = collect_evidence(
            corpus.database,
            asked,
            settings.encoder,
            Models(settings),
            [condition],
            most=settings.evidence_passages,
            progress=report_nothing,
        ).shown[condition]
    shown = [one for one in found if one.question.id not in reported]
    if not shown:
        raise SystemExit(f"error: no question of {suite} is left; name a smaller number with --without")
    answerable = np.array([one.question.answerable for one in shown])
    return {
        "questions": len(shown),
        "can be answered": int(answerable.sum()),
        "least strength": {str(least): _refused(_are_weak(shown, least), answerable) for least in LEAST},
    }


def _are_weak(shown: Sequence[ShownQuestion], least: float) -> Flags:
    config = StrengthConfig(minimum=least)
    found = [
        measure_strength(
            one.question.question,
            [read_passage(passage, subjects=one.subjects) for passage in one.evidence],
            config,
        )
        for one in shown
    ]
    return np.array([not strength.sufficient for strength in found])


def _refused(refused: Flags, answerable: Flags) -> dict[str, float]:
    """Shares of questions that would be refused, and how well these refusals fall."""
    shares = {
        "refused of what can be answered": refused[answerable].mean() if answerable.any() else 0.0,
        **{name: one.mean for name, one in refusal_measures(refused.tolist(), answerable.tolist()).items()},
    }
    return {name: round(float(share), 3) for name, share in shares.items()}


if __name__ == "__main__":
    main()

"""The page of a run of either kind."""

from collections.abc import Sequence

from app.evaluations.answer_page import render_answer_page
from app.evaluations.answer_reports import AnswerRun
from app.evaluations.page import render_page
from app.evaluations.reports import EvaluationRun
from app.evaluations.stored_runs import AnyRun


def render_runs(runs: Sequence[AnyRun]) -> str:
    """The last run as a page, with the others of its kind beside it.

    Args:
        runs: Runs of the same questions, at least one; those that the last was compared with come first.
    """
    if isinstance(runs[-1], AnswerRun):
        return render_answer_page([run for run in runs if isinstance(run, AnswerRun)])
    return render_page([run for run in runs if isinstance(run, EvaluationRun)])

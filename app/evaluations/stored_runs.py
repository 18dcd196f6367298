"""Evaluation runs of every kind as the database keeps them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter

from app.db.evaluation_runs import add_evaluation, get_evaluation
from app.db.session import Database
from app.evaluations.answer_reports import AnswerEvaluation, AnswerRun, AnswerSubject
from app.evaluations.reports import AskedQuestion, EvaluationReport, EvaluationRun, Subject
from finetune.comparison import NotComparable

AnyRun = EvaluationRun | AnswerRun
_RUN: TypeAdapter[AnyRun] = TypeAdapter(AnyRun)


def store(
    database: Database,
    suite: str,
    subject: Subject | AnswerSubject,
    report: EvaluationReport | AnswerEvaluation,
) -> tuple[str, datetime]:
    """Store a run; its id, and when that was.

    Args:
        database: Where runs are kept.
        suite: What was asked.
        subject: What was evaluated.
        report: What was found.
    """
    now = datetime.now(UTC)
    subject_json, report_json = subject.model_dump(mode="json"), report.model_dump(mode="json")
    with database.writing() as session:
        run_id = add_evaluation(session, suite=suite, subject=subject_json, report=report_json, now=now)
    return run_id, now


def read_run(database: Database, run_id: str) -> AnyRun:
    """A stored run.

    Raises:
        EvaluationNotFound: If there is none of this id.
    """
    with database.reading() as session:
        view = get_evaluation(session, run_id)
    return _RUN.validate_python(view, from_attributes=True)


def read_compared(database: Database, run: AnyRun) -> list[AnyRun]:
    """The runs that a run was compared with."""
    return [read_run(database, comparison.run) for comparison in run.report.comparisons]


def check_questions(first: AnyRun, sha256: str, asked: Sequence[AskedQuestion]) -> None:
    """Make sure that a run was asked these questions.

    Raises:
        NotComparable: If it was not; says what differs.
    """
    if first.report.suite_sha256 == sha256:
        return
    before = {question.id: question for question in first.report.asked}
    now = {question.id: question for question in asked}
    both = before.keys() & now.keys()
    changed = sum(before[one] != now[one] for one in both)
    raise NotComparable(
        f"run {first.id} was asked {first.suite!r} with the checksum {first.report.suite_sha256[:12]}, not "
        f"{sha256[:12]}: {len(before.keys() - both)} of its questions are not asked now, "
        f"{len(now.keys() - both)} are new, {changed} have other words, products, origins or gold documents; "
        "if all are 0, gold passages, answers or the manifest changed. Evaluate both anew"
    )

"""Evaluation runs of answers: each retriever beside each generator, compared and stored."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

from app.bundles import answer_config
from app.db.session import Database
from app.downloads import Progress, Say
from app.evaluations.answer_reports import AnswerComparison, AnswerEvaluation, AnswerRun, AnswerSubject
from app.evaluations.answers import Cell, EvaluatedRetriever, Shown, measure_answers
from app.evaluations.drafts import DraftStore
from app.evaluations.questions import Asked
from app.evaluations.runs import PACKAGES, describe_questions
from app.evaluations.stored_runs import check_questions, store
from app.settings import Settings
from finetune.answer_drafts import Condition
from finetune.answer_evaluation import AnswerReport
from finetune.comparison import compare_values
from finetune.suites import SuiteInvalid
from generator.models import Generator
from generator.prompt import PROMPT_VERSION

Values = dict[str, Mapping[str, float]]


def join_cells(asked: Asked, retrievers: Sequence[EvaluatedRetriever]) -> Shown:
    """What every generator is asked.

    Raises:
        SuiteInvalid: If that is nothing.
    """
    shown: Shown = {
        (one.reference, condition): ones for one in retrievers for condition, ones in one.shown.items()
    }
    if not shown:
        raise SuiteInvalid(
            f"{asked.name}: nothing can be asked. Gold evidence needs gold_passages that are in the "
            "documents, no evidence needs answers; docs/evaluation.md describes both"
        )
    return shown


def evaluate_generator(
    reference: str,
    generator: Generator,
    asked: Asked,
    retrievers: Sequence[EvaluatedRetriever],
    *,
    corpus_sha256: str,
    settings: Settings,
    drafts: DraftStore,
    progress: Progress,
    say: Say,
) -> list[tuple[AnswerSubject, AnswerEvaluation]]:
    """One generator beside every retriever.

    Args:
        reference: How settings name the generator.
        generator: The generator.
        asked: The questions.
        retrievers: What was found for them.
        corpus_sha256: Where.
        settings: Budgets of the server.
        drafts: Keeps what was written.
        progress: Told how far it is.
        say: Told how many answers will be written, and how long that takes.

    Raises:
        SuiteInvalid: If there is nothing that can be asked.
    """
    config = answer_config(settings)
    shown = join_cells(asked, retrievers)
    reports = measure_answers(shown, generator, config, drafts, progress=progress, say=say)
    evaluated = []
    for one in retrievers:
        subject = AnswerSubject(
            kind="answers",
            encoder=one.reference,
            encoder_fingerprint=one.fingerprint,
            reranker=one.reranker,
            generator=reference,
            generator_fingerprint=generator.fingerprint,
            prompt=PROMPT_VERSION,
            corpus_sha256=corpus_sha256,
            settings={
                "search": dict(one.search),
                "passages": settings.evidence_passages,
                "answers": asdict(config),
            },
            versions={name: version(name) for name in PACKAGES},
        )
        evaluated.append((subject, _report(asked, _of(reports, one))))
    return evaluated


def _of(reports: Mapping[Cell, AnswerReport], one: EvaluatedRetriever) -> dict[Condition, AnswerReport]:
    return {condition: reports[one.reference, condition] for condition in one.shown}


def _report(asked: Asked, found: Mapping[Condition, AnswerReport]) -> AnswerEvaluation:
    questions = (*asked.questions, *asked.unanswerable)
    means = {
        condition.value: {name: measure.mean for name, measure in report.measures.items()}
        for condition, report in found.items()
    }
    return AnswerEvaluation(
        suite_sha256=asked.sha256,
        asked=describe_questions(questions),
        unanswerable=len(asked.unanswerable),
        left_out=asked.left_out,
        without_passages=sum(question.id not in asked.gold_passages for question in questions),
        without_references=sum(not question.answers for question in asked.questions),
        conditions=dict(found),
        summary={"questions": len(questions), **means},
    )


def compare_answers(first: AnswerRun, subject: AnswerSubject, report: AnswerEvaluation) -> AnswerComparison:
    """Paired differences of a report and an earlier run, above 0 where the report is better.

    Raises:
        NotComparable: If they are not of the same questions; says what differs.
    """
    check_questions(first, report.suite_sha256, report.asked)
    return AnswerComparison(
        run=first.id,
        name=first.subject.name,
        same_corpus=first.subject.corpus_sha256 == subject.corpus_sha256,
        conditions={
            condition: compare_values(*_common(first.report.conditions[condition], now))
            for condition, now in report.conditions.items()
            if condition in first.report.conditions
        },
    )


def _common(first: AnswerReport, second: AnswerReport) -> tuple[Values, Values]:
    """Values by question, of those that both have: passages of a question may be gone by now."""
    before = {one.id: one.values for one in first.outcomes}
    now = {one.id: one.values for one in second.outcomes}
    both = [one for one in before if one in now]
    return {one: before[one] for one in both}, {one: now[one] for one in both}


def store_answers(
    database: Database,
    asked: Asked,
    subject: AnswerSubject,
    report: AnswerEvaluation,
    against: Sequence[AnswerRun],
) -> AnswerRun:
    """Store an evaluation with its comparisons.

    Args:
        database: Where runs are kept.
        asked: What was asked.
        subject: What was evaluated.
        report: What was found.
        against: Runs to compare it with.

    Raises:
        NotComparable: If one of these is of other questions.
    """
    comparisons = tuple(compare_answers(first, subject, report) for first in against)
    compared = report.model_copy(update={"comparisons": comparisons})
    run_id, now = store(database, asked.name, subject, compared)
    return AnswerRun(id=run_id, created_at=now, suite=asked.name, subject=subject, report=compared)

"""An evaluation run made by hand, for tests of what is shown of runs."""

from datetime import UTC, datetime

from app.evaluations.reports import (
    AskedQuestion,
    EvaluationReport,
    EvaluationRun,
    IndexFacts,
    RunComparison,
    Subject,
)
from finetune.comparison import compare_outcomes
from finetune.evaluation import FoundPassage, RetrievalReport, evaluate_retrieval
from finetune.suites import Question


def make_run(
    name: str, ranks: dict[str, int], text: str = "plain", against: EvaluationRun | None = None
) -> EvaluationRun:
    """A run whose questions found their gold document at these places; ``text`` stands wherever text can."""
    questions = [
        Question(
            id=question_id,
            question=f"{text} {question_id}?",
            gold_documents=(f"gold {text}",),
            product=f"{text} {number % 2}",
            origin=f"{text} {number % 3}",
        )
        for number, question_id in enumerate(ranks)
    ]
    places = {question.question: ranks[question.id] for question in questions}

    def find(question: str) -> list[FoundPassage]:
        found = [
            FoundPassage(passage_id=f"p{n}", uri=f"{text} {n}", title=text, heading_path=(text, f"{n}"))
            for n in range(1, 60)
        ]
        place = places[question]
        gold = FoundPassage(passage_id="gold", uri=f"gold {text}", title=text, heading_path=())
        return [*found[: place - 1], gold, *found[place:]] if place else found

    report = evaluate_retrieval(questions, find, {one.id: ["gold"] for one in questions})
    variants = {"fused": report, "dense": report, "bm25": report}
    subject = Subject(
        encoder=f"{text} encoder",
        encoder_fingerprint=text,
        index=IndexFacts(documents=3, passages=9, questions=1, corpus_sha256="c"),
        search={},
        versions={text: "1"},
    )
    return EvaluationRun(
        id=name,
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        suite=text,
        subject=subject,
        report=EvaluationReport(
            suite_sha256="s",
            asked=tuple(
                AskedQuestion(
                    id=one.id,
                    question=one.question,
                    product=one.product,
                    origin=one.origin,
                    gold_documents=one.gold_uris,
                )
                for one in questions
            ),
            unanswerable=2,
            left_out=0,
            not_located=0,
            missing_documents=(text,),
            variants=variants,
            comparisons=() if against is None else (_compare(against, report),),
            summary={"questions": len(questions)},
        ),
    )


def _compare(first: EvaluationRun, report: RetrievalReport) -> RunComparison:
    compared = compare_outcomes(first.report.variants["fused"].outcomes, report.outcomes)
    return RunComparison(
        run=first.id,
        encoder=first.subject.encoder,
        same_corpus=False,
        variants={"fused": compared, "dense": compared},
    )

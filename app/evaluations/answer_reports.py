"""An evaluation of answers as it is stored, exported and given over HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from app.evaluations.reports import AskedQuestion, Part
from finetune.answer_drafts import Condition
from finetune.answer_evaluation import AnswerReport
from finetune.comparison import Difference


class AnswerSubject(Part):
    """What was evaluated: a retriever and a generator, as they would serve."""

    kind: Literal["answers"]
    encoder: str = Field(description="As settings name it.", examples=["all-minilm-l6-v2"])
    encoder_fingerprint: str
    reranker: str | None = Field(description="Fingerprint of the reranker, where one is set.")
    generator: str = Field(description="As settings name it.", examples=["qwen2.5-coder-0.5b-instruct"])
    generator_fingerprint: str
    prompt: str = Field(description="Version of the prompt.")
    corpus_sha256: str = Field(description="Equal where documents and pairs were the same.")
    settings: dict[str, Any] = Field(description="Budgets and thresholds of search and of answers.")
    versions: dict[str, str] = Field(description="Package to version.", examples=[{"footnote": "0.1.0"}])

    @property
    def name(self) -> str:
        """Both models, for people."""
        return f"{self.encoder} + {self.generator}"


class AnswerComparison(Part):
    """This run against another one: paired differences, above 0 where this run is better."""

    run: str = Field(description="The other run.")
    name: str = Field(description="What the other run evaluated.")
    same_corpus: bool = Field(description="Whether documents and pairs were the same in both.")
    conditions: dict[Condition, dict[str, Difference]] = Field(
        description="For each evidence that both were shown, the difference of each measure."
    )


class AnswerEvaluation(Part):
    """Everything that an evaluation of answers found."""

    suite_sha256: str = Field(description="Checksum of the questions that were asked.")
    asked: tuple[AskedQuestion, ...]
    unanswerable: int = Field(description="Questions among them that the documents do not answer.")
    left_out: int = Field(description="Pairs whose own document holds their question, and finds itself.")
    without_passages: int = Field(description="Questions of which no gold passages are known.")
    without_references: int = Field(description="Questions that can be answered, without references.")
    conditions: dict[Condition, AnswerReport] = Field(description="What was shown, to what came of it.")
    comparisons: tuple[AnswerComparison, ...] = ()
    summary: dict[str, Any] = Field(description="Number of questions, and the means for each evidence.")


class AnswerRun(Part):
    """An evaluation run of answers."""

    id: str = Field(examples=["evl_3f2a9c0d11e24b6f8a7c5d90"])
    created_at: datetime
    suite: str = Field(examples=["clapnq", "pairs dev"])
    subject: AnswerSubject
    report: AnswerEvaluation

    def notes(self) -> list[str]:
        """What a reader of the figures must know, a line each."""
        report = self.report
        counted = (
            (report.unanswerable, "questions can't be answered from the documents: refusing them is right"),
            (report.left_out, "pairs left out: they come from tables or threads, and find themselves"),
            (
                report.without_passages if Condition.GOLD in report.conditions else 0,
                "questions are not asked with gold evidence: no passages of theirs are known",
            ),
            (report.without_references, "questions have no references, and no token recall"),
        )
        return [f"{count} {what}" for count, what in counted if count]

"""An evaluation as it is stored, exported and given over HTTP."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finetune.comparison import Comparison
from finetune.evaluation import RetrievalReport

MAIN_VARIANT = "fused"
COMPARED_VARIANTS = (MAIN_VARIANT, "dense")


class Part(BaseModel):
    """What a stored run is made of."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class IndexFacts(Part):
    """What was searched."""

    documents: int
    passages: int
    questions: int = Field(description="Questions of QA pairs; those that were asked are not among them.")
    corpus_sha256: str = Field(description="Equal where documents and pairs were the same.")


class Subject(Part):
    """What was evaluated."""

    kind: Literal["retrieval"] = "retrieval"
    encoder: str = Field(description="As settings name it.", examples=["all-minilm-l6-v2", "run:trn_3f2a"])
    encoder_fingerprint: str
    index: IndexFacts
    search: dict[str, dict[str, Any]] = Field(description="Variant to how it searches.")
    versions: dict[str, str] = Field(description="Package to version.", examples=[{"footnote": "0.1.0"}])

    @property
    def name(self) -> str:
        """What was evaluated, for people."""
        return self.encoder


class AskedQuestion(Part):
    """A question that was asked."""

    id: str
    question: str
    product: str | None
    origin: str | None
    gold_documents: tuple[str, ...]


class RunComparison(Part):
    """This run against another one: paired differences, above 0 where this run is better."""

    run: str = Field(description="The other run.")
    encoder: str = Field(description="What the other run evaluated.")
    same_corpus: bool = Field(description="Whether documents and pairs were the same in both.")
    variants: dict[str, Comparison]


class EvaluationReport(Part):
    """Everything that an evaluation found."""

    suite_sha256: str = Field(description="Checksum of manifest and questions.")
    asked: tuple[AskedQuestion, ...]
    unanswerable: int = Field(
        description="Questions that the documents do not answer; they are not searched."
    )
    left_out: int = Field(description="Pairs whose own document holds their question, and finds itself.")
    not_located: int = Field(description="Questions of whose gold passages no words are in the documents.")
    missing_documents: tuple[str, ...] = Field(description="Gold documents that the index does not hold.")
    variants: dict[str, RetrievalReport]
    comparisons: tuple[RunComparison, ...] = ()
    summary: dict[str, Any] = Field(
        description="Number of questions, and each variant's means.",
        examples=[{"questions": 205, "fused": {"hit@10": 0.741, "mrr@10": 0.443}}],
    )


class EvaluationRun(Part):
    """An evaluation run."""

    id: str = Field(examples=["evl_3f2a9c0d11e24b6f8a7c5d90"])
    created_at: datetime
    suite: str = Field(examples=["ray", "pairs dev"])
    subject: Subject
    report: EvaluationReport

    def notes(self) -> list[str]:
        """What a reader of the figures must know, a line each."""
        report = self.report
        counted = (
            (report.unanswerable, "questions can't be answered from the documents; they are not searched"),
            (report.left_out, "pairs left out: they come from tables or threads, and find themselves"),
            (report.not_located, "questions have gold passages whose words are not in the documents"),
            (len(report.missing_documents), "gold documents are not in the index; they count as missed"),
        )
        return [f"{count} {what}" for count, what in counted if count]

"""Making an evaluation run: an index of one encoder, asked in several ways, compared and stored."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from app.db.indexes import corpus_sha256
from app.db.passages import passage_places
from app.db.products import product_names
from app.db.session import Database
from app.downloads import Progress
from app.embedding import embed_missing
from app.evaluations.questions import Asked
from app.evaluations.reports import (
    COMPARED_VARIANTS,
    AskedQuestion,
    EvaluationReport,
    EvaluationRun,
    IndexFacts,
    RunComparison,
    Subject,
)
from app.evaluations.stored_runs import check_questions, store
from app.indexing import build_index_without
from app.models import Models
from app.searching import LiveIndex, rerank_hits, search_live
from finetune.comparison import compare_outcomes
from finetune.evaluation import FoundPassage, RetrievalReport, evaluate_retrieval
from finetune.suites import Question
from retriever.encoder import Encoder
from retriever.index import Index
from retriever.reranking import TimedReranker
from retriever.search import BM25_ALONE, DENSE_ALONE, SearchConfig

EVALUATED_DEPTH = 100  # passages per question: enough for ten documents
PACKAGES = ("footnote", "torch", "sentence-transformers", "faiss-cpu", "bm25s")


def variants(config: SearchConfig) -> dict[str, SearchConfig]:
    """The ways in which an index is asked: as it is served, by vectors alone, and by words alone."""
    return {
        "fused": config,
        "dense": DENSE_ALONE,
        "bm25": BM25_ALONE,
    }


def evaluate_encoder(
    database: Database, asked: Asked, reference: str, models: Models, progress: Progress
) -> tuple[Subject, EvaluationReport]:
    """Build an index of a database's corpus with one encoder, and ask it.

    The index lies in a temporary folder. Vectors are cached in the database, so that a second evaluation
    of the same encoder embeds nothing.

    Args:
        database: Where the corpus is.
        asked: The questions.
        reference: How settings name the encoder.
        models: Models of settings with that encoder.
        progress: Told how far it is.
    """
    encoder = models.encoder
    embed_missing(database, encoder, report=partial(progress, f"Embedding with {reference}"))
    with tempfile.TemporaryDirectory() as folder:
        index = build_index_without(database, encoder, asked.split, Path(folder) / "index")
        with database.reading() as session:
            corpus = corpus_sha256(session)
        configs = variants(models.search_config)
        find = _finder(database, index, encoder)
        reports = _ask(asked, find, configs, partial(progress, f"Asking {reference}"))
        reranker = models.reranker
        if reranker is not None:
            reranked = partial(find, models.search_config, reranker=reranker.without_budget())
            reranked(asked.questions[0].question)  # the first one measures its own speed
            reports["reranked"] = evaluate_retrieval(asked.questions, reranked, asked.gold_passages)
    subject = Subject(
        encoder=reference,
        encoder_fingerprint=encoder.fingerprint,
        index=IndexFacts(
            documents=index.manifest.documents,
            passages=index.manifest.passages,
            questions=index.manifest.questions,
            corpus_sha256=corpus,
        ),
        search={name: asdict(config) for name, config in configs.items()}
        | ({} if reranker is None else {"reranked": _described(models.search_config, reranker)}),
        versions={name: version(name) for name in PACKAGES},
    )
    return subject, _report(asked, reports)


def _ask(
    asked: Asked,
    find: Callable[[SearchConfig, str], list[FoundPassage]],
    configs: Mapping[str, SearchConfig],
    progress: Callable[[int, int], None],
) -> dict[str, RetrievalReport]:
    find(next(iter(configs.values())), asked.questions[0].question)  # the first one warms up: it is not timed
    reports = {}
    for number, (name, config) in enumerate(configs.items()):
        progress(number, len(configs))
        reports[name] = evaluate_retrieval(asked.questions, partial(find, config), asked.gold_passages)
    progress(len(configs), len(configs))
    return reports


def _described(config: SearchConfig, reranker: TimedReranker) -> dict[str, Any]:
    own = {"reranker": reranker.fingerprint, "weight": reranker.config.weight}
    return asdict(config) | own | {"passages": reranker.config.passages}


class _Find(Protocol):
    def __call__(
        self, config: SearchConfig, question: str, *, reranker: TimedReranker | None = None
    ) -> list[FoundPassage]: ...


def _finder(database: Database, index: Index, encoder: Encoder) -> _Find:
    """Searches an index as the server does, but for the reading of texts."""
    live = LiveIndex(id="evaluated", index=index, hidden_documents=frozenset(), hidden_pairs=frozenset())
    with database.reading() as session:
        names, places = product_names(session), passage_places(session)

    def find(
        config: SearchConfig, question: str, *, reranker: TimedReranker | None = None
    ) -> list[FoundPassage]:
        result = search_live(
            live, encoder, question, k=EVALUATED_DEPTH, products=None, names=names, config=config
        )
        hits = result.hits
        if reranker is not None:
            hits = rerank_hits(database, reranker, question, hits)
        return [
            FoundPassage(passage_id=hit.passage_id, **places[hit.passage_id]._asdict())
            for hit in hits
            if hit.passage_id in places  # a document may be deleted meanwhile
        ]

    return find


def _report(asked: Asked, reports: dict[str, RetrievalReport]) -> EvaluationReport:
    means = {
        name: {measure: value.mean for measure, value in report.measures.items()}
        for name, report in reports.items()
    }
    return EvaluationReport(
        suite_sha256=asked.sha256,
        asked=describe_questions(asked.questions),
        unanswerable=len(asked.unanswerable),
        left_out=asked.left_out,
        not_located=asked.not_located,
        missing_documents=asked.missing_documents,
        variants=reports,
        summary={"questions": len(asked.questions), **means},
    )


def describe_questions(questions: Sequence[Question]) -> tuple[AskedQuestion, ...]:
    """Questions as a report keeps them."""
    return tuple(
        AskedQuestion(
            id=question.id,
            question=question.question,
            product=question.product,
            origin=question.origin,
            gold_documents=question.gold_uris,
        )
        for question in questions
    )


def compare_with(first: EvaluationRun, subject: Subject, report: EvaluationReport) -> RunComparison:
    """Paired differences of a report and an earlier run, above 0 where the report is better.

    Raises:
        NotComparable: If they are not of the same questions; says what differs.
    """
    check_questions(first, report.suite_sha256, report.asked)
    return RunComparison(
        run=first.id,
        encoder=first.subject.encoder,
        same_corpus=first.subject.index.corpus_sha256 == subject.index.corpus_sha256,
        variants={
            name: compare_outcomes(first.report.variants[name].outcomes, report.variants[name].outcomes)
            for name in COMPARED_VARIANTS
            if name in first.report.variants and name in report.variants
        },
    )


def store_run(
    database: Database,
    asked: Asked,
    subject: Subject,
    report: EvaluationReport,
    against: Sequence[EvaluationRun],
) -> EvaluationRun:
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
    compared = report.model_copy(
        update={"comparisons": tuple(compare_with(first, subject, report) for first in against)}
    )
    run_id, now = store(database, asked.name, subject, compared)
    return EvaluationRun(id=run_id, created_at=now, suite=asked.name, subject=subject, report=compared)

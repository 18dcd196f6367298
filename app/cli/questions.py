"""``footnote ask``, ``search`` and ``evaluate``."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.api.fields import MAX_QUESTION
from app.cli.documents import ingest_files
from app.cli.output import out, print_json, print_table, progress_bars
from app.db.document_views import document_uris
from app.db.pairs import PairFilter
from app.downloads import Progress
from app.indexing import build_index_without
from app.qa.exporting import export_pairs
from app.rendering import render_answer
from app.settings import Settings, load_settings
from app.wiring import Services, build_services, fetch, fetch_models
from finetune.evaluation import RetrievalReport, evaluate_retrieval
from finetune.pairs import as_questions, read_pairs
from finetune.suites import Question, SuiteInvalid, load_suite
from retriever.index import Index
from retriever.search import SearchConfig, rank_documents
from retriever.search import search as search_index

EVALUATED_DEPTH = 100  # passages per question: enough for ten documents
VARIANTS = {
    "fused": SearchConfig(),
    "dense": SearchConfig(bm25_weight=0.0, qa_weight=0.0),
    "bm25": SearchConfig(dense_weight=0.0, qa_weight=0.0),
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Product = Annotated[
    list[str] | None, typer.Option(help="Use documents of this product only; may be repeated.")
]


def _question(text: str) -> str:
    if not text.strip() or len(text) > MAX_QUESTION:
        raise typer.BadParameter(f"write a question of 1 to {MAX_QUESTION:,} characters")
    return text


QuestionArgument = Annotated[str, typer.Argument(callback=_question, help="The question.")]


def ask(question: QuestionArgument, product: Product = None, json: AsJson = False) -> None:
    """Answer a question, with footnotes."""
    settings = load_settings()
    with progress_bars() as progress:
        fetch_models(settings, progress)
    services = build_services(settings)
    answer = services.ask(question, products=product or None)
    services.close()
    if json:
        print_json(answer)
    else:
        out.print(render_answer(answer), highlight=False, markup=False, soft_wrap=True)


def search(
    question: QuestionArgument,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="Most passages to show.")] = 5,
    product: Product = None,
    json: AsJson = False,
) -> None:
    """Find the passages that fit a question best."""
    settings = load_settings()
    services = build_services(settings)
    found = services.search(question, k=k, products=product or None)
    services.close()
    if json:
        print_json(asdict(found))
        return
    for hit in found.hits:
        path = " > ".join((hit.title, *hit.heading_path))
        out.print(
            f"\n{hit.rank}. {path}\n   {hit.uri} [{hit.start}:{hit.end}] via {', '.join(hit.via)}",
            markup=False,
        )
        out.print("   " + hit.text[:300].replace("\n", "\n   "), markup=False, highlight=False)


def evaluate(
    suite: Annotated[
        str | None, typer.Option(help="A suite's folder, or its name below <home>/suites.")
    ] = None,
    pairs: Annotated[
        Literal["dev", "test"] | None, typer.Option(help="Ask approved QA pairs of this split instead.")
    ] = None,
    misses: Annotated[bool, typer.Option(help="Also list the questions that were missed.")] = False,
    json: AsJson = False,
) -> None:
    """Measure search: on a suite, whose documents get a home of their own, or on pairs of this home.

    Pairs that are asked are left out of the index that they are asked of.
    """
    settings = load_settings()
    if (suite is None) == (pairs is None):
        raise typer.BadParameter("say --suite NAME, or --pairs dev, or --pairs test")
    with progress_bars() as progress:
        fetch(settings, settings.encoder, progress)
        if pairs is None:
            facts, reports = _evaluate_suite(settings, str(suite), progress)
        else:
            facts, reports = _evaluate_pairs(settings, pairs, progress)
    if json:
        shown = {name: _without_misses(report, keep=misses) for name, report in reports.items()}
        print_json({**facts, "retrieval": shown})
        return
    out.print(facts, highlight=False)
    _print_reports(reports)
    for miss in reports["fused"].misses if misses else ():
        out.print(
            f"{miss.id}: {miss.question}\n   gold {miss.gold_documents}\n   found {miss.found[:3]}",
            markup=False,
        )


def _evaluate_suite(
    settings: Settings, suite: str, progress: Progress
) -> tuple[dict[str, object], dict[str, RetrievalReport]]:
    loaded = load_suite(_suite_folder(settings, suite))
    own = load_settings(
        home=settings.home / "evaluations" / loaded.name, models=settings.models_folder, database_url=None
    )
    services = build_services(own)
    summary = ingest_files(services, [loaded.documents], uri_prefix=loaded.uri_prefix, progress=progress)
    live = services.live_index()
    reports = _evaluate(services, live.index, loaded.questions, progress)
    services.close()
    facts = {"suite": loaded.name, "index_version": live.id, "failed_files": summary["failed"]}
    return facts | _describe(live.index, own), reports


def _evaluate_pairs(
    settings: Settings, split: Literal["dev", "test"], progress: Progress
) -> tuple[dict[str, object], dict[str, RetrievalReport]]:
    services = build_services(settings)
    questions = as_questions(
        read_pairs(export_pairs(services.database, settings, PairFilter(split=split)), split)
    )
    if not questions:
        raise SuiteInvalid(f"no approved pair is in the split {split!r}; footnote qa stats counts them")
    with tempfile.TemporaryDirectory() as folder:
        index = build_index_without(services.database, services.encoder, split, Path(folder) / "index")
        reports = _evaluate(services, index, questions, progress)
        facts = {"pairs": split, **_describe(index, settings)}
    services.close()
    return facts, reports


def _describe(index: Index, settings: Settings) -> dict[str, object]:
    return {
        "documents": index.manifest.documents,
        "passages": len(index),
        "questions": index.manifest.questions,
        "encoder": settings.encoder,
    }


def _suite_folder(settings: Settings, suite: str) -> Path:
    for folder in (Path(suite), settings.home / "suites" / suite):
        if folder.is_dir():
            return folder
    raise SuiteInvalid(
        f"no suite {suite!r} here or in {settings.home / 'suites'}; docs/evaluation.md tells how to make one"
    )


def _evaluate(
    services: Services, index: Index, questions: Sequence[Question], progress: Progress
) -> dict[str, RetrievalReport]:
    encoder = services.encoder
    with services.database.reading() as session:
        uris = document_uris(session)

    def finder(config: SearchConfig) -> Callable[[str], list[str]]:
        def find(question: str) -> list[str]:
            hits = search_index(index, encoder, question, k=EVALUATED_DEPTH, config=config)
            return [uris[document_id] for document_id in rank_documents(hits)]

        return find

    reports = {}
    for number, (name, config) in enumerate(VARIANTS.items()):
        progress("Asking", number, len(VARIANTS))
        reports[name] = evaluate_retrieval(questions, finder(config))
    progress("Asking", len(VARIANTS), len(VARIANTS))
    return reports


def _without_misses(report: RetrievalReport, *, keep: bool) -> dict[str, object]:
    shown = asdict(report)
    if not keep:
        shown["misses"] = len(report.misses)
    return shown


def _print_reports(reports: dict[str, RetrievalReport]) -> None:
    names = list(next(iter(reports.values())).measures)
    rows = []
    for name, report in reports.items():
        cells = [f"{m.mean:.3f} [{m.low:.3f}, {m.high:.3f}]" for m in report.measures.values()]
        rows.append((name, *cells, f"{report.milliseconds['p50']:.1f} / {report.milliseconds['p95']:.1f}"))
    print_table("Retrieval, with 95 % intervals", ("", *names, "ms p50 / p95"), rows)

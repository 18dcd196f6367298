"""What each step of search is worth on a suite's questions, for several encoders; products have their own.

    python -m benchmarks.search_steps SUITE [--encoder REF ...]

The suite's home must be there: run ``footnote evaluate --suite NAME`` with each encoder first, which also
embeds the passages. Each step has all that the ones before it have.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.db.passages import PassagePlace, passage_places
from app.indexing import build_index_without
from app.settings import load_settings
from app.wiring import build_services
from finetune.evaluation import Find, FoundPassage, evaluate_retrieval
from finetune.suites import Question, load_suite
from retriever.encoder import Encoder
from retriever.index import Index
from retriever.search import DENSE_ALONE, SearchConfig, search

DEPTH = 100
SHOWN = ("hit@1", "hit@10", "mrr@10", "page@9")


def steps(served: SearchConfig) -> dict[str, SearchConfig]:
    """From vectors alone to a search as it is served, but for products."""
    words = replace(DENSE_ALONE, bm25_weight=served.bm25_weight)
    documents = replace(
        words,
        document_weight=served.document_weight,
        document_bm25_weight=served.document_bm25_weight,
    )
    spread = replace(documents, repeat_penalty=served.repeat_penalty)
    return {
        "vectors alone": DENSE_ALONE,
        "+ words": words,
        "+ documents": documents,
        "+ spread": spread,
        "+ pairs": replace(spread, qa_weight=served.qa_weight),
    }


def main() -> None:
    """Print one object of figures for each encoder, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("suite", help="its name below <home>/suites")
    parser.add_argument("--encoder", nargs="*", help="the configured one if none")
    arguments = parser.parse_args()
    settings = load_settings()
    suite = load_suite(settings.home / "suites" / arguments.suite)
    home = settings.home / "evaluations" / suite.manifest.name
    results = {}
    for reference in arguments.encoder or [settings.encoder]:
        own = load_settings(home=home, models=settings.models_folder, database_url=None, encoder=reference)
        with closing(build_services(own)) as services, tempfile.TemporaryDirectory() as folder:
            index = build_index_without(services.database, services.encoder, None, Path(folder) / "index")
            with services.database.reading() as session:
                places = passage_places(session)
            results[reference] = {
                name: _measure(
                    [question for question in suite.questions if question.answerable],
                    partial(_find, index, services.encoder, places, config),
                )
                for name, config in steps(services.search_config).items()
            }
    print(json.dumps(results, indent=2))


def _find(
    index: Index, encoder: Encoder, places: Mapping[str, PassagePlace], config: SearchConfig, asked: str
) -> list[FoundPassage]:
    hits = search(index, encoder, asked, k=DEPTH, config=config)
    return [FoundPassage(passage_id=hit.passage_id, **places[hit.passage_id]._asdict()) for hit in hits]


def _measure(questions: Sequence[Question], find: Find) -> dict[str, float]:
    report = evaluate_retrieval(questions, find)
    return {name: round(report.measures[name].mean, 3) for name in SHOWN}


if __name__ == "__main__":
    main()

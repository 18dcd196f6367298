"""Search: a request over HTTP beside the bare sum of query encoding, FAISS and BM25."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from app.settings import Settings
from app.wiring import Services, build_services
from benchmarks.homes import corpus_home
from benchmarks.serving import serving
from retriever.index import Index

ROUNDS = 5
K = 10
DEPTH = 100  # what a search asks of each retriever
QUESTIONS = (
    "How do I add an index to a model field?",
    "What does select_related do?",
    "How can I run a single test case?",
    "How do I write a custom template filter?",
    "What is the difference between null and blank?",
    "How do I serve static files in production?",
    "Can I use two databases?",
    "How are passwords stored?",
    "How do I send an e-mail with an attachment?",
    "When are QuerySets evaluated?",
    "How do I limit the size of an upload?",
    "What does the CSRF middleware protect against?",
    "How do I cache a single view?",
    "How do I translate a string in a template?",
    "How do I rename a field in a migration?",
    "Which versions of Python does Django support?",
    "How do I log slow queries?",
    "What does on_delete=CASCADE mean?",
    "How do I paginate a list view?",
    "How do I add an action to the admin?",
)


def measure_search(settings: Settings, docs: Path, _documents: int, _questions: int) -> dict[str, Any]:
    """Both ways in turn, question by question, so that a change of the machine's speed meets both."""
    corpus = corpus_home(settings, docs)
    services = build_services(corpus)
    index = services.live_index().index
    with serving(corpus) as (address, _process), httpx.Client(base_url=address, trust_env=False) as client:

        def request(question: str) -> None:
            client.post("/v1/search", json={"question": question, "k": K}).raise_for_status()

        bare, over_http = _in_turn(QUESTIONS, lambda question: _bare(services, index, question), request)
    services.close()
    p50, p95 = (np.percentile(over_http, p) for p in (50, 95))
    return {
        "requests": len(over_http),
        "bare sum p50, ms": round(float(np.percentile(bare, 50)) * 1000, 2),
        "HTTP p50, ms": round(float(p50) * 1000, 2),
        "HTTP p95, ms": round(float(p95) * 1000, 2),
        "HTTP p50 / bare p50": round(float(p50 / np.percentile(bare, 50)), 3),
    }


def _bare(services: Services, index: Index, question: str) -> None:
    query = services.encoder.encode_queries([question])
    index.vectors.search(query, k=DEPTH)
    index.words.search(question, k=DEPTH)


def _in_turn(
    questions: Sequence[str], one: Callable[[str], None], other: Callable[[str], None]
) -> tuple[list[float], list[float]]:
    """Seconds of both for every question, after a round that is not counted."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for question in questions:
            for way, taken in zip((one, other), seconds, strict=True):
                began = time.perf_counter()
                way(question)
                if number:
                    taken.append(time.perf_counter() - began)
    return seconds

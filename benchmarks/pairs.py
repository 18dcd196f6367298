"""Many pairs: how long an import takes, what memory, and what the questions cost a search."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.db.pairs import count_pairs
from app.db.passages import live_passages
from app.searching import NEAREST_QUESTIONS
from app.settings import Settings
from app.wiring import Services, build_services
from benchmarks.homes import corpus_home, empty_home
from benchmarks.searching import QUESTIONS
from generator.sentences import SpanKind, split_sentences
from retriever.search import SearchConfig, search_all

PAIRS = 100_000
ROUNDS = 5
FORMS = ("Where do the documents say: {0}?", "Is it true that {0}?", "What do I read about {0}?")
WORDS = 12  # of the sentence that a question repeats


def measure_pairs(settings: Settings, docs: Path, pairs: int, _questions: int) -> dict[str, Any]:
    """Pairs through ``footnote qa import``, then searches with their questions and without them."""
    corpus = corpus_home(settings, docs)
    count = pairs or PAIRS
    with empty_home(settings) as own:
        left_out = shutil.ignore_patterns("models", "evaluations", "jobs*")
        shutil.copytree(corpus.home, own.home, dirs_exist_ok=True, ignore=left_out)
        table = own.home / "pairs.jsonl"
        services = build_services(own)
        _write(services, table, count)
        services.close()
        began = time.perf_counter()
        report, peak = _import(own, table)
        seconds = time.perf_counter() - began
        services = build_services(own)
        with services.database.reading() as session:
            counted = count_pairs(session)
        without, with_questions = _search(services)
        size = len(services.live_index().index.questions)
        services.close()
    p50, p50_with = float(np.percentile(without, 50)), float(np.percentile(with_questions, 50))
    return {
        "rows": report["files"][0]["rows"],
        "rows located in a document": report["files"][0]["located"],
        "problems": len(report["files"][0]["problems"]),
        "authored pairs by status": counted.by_origin["authored"],
        "questions in the index": size,
        "import, filters, embedding and index, s": round(seconds),
        "pairs a minute": round(count / seconds * 60),
        "peak memory, GB": round(peak, 2),
        "search p50 by passages alone, ms": round(p50 * 1000, 1),
        "search p50 with the questions, ms": round(p50_with * 1000, 1),
        "with / without": round(p50_with / p50, 2),
    }


def _write(services: Services, path: Path, count: int) -> None:
    """A file of different questions about the sentences of the corpus, each answered by its sentence."""
    sentences = list(itertools.islice(_sentences(services), count))
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            uri, sentence = sentences[number % len(sentences)]
            words = " ".join(sentence.rstrip(".").split()[:WORDS])
            question = FORMS[number // len(sentences) % len(FORMS)].format(words)
            file.write(json.dumps({"question": question, "answer": sentence, "uri": uri}) + "\n")


def _sentences(services: Services) -> Iterator[tuple[str, str]]:
    with services.database.reading() as session:
        for view in live_passages(session):
            for span in split_sentences(view.text):
                if span.kind is SpanKind.PROSE and span.end - span.start > len(FORMS[0]):
                    yield view.uri, view.text[span.start : span.end]


def _import(settings: Settings, table: Path) -> tuple[dict[str, Any], float]:
    """What the command printed, and the most memory that it took, in gigabytes."""
    environment = os.environ | {
        "FOOTNOTE_HOME": str(settings.home),
        "FOOTNOTE_MODELS": str(settings.models_folder.resolve()),
    }
    with (settings.home / "report.json").open("w+", encoding="utf-8") as report:
        command = [sys.executable, "-m", "app.cli.program", "qa", "import", str(table), "--json"]
        process = subprocess.Popen(command, env=environment, stdout=report)
        _, _, usage = os.wait4(process.pid, 0)
        report.seek(0)
        return json.load(report), usage.ru_maxrss / 1e6


def _search(services: Services) -> tuple[list[float], list[float]]:
    """Seconds of searches of one index by passages alone, and by its questions too, in turn."""
    live, alone = services.live_index(), SearchConfig(qa_weight=0.0)
    seconds: tuple[list[float], list[float]] = ([], [])
    for number, question in itertools.product(range(ROUNDS + 1), QUESTIONS):
        for (config, nearest), taken in zip(
            ((alone, 0), (SearchConfig(), NEAREST_QUESTIONS)), seconds, strict=True
        ):
            began = time.perf_counter()
            search_all(live.index, services.encoder, question, k=10, questions=nearest, config=config)
            if number:
                taken.append(time.perf_counter() - began)
    return seconds

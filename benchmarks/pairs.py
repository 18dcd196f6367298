"""Many pairs: how long an import takes, what memory, and what the questions cost a search."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.db.pairs import count_pairs
from app.searching import SEARCH
from app.settings import Settings
from app.wiring import Services, build_services
from benchmarks.homes import empty_home
from retriever.search import SearchConfig, search_all

PAIRS = 100_000
ROUNDS = 5
ASKED = 40  # questions
PARTS = ("bolt", "valve", "gasket", "pump", "sensor", "bracket", "hinge", "spring", "gear", "relay")
MAKERS = ("Arden", "Brook", "Calder", "Dunmore", "Esk", "Fenwick", "Garve", "Holm", "Irwell", "Jura")
FACTS = (
    ("How heavy is", "weighs {0} grams without its box."),
    ("What is the torque of", "is tightened with {0} newton metres."),
    ("Where is the shelf of", "lies on shelf {0} of the northern store."),
    ("How often must I replace", "is replaced every {0} hours of work."),
    ("Which tool opens", "is opened with the key number {0}."),
)


def measure_pairs(settings: Settings, _docs: Path, pairs: int, _questions: int) -> dict[str, Any]:
    """A table of pairs through ``footnote qa import``, then searches with its questions and without them."""
    with empty_home(settings) as own:
        table = own.home / "pairs.csv"
        own.home.mkdir(parents=True, exist_ok=True)
        count = pairs or PAIRS
        write_table(table, count)
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
        "problems": len(report["files"][0]["problems"]),
        "by status": counted.by_origin["authored"],
        "questions in the index": size,
        "import, filters, embedding and index, s": round(seconds),
        "pairs a minute": round(count / seconds * 60),
        "peak memory, GB": round(peak, 2),
        "search p50 without questions, ms": round(p50 * 1000, 1),
        "search p50 with questions, ms": round(p50_with * 1000, 1),
        "with / without": round(p50_with / p50, 2),
    }


def write_table(path: Path, count: int) -> None:
    """A CSV of ``count`` different questions about made-up parts."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("question", "answer"))
        for number in range(count):
            opening, fact = FACTS[number % len(FACTS)]
            thing = f"{MAKERS[number // 5 % 10]} {PARTS[number // 50 % 10]} {number // 500 + 100}"
            said = fact.format(number % 977 + 1)
            writer.writerow((f"{opening} the {thing}?", f"The {thing} {said}"))


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
    for number in range(ROUNDS + 1):
        for asked in range(ASKED):
            question = f"What does the {MAKERS[asked % 10]} {PARTS[asked % 7]} {asked * 4 + 101} weigh?"
            for (config, nearest), taken in zip(((alone, 0), (SEARCH, 3)), seconds, strict=True):
                began = time.perf_counter()
                search_all(live.index, services.encoder, question, k=10, questions=nearest, config=config)
                if number:
                    taken.append(time.perf_counter() - began)
    return seconds

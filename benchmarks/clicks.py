"""Learning from clicks, with simulated readers: who clicks is invented, what they are shown is real.

    python -m benchmarks.clicks simulate path/to/ray_docs path/to/output
    python -m benchmarks.clicks train path/to/output

``simulate`` asks the questions of ``questions_train.jsonl`` of the suite ``ray``'s own index, by vectors and
words (the suite has been evaluated once: ``footnote evaluate --suite ray``). Readers then click by the
position-based model of `benchmarks.click_models`. A passage is gold if it holds lines of the question's
section, or is of its page where no line is found. It prints how well relevances estimated from the clicks
tell gold from the rest, with the correction for position and without it, and writes what there is to learn
as files for ``footnote tune retriever --examples``.

``train`` tunes the base encoder on each of these files and nothing else, and measures it on the suite's
questions, over a sample of passages.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.cli.output import print_table
from app.cli.tuning import read_lines
from app.db.passages import live_passages
from app.db.session import Database
from app.learning.corpus import LearningCorpus, read_corpus
from app.learning.examples import gather_examples
from app.learning.retrieval import Retrieval, open_retrieval
from app.observability import configure_logging
from app.settings import Settings, calm_idle_threads, load_settings
from app.wiring import build_services
from benchmarks.click_models import (
    Marks,
    Readers,
    as_showing,
    estimated,
    inverse_propensity,
    measure,
    simulate,
)
from benchmarks.ray_pairs import FEWEST_LETTERS, finder, rows
from benchmarks.tuning import report_nothing, sampled, suite_examples, train_encoder
from finetune.clicks import ClickConfig, ClickRelevance, estimate_relevance
from finetune.configuration import RetrieverConfig
from finetune.examples import read_example_lines
from finetune.pool import Pool, score_pool
from ingest.pairs.locating import TextFinder
from retriever.encoder import Encoder
from retriever.sentence_transformer_encoder import load_encoder

SHOWN = 10
CLICKS = (300, 1_000, 4_000)

Logs = Mapping[int, Sequence[Sequence[tuple[int, Marks]]]]
"""By the number of clicks, the searches of each simulation: place of the question, and what was clicked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What was asked and shown.

    Attributes:
        questions: Each one once.
        shown: (questions, 10) rows of the corpus, best first.
        gold: (questions, 10), whether they are right.
        quotes: The words of each passage, by its id.
    """

    questions: list[str]
    shown: list[list[int]]
    gold: Marks
    quotes: Mapping[str, str]


def main() -> None:
    """Simulate, or train on what was simulated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    simulating = commands.add_parser("simulate")
    simulating.add_argument("data", type=Path, help="the folder ray_docs")
    simulating.add_argument("output", type=Path, help="folder for the files of examples")
    simulating.add_argument("--clicks", type=int, nargs="+", default=list(CLICKS))
    simulating.add_argument("--seeds", type=int, default=5, help="simulations that figures are means of")
    simulating.add_argument(
        "--traffic", type=float, default=1.0, help="exponent of how often questions repeat"
    )
    simulating.add_argument("--looks", type=float, default=1.0, help="exponent of the readers' attention")
    simulating.add_argument("--least-showings", type=int, default=ClickConfig().least_showings)
    simulating.add_argument("--least-relevance", type=float, default=ClickConfig().least_relevance)
    training = commands.add_parser("train")
    training.add_argument("output", type=Path, help="folder that simulate wrote to")
    arguments = parser.parse_args()
    calm_idle_threads()
    configure_logging("error")
    if arguments.command == "train":
        train(arguments.output)
        return
    config = ClickConfig(least_showings=arguments.least_showings, least_relevance=arguments.least_relevance)
    readers = Readers(traffic=arguments.traffic, exponent=arguments.looks)
    services = build_services(_suite_settings())
    with open_retrieval(services, report_nothing) as retrieval:
        corpus = read_corpus(services.database, retrieval.live)
        asked = ask(services.database, retrieval, corpus, arguments.data)
    services.close()
    logs = {
        count: [
            list(simulate(asked.gold, readers, clicks=count, seed=seed)) for seed in range(arguments.seeds)
        ]
        for count in arguments.clicks
    }
    report(asked, logs, config)
    write(asked, corpus, logs, config, arguments.output)


def _suite_settings() -> Settings:
    settings = load_settings()
    home = settings.home / "evaluations" / "ray"
    if not home.is_dir():
        sys.exit(f"error: {home} is missing; run first: make suite-ray, footnote evaluate --suite ray")
    return load_settings(home=home, models=settings.models_folder, database_url=None)


def ask(database: Database, retrieval: Retrieval, corpus: LearningCorpus, data: Path) -> Asked:
    """Ask every training question whose page is in the corpus, by vectors and words alone."""
    if not (data / "questions_train.jsonl").is_file():
        sys.exit(
            f"error: {data} has no questions_train.jsonl; name the folder ray_docs of the benchmark data"
        )
    right = gold_rows(corpus, data)
    questions = list(right)
    vectors = retrieval.encoder.encode_queries(questions)  # (questions, dimension)
    found = [
        retrieval.find(question, vector, k=SHOWN) for question, vector in zip(questions, vectors, strict=True)
    ]
    shown = [list(corpus.rows_of([hit.passage_id for hit in hits])) for hits in found]
    gold = np.array([[row in right[one] for row in rows] for one, rows in zip(questions, shown, strict=True)])
    with database.reading() as session:
        quotes = {view.id: view.text for view in live_passages(session)}
    return Asked(questions=questions, shown=shown, gold=gold, quotes=quotes)


def gold_rows(corpus: LearningCorpus, data: Path) -> dict[str, set[int]]:
    """From each training question to the rows that answer it; questions without a page here are left out."""
    documents = load_settings().home / "suites" / "ray" / "documents"
    sections = {row["id"]: row["text"] for row in rows(data / "sections.jsonl")}
    by_uri: dict[str, list[int]] = {}
    for row, place in enumerate(corpus.places):
        by_uri.setdefault(place.uri, []).append(row)
    pages: dict[str, tuple[str, TextFinder] | None] = {}
    right: dict[str, set[int]] = {}
    for question in rows(data / "questions_train.jsonl"):
        page = question["gold_page"]
        if page not in pages:
            pages[page] = finder(documents, page)
        found = pages[page]
        if found is not None and found[0] in by_uri:
            passages = by_uri[found[0]]
            section = sections.get(question["gold_section"], "")
            answering = _holding(corpus, passages, found[1], section) or passages
            right.setdefault(question["question"], set()).update(answering)
    return right


def _holding(corpus: LearningCorpus, passages: Sequence[int], text: TextFinder, section: str) -> list[int]:
    """The passages that hold lines of a section."""
    lines = [line for line in section.splitlines() if len(line.strip()) >= FEWEST_LETTERS]
    spans = [span for line in lines if (span := text.find(line)) is not None]
    return [
        row
        for row in passages
        if any(span.start < corpus.places[row].end and corpus.places[row].start < span.end for span in spans)
    ]


def report(asked: Asked, logs: Logs, config: ClickConfig) -> None:
    """Print how well each way of reading clicks tells gold from the rest, as means of the simulations."""
    blind = replace(config, position_exponent=0.0)
    every = replace(config, least_relevance=0.0)
    ways = {
        "corrected": (estimated, every, config),
        "not corrected": (estimated, replace(every, position_exponent=0.0), blind),
        "inverse propensity": (inverse_propensity, every, config),
    }
    lines = []
    for count, simulations in logs.items():
        for name, (estimate, known, used) in ways.items():
            measured = [measure(*estimate(log, asked.gold, known), asked.gold, used) for log in simulations]
            means = {key: float(np.mean([one[key] for one in measured])) for key in measured[0]}
            lines.append((f"{count} {name}", *(_figure(value) for value in means.values())))
    first = asked.gold[:, 0].mean()
    title = f"Clicks, {len(asked.questions)} questions with gold first for {first:.3f}"
    print_table(title, ("", *means), lines)


def _figure(value: float) -> str:
    return f"{value:.3f}" if value <= 1 else f"{value:.0f}"


def write(asked: Asked, corpus: LearningCorpus, logs: Logs, config: ClickConfig, output: Path) -> None:
    """Write the examples of the first simulation of each number of clicks, corrected and not."""
    output.mkdir(parents=True, exist_ok=True)
    for count, simulations in logs.items():
        for name, used in (("corrected", config), ("plain", replace(config, position_exponent=0.0))):
            showings = (
                as_showing(
                    asked.questions[question],
                    [corpus.corpus.ids[row] for row in asked.shown[question]],
                    clicks,
                )
                for question, clicks in simulations[0]
                if clicks.any()
            )
            found = estimate_relevance(showings, used)
            path = output / f"clicks-{count}-{name}.jsonl"
            path.write_text("".join(_line(one, asked, corpus) + "\n" for one in found), encoding="utf-8")
            print(f"{path}: {len(found)} examples", file=sys.stderr)


def _line(found: ClickRelevance, asked: Asked, corpus: LearningCorpus) -> str:
    uri = corpus.places[corpus.rows[found.passage_id]].uri
    example = {"question": found.question, "uri": uri, "quote": asked.quotes[found.passage_id]}
    return json.dumps(example | {"relevance": round(found.relevance, 4)}, ensure_ascii=False)


def train(output: Path) -> None:
    """Tune on each file of examples alone, and print what each encoder is worth on the suite's questions."""
    files = sorted(output.glob("clicks-*.jsonl"), key=lambda path: (int(path.stem.split("-")[1]), path.name))
    if not files:
        sys.exit(f"error: {output} holds no clicks-*.jsonl; run first: python -m benchmarks.clicks simulate")
    settings = _suite_settings()
    services = build_services(settings)
    with open_retrieval(services, report_nothing) as retrieval:
        encoder, corpus = retrieval.encoder, read_corpus(services.database, retrieval.live)
    suite = load_settings().home / "suites" / "ray"
    pool = sampled(suite_examples(suite, corpus, encoder), corpus, encoder)
    lines = [_trained("none", 0, encoder, pool)]
    for path in files:
        learnt = read_example_lines(read_lines(path))
        gathered = gather_examples(services.database, corpus, encoder, lines=learnt)
        examples = [one for one in gathered.train if one.source == "file"]
        with tempfile.TemporaryDirectory() as work:
            tuned = Path(work) / "tuned"
            base = settings.models_folder / settings.encoder
            train_encoder(
                base, corpus.corpus, examples, [()] * len(examples), RetrieverConfig(), folder=tuned
            )
            loaded = load_encoder(tuned, weights_sha256=path.name)
            lines.append(_trained(path.stem, len(examples), loaded, pool))
    services.close()
    title = f"{len(pool.questions)} questions over {len(pool.texts)} passages, vectors alone"
    print_table(title, ("", "examples", "hit@10", "MRR@10"), lines)


def _trained(name: str, examples: int, encoder: Encoder, pool: Pool) -> tuple[str, str, str, str]:
    score = score_pool(encoder, pool)
    line = (name, str(examples), f"{score.hit:.3f}", f"{score.reciprocal_rank:.3f}")
    print(*line, file=sys.stderr, flush=True)
    return line


if __name__ == "__main__":
    main()

"""Letting a candidate and what is live answer the same questions, and deciding which of them goes on."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from app.bundles import Lineup
from app.db.releases import get_release, record_gate
from app.db.session import Database
from app.db.training_runs import TrainingRunNotFound, get_run
from app.downloads import Progress, Say
from app.embedding import embed_missing
from app.evaluations.answers import answer_values
from app.evaluations.drafts import DraftStore
from app.evaluations.evidence import Retriever
from app.evaluations.questions import Asked, draw_questions
from app.indexing import build_index_without
from app.model_folders import model_folder, searched_questions
from app.models import ReleaseDamaged
from app.releases import checked_lineup, is_live
from app.searching import LiveIndex, find_passages
from app.wiring import Services
from finetune.answer_drafts import Condition
from finetune.comparison import NotComparable
from finetune.gate import (
    GateConfig,
    GateDecision,
    MainMeasure,
    decide,
    names_overlap,
    refuse,
    too_few,
    too_few_answers,
)
from finetune.overlap import overlap
from generator.adapter_base import read_base
from retriever.search import SearchConfig

SEARCH_TIME = "search milliseconds"
MODEL_SIZE = "model megabytes"
DRAWN_BY = 20260901  # seed of the questions that are answered: the same ones for every candidate
OF_SEARCH = ("mrr@10", "hit@10")  # measures that no answer is written for
DEPTH = 10  # documents
SEARCHED = 50  # passages: enough for ten documents
FALLS = {"hit@10": 0.02, "token recall": 0.02, "supported": 0.02, "refusal right": 0.02}
RISES = {SEARCH_TIME: 0.5, MODEL_SIZE: 0.5}
DOUBLINGS = 2  # of the answers, while a guard is in doubt


def gate_release(
    services: Services,
    corpus: Services,
    release_id: str,
    asked: Asked,
    *,
    main: MainMeasure | None,
    margin: float,
    answers: int,
    seed: int,
    progress: Progress,
    say: Say,
) -> GateDecision:
    """Measure a candidate beside what is live in one run, decide, and keep the decision with the candidate.

    Both search indexes of their own without the pairs that are asked. Every question is searched with one and
    then the other, so that a busy machine slows both; answers are written to some of them. While nothing but
    doubt about a guard stands in the way, twice as many are answered, and twice as many again.

    Args:
        services: Of this home.
        corpus: Where the documents of the questions are.
        release_id: The candidate.
        asked: The questions.
        main: The measure that must rise; None for ``citation recall`` where the generator is another, else
            ``mrr@10``.
        margin: By how much at least.
        answers: Questions that are answered at first, drawn by the seed.
        seed: Of that draw.
        progress: Told how far it is.
        say: Told how many answers will be written, and how long that takes.

    Raises:
        ReleaseNotFound, ReleaseRetired, ReleaseDamaged: See `app.releases.promote`.
        NotComparable: If the candidate is live, if what is live can't be measured, or if the main measure
            can't be had of these questions.
    """
    if is_live(services, release_id):
        raise NotComparable(f"{release_id} is live: there is nothing else to compare it with")
    candidate, live = checked_lineup(services, release_id), _live_lineup(services)
    questions = [one.question for one in (*asked.questions, *asked.unanswerable)]
    known = learnt_questions(services.database, release_id)
    if candidate.models.search_config != SearchConfig():  # weights that were chosen, not the program's
        known |= searched_questions(services.settings.models_folder, candidate.settings.encoder)
    learnt = overlap(questions, known)
    same_generator = candidate.models.generator.fingerprint == live.models.generator.fingerprint
    chosen = main or ("mrr@10" if same_generator else "citation recall")
    falls = {name: allowed for name, allowed in (FALLS | {"mrr@10": 0.02}).items() if name != chosen}
    config = GateConfig(main=chosen, margin=margin, falls=falls, rises=RISES)
    few = too_few(len(asked.questions), config)
    if few is None and chosen not in OF_SEARCH:
        few = too_few_answers(_count_answers(draw_questions(asked, answers, seed=seed), chosen), config)
    reasons = [one for one in (names_overlap(learnt), few) if one]
    if reasons:
        decision = refuse(len(asked.questions), reasons)
    else:
        with closing(DraftStore(services.settings.home / "evaluations", _now)) as drafts:
            decision = _Trial(
                drafts=drafts,
                database=corpus.database,
                lineups=[candidate, live],
                asked=asked,
                config=config,
                progress=progress,
                say=say,
            ).decide(answers, seed=seed)
    with services.database.writing() as session:
        kept_decision = asdict(decision) | {"asked": asked.name, "sha256": asked.sha256, "live": live.release}
        record_gate(session, release_id, kept_decision, now=_now())
    return decision


def _count_answers(drawn: Asked, main: str) -> int:
    """How many of the questions will have a measure of answers."""
    if main == "refusal right":
        return len(drawn.questions) + len(drawn.unanswerable)
    if main in ("token recall", "draft token recall"):
        return sum(bool(one.answers) for one in drawn.questions)
    return len(drawn.questions)


def _now() -> datetime:
    return datetime.now(UTC)


def _live_lineup(services: Services) -> Lineup:
    """What is live at this moment, whatever this process serves still."""
    try:
        return services.serving.follow()
    except ReleaseDamaged as error:
        raise NotComparable(
            f"nothing can be compared with what is live: {error}. To make a candidate live without the gate: "
            "footnote release promote ID --force --reason TEXT"
        ) from error


def learnt_questions(database: Database, release_id: str) -> set[str]:
    """Digests of all questions that a release's models learnt, and those that they were made from."""
    learnt: set[str] = set()
    with database.reading() as session:
        waiting = list(get_release(session, release_id).training_runs)
        seen: set[str] = set()
        while waiting:
            run_id = waiting.pop()
            if run_id in seen:
                continue
            seen.add(run_id)
            try:
                report = get_run(session, run_id).report
            except TrainingRunNotFound:
                continue  # tuned in another home, which knows what it learnt
            learnt.update(report.get("examples", {}).get("questions", ()))
            before = (report.get("encoder"), report.get("generator"))
            waiting += [one.removeprefix("run:") for one in before if one and one.startswith("run:")]
    return learnt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    """One run of the gate."""

    drafts: DraftStore
    database: Database
    lineups: Sequence[Lineup]
    asked: Asked
    config: GateConfig
    progress: Progress
    say: Say

    def decide(self, answers: int, *, seed: int) -> GateDecision:
        """Search all questions with each lineup, answer some, and decide; of doubts see `gate_release`."""
        with ExitStack() as stack:
            retrievers = [
                stack.enter_context(_open_retriever(self.database, lineup, self.asked.split, self.progress))
                for lineup in self.lineups
            ]
            searched = self._search(retrievers)
            for count in (answers * 2**doubled for doubled in range(DOUBLINGS + 1)):
                drawn = draw_questions(self.asked, count, seed=seed)
                candidate, live = (
                    self._answer(drawn, lineup, retriever)
                    | values
                    | {MODEL_SIZE: dict.fromkeys(values["hit@10"], _megabytes(lineup))}
                    for lineup, retriever, values in zip(self.lineups, retrievers, searched, strict=True)
                )
                falls = {name: allowed for name, allowed in self.config.falls.items() if name in live}
                decision = decide(candidate, live, replace(self.config, falls=falls))
                doubtful = decision.passed and any(check.doubtful for check in decision.checks)
                if not doubtful or drawn is self.asked:
                    break
            return decision

    def _answer(self, drawn: Asked, lineup: Lineup, retriever: Retriever) -> dict[str, dict[str, float]]:
        return answer_values(
            self.database,
            retriever,
            lineup.models.generator,
            drawn,
            Condition.RETRIEVED,
            config=lineup.thresholds.answer,
            most=lineup.thresholds.evidence_passages,
            drafts=self.drafts,
            progress=self.progress,
            say=self.say,
        )

    def _search(self, retrievers: Sequence[Retriever]) -> list[dict[str, dict[str, float]]]:
        """Each lineup's ``mrr@10`` and ``hit@10`` over documents, and its time, by question."""
        found: list[dict[str, dict[str, float]]] = [
            {"mrr@10": {}, "hit@10": {}, SEARCH_TIME: {}} for _ in retrievers
        ]
        questions = self.asked.questions
        for place, question in enumerate((questions[0], *questions)):  # the first one warms up
            self.progress("Searching with both", place, len(questions))
            for values, retriever in zip(found, retrievers, strict=True):
                began = time.perf_counter()
                hits = find_passages(
                    self.database,
                    retriever.live,
                    retriever.encoder,
                    question.question,
                    k=SEARCHED,
                    products=None,
                    config=retriever.config,
                    reranker=retriever.reranker,
                ).hits
                values[SEARCH_TIME][question.id] = (time.perf_counter() - began) * 1000
                rank = _first(list(dict.fromkeys(hit.uri for hit in hits))[:DEPTH], question.gold_uris)
                values["mrr@10"][question.id] = 0.0 if rank is None else 1 / rank
                values["hit@10"][question.id] = float(rank is not None)
        return found


@contextmanager
def _open_retriever(
    database: Database, lineup: Lineup, split: str | None, progress: Progress
) -> Iterator[Retriever]:
    models = lineup.models
    embed_missing(database, models.encoder, report=partial(progress, "Embedding"))
    with tempfile.TemporaryDirectory() as folder:
        index = build_index_without(database, models.encoder, split, Path(folder) / "index")
        nothing: frozenset[str] = frozenset()
        yield Retriever(
            live=LiveIndex(id="gate", index=index, hidden_documents=nothing, hidden_pairs=nothing),
            encoder=models.encoder,
            config=models.search_config,
            reranker=models.reranker,
        )


def _first(documents: Sequence[str], gold: Sequence[str]) -> int | None:
    """The place from 1 of the first document that answers."""
    places = (place for place, uri in enumerate(documents, start=1) if uri in gold)
    return next(places, None)


def _megabytes(lineup: Lineup) -> float:
    """Size of the models' files; at least 1, since that of a model on a server is not known."""
    settings = lineup.settings
    references = [settings.encoder, *([settings.reranker] if settings.reranker else [])]
    if settings.generator_address is None:
        references.append(settings.generator)
    folders = [model_folder(settings.models_folder, reference) for reference in references]
    bases = [base for folder in folders if (base := read_base(folder)) is not None]
    folders += [model_folder(settings.models_folder, base.reference) for base in bases]
    return max(1.0, sum(file.stat().st_size for one in folders for file in one.rglob("*.*")) / 1e6)

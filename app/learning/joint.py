"""``footnote tune joint``: retriever and generator learn from each other, round by round."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from app.db.pair_evidence import pair_answers, searched_pairs
from app.db.session import Database
from app.db.training_runs import TrainingRunView
from app.downloads import Progress, Say
from app.learning.answers import GatheredAnswers, gather_answers, read_evidence
from app.learning.generator import (
    ANSWER_TOKENS,
    LEAST_EXAMPLES,
    TuneGenerator,
    open_base,
    too_few_answers,
    tune_on,
)
from app.learning.retrieval import Home, SomeHome, open_retrieval
from app.learning.retriever import TuneRetriever, tune_on_material
from app.learning.runs import Material, begin, end, open_material, work_folder
from app.model_folders import open_model
from app.models import Models
from app.observability import logger
from finetune.answer_examples import AnsweredQuestion, keep_carried
from finetune.configuration import RetrieverConfig
from finetune.devices import choose_device
from finetune.joint import LIKELIHOOD_TEMPERATURE, estimate_round, teach
from finetune.retriever_tuning import Teacher, run_key
from finetune.trainable_generator import AdapterShape, TrainableGenerator
from generator.evidence import Evidence

ROUNDS = "rounds.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneJoint:
    """What a run is to do.

    Attributes:
        rounds: How often both learn, one after the other.
        candidates: Passages per question that the generator scores, the right ones among them.
        retriever: What the retriever does in each round.
        generator: What the generator does in each round. The learning rate is that of the first;
            the second has half of it, the third a third.
    """

    rounds: int = 2
    candidates: int = 4
    retriever: TuneRetriever = field(
        default_factory=lambda: TuneRetriever(
            config=RetrieverConfig(epochs=1, teacher_temperature=LIKELIHOOD_TEMPERATURE)
        )
    )
    generator: TuneGenerator = field(default_factory=TuneGenerator)


def tune_joint(home: Home, wanted: TuneJoint, progress: Progress, say: Say) -> TrainingRunView:
    """Tune retriever and generator in alternating rounds; the run, whose report names the models of each.

    In each round some pairs are taken, other ones than before if there are more. The present retriever finds
    candidates for their questions; the present generator says how likely each of them, alone, makes the
    answer; the retriever learns from that beside its own examples; the corpus is encoded again; and the
    generator learns on what the new retriever finds. Each of these is a training run of its own, so that the
    same call again goes on where it was killed, if it has the same pairs.
    Nothing goes live.

    Args:
        home: Where pairs come from, and the runs are recorded.
        wanted: What it is to do.
        progress: Told how far it is.
        say: Told before the work of each round how long it and those that follow take.

    Raises:
        See `app.learning.retriever.tune_retriever` and `app.learning.generator.tune_generator`.
    """
    began = time.monotonic()
    encoder = open_model(home.settings.models_folder, home.settings.encoder)
    generator = open_base(home.settings).model
    described: dict[str, Any] = {
        "encoder": home.settings.encoder,
        "generator": home.settings.generator,
        "base": encoder.fingerprint,
        "generator_base": generator.fingerprint,
        "wanted": asdict(replace(wanted, retriever=replace(wanted.retriever, lines=()))),
        "lines": len(wanted.retriever.lines),
    }
    lines = [asdict(one) for one in wanted.retriever.lines]
    described |= {"key": run_key(described | {"lines": lines, "pairs": _digest_pairs(home.database)})}
    run_id = begin(home, "joint", encoder.fingerprint, described)
    with work_folder(home, run_id) as work:
        first = {"encoder": home.settings.encoder, "generator": home.settings.generator}
        done = _read_rounds(work)
        for number in range(len(done), wanted.rounds):
            one = _Round(home=home, wanted=wanted, number=number, work=work, progress=progress, say=say)
            done.append(one.run(**(done[-1] if done else first)))
            _write_json(work / ROUNDS, done)
        report = described | {"results": done, "seconds": round(time.monotonic() - began, 1)}
        logger().info("jointly_tuned", run=run_id, rounds=wanted.rounds)
        fingerprint = open_model(home.settings.models_folder, done[-1]["generator"]).fingerprint
        return end(home, run_id, report=report, fingerprint=fingerprint)


def _digest_pairs(database: Database) -> str:
    """A checksum of the pairs that rounds learn from: with others a killed run does not go on."""
    with database.reading() as session:
        answers = pair_answers(session)
        pairs = [
            [one.id, one.split, one.weight, one.question, answers[one.id], one.passage_ids]
            for one in searched_pairs(session)
        ]
    return hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()


def _read_rounds(work: Path) -> list[dict[str, str]]:
    path = work / ROUNDS
    rounds: list[dict[str, str]] = json.loads(path.read_text()) if path.is_file() else []
    return rounds


def _write_json(path: Path, content: object) -> None:
    """All of it or nothing."""
    beside = path.with_suffix(".writing")
    beside.write_text(json.dumps(content))
    beside.replace(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """One round; ``number`` counts from 0."""

    home: Home
    wanted: TuneJoint
    number: int
    work: Path
    progress: Progress
    say: Say

    def run(self, *, encoder: str, generator: str) -> dict[str, str]:
        """Let both learn, from these models on; what came out."""
        gathered = self._gather()
        tuned = self._tune_encoder(encoder, generator, gathered.train)
        home, made = self._home(tuned, generator), self.wanted.generator
        with open_retrieval(home, self._say) as retrieval:
            rate = made.optimizer.learning_rate / (self.number + 1)
            optimizer = replace(made.optimizer, seed=self._seed, learning_rate=rate)
            wanted = replace(made, optimizer=optimizer)
            learnt = tune_on(home, retrieval, gathered, wanted, self._say)
        return {"encoder": tuned, "generator": f"run:{learnt.id}"}

    @property
    def _seed(self) -> int:
        return self.wanted.generator.optimizer.seed + self.number

    def _gather(self) -> GatheredAnswers:
        """The pairs whose answers both learn from in this round: other ones than before, if there are more.

        What differs most is told by the encoder of before all rounds, so that no round takes what
        another has taken.
        """
        made = self.wanted.generator
        return gather_answers(
            self.home.database,
            Models(self.home.settings).encoder,
            most_train=made.most_examples,
            most_dev=made.most_dev,
            turn=self.number,
        )

    def _tune_encoder(self, encoder: str, generator: str, asked: Sequence[AnsweredQuestion]) -> str:
        """What the retriever becomes, or became before this round was killed."""
        path = self.work / f"encoder-{self.number}.json"
        if not path.is_file():
            home, made = self._home(encoder, generator), self.wanted.retriever
            with open_material(home, made.lines, self._say) as material:
                wanted = replace(made, optimizer=replace(made.optimizer, seed=self._seed))
                teachers = self._teachers(home, material, asked)
                tuned = tune_on_material(home, material, wanted, self._say, teachers=teachers)
            _write_json(path, f"run:{tuned.id}")
        reference: str = json.loads(path.read_text())
        return reference

    def _home(self, encoder: str, generator: str) -> Home:
        settings = self.home.settings.model_copy(update={"encoder": encoder, "generator": generator})
        return SomeHome(database=self.home.database, settings=settings)

    def _say(self, stage: str, done: int, total: int) -> None:
        self.progress(f"Round {self.number + 1}: {stage}", done, total)

    def _teachers(
        self, home: Home, material: Material, answered: Sequence[AnsweredQuestion]
    ) -> list[Teacher | None]:
        """Per example what the generator makes of its candidates; None where there is no answer."""
        path = self.work / f"likelihoods-{self.number}.json"
        if not path.is_file():
            made = self.wanted.generator
            asked = keep_carried(answered, made.making)
            if len(asked) < LEAST_EXAMPLES:  # told before the retriever learns in vain
                raise too_few_answers(len(asked), len(answered) - len(asked))
            base = open_base(home.settings)
            shape = AdapterShape(rank=made.config.rank, scale=made.config.scale, layers=made.config.layers)
            generator = TrainableGenerator(
                base.folder, choose_device(made.device), shape, seed=0, adapter=base.adapter
            )
            stage = self._estimate(generator, asked)
            found = teach(
                generator,
                asked,
                self._candidates(home, material, asked),
                most_tokens=made.config.memory_tokens,
                report=lambda done, total: self._say(stage, done, total),
            )
            names = {row: passage_id for passage_id, row in material.corpus.rows.items()}
            taught = {
                one.id: {names[row]: score for row, score in sorted(teacher.items())}
                for one, teacher in zip(asked, found, strict=True)
            }
            _write_json(path, taught)
        rows = material.corpus.rows  # a killed run goes on, and passages may have come and gone meanwhile
        kept = {
            one: {rows[passage_id]: score for passage_id, score in scores.items() if passage_id in rows}
            for one, scores in json.loads(path.read_text()).items()
        }
        return [kept.get(example.id) or None for example in material.gathered.train]

    def _estimate(self, generator: TrainableGenerator, asked: Sequence[AnsweredQuestion]) -> str:
        """Say how long all that is left takes; the name of the stage that begins."""
        self._say("Trying how long it takes", 0, 1)
        made = self.wanted.generator
        one = estimate_round(
            generator,
            asked,
            candidates=self.wanted.candidates,
            held_out=made.most_dev,
            answer_tokens=ANSWER_TOKENS,
            making=made.making,
            config=made.config,
        )
        self._say("Trying how long it takes", 1, 1)
        scoring, learning = (max(1, round(seconds / 60)) for seconds in (one.scoring, one.learning))
        left = self.wanted.rounds - self.number
        self.say(
            f"Round {self.number + 1} of {self.wanted.rounds}: scoring candidates takes about {scoring} "
            f"minutes, tuning the generator about {learning}; until the end about "
            f"{(scoring + learning) * left}, and the retriever's tuning beside it. Stopped, the same command "
            "goes on where it was."
        )
        return f"Scoring candidates, about {scoring} minutes"

    def _candidates(
        self, home: Home, material: Material, asked: Sequence[AnsweredQuestion]
    ) -> list[list[tuple[int, Evidence]]]:
        """The best passage that answers, and what the retriever finds."""
        retrieval, rows = material.retrieval, material.corpus.rows
        vectors = retrieval.encoder.encode_queries([one.question for one in asked])
        ids = []
        for one, vector in zip(asked, vectors, strict=True):
            hits = retrieval.find(one.question, vector, k=self.wanted.candidates)
            found = [one.gold[0].passage_id, *(hit.passage_id for hit in hits)]
            ids.append([one for one in dict.fromkeys(found) if one in rows][: self.wanted.candidates])
        evidence = read_evidence(home.database, [one for line in ids for one in line])
        return [[(rows[one], evidence[one]) for one in line if one in evidence] for line in ids]

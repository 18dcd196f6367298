"""``footnote tune generator`` and ``joint`` on a small home, with the real models, on both databases."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from app.catalogue import ModelUnavailable
from app.cli.documents import ingest_files
from app.cli.pairs import build_pairs
from app.db.pair_reviews import review_pair
from app.db.pairs import PairFilter, list_pairs
from app.db.releases import list_releases
from app.db.training_runs import list_runs
from app.learning.answers import gather_answers
from app.learning.generator import TuneGenerator, tune_generator
from app.learning.joint import TuneJoint, tune_joint
from app.learning.retriever import TuneRetriever
from app.learning.runs import open_material
from app.model_folders import open_model, tuned_folder
from app.models import Models
from app.releases import create_release
from app.settings import Settings
from app.wiring import Services, build_services
from finetune.configuration import (
    AnswerExampleConfig,
    GeneratorConfig,
    OptimizerConfig,
    RetrieverConfig,
)
from finetune.examples import ExampleLine, TooFewExamples
from generator.adapters import ADAPTER
from generator.models import Message

DEVICES = 40
ADDRESS = "https://devices.example/"  # decides what is learnt from; a temporary folder varies with every run
WANTED = TuneGenerator(
    config=GeneratorConfig(epochs=1, batch_size=8, layers=2, rank=4),
    making=AnswerExampleConfig(evidence_tokens=80, distractors=1),
    optimizer=OptimizerConfig(learning_rate=2e-3, seed=1, steps_per_checkpoint=1),
    most_examples=24,
    most_dev=0,
)


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
def services(settings: Settings, models: Models, tmp_path: Path) -> Iterator[Services]:
    """A home with 40 documents of two questions each, and models of its own."""
    folder, own = tmp_path / "docs", tmp_path / "models"
    folder.mkdir()
    own.mkdir()
    for number in range(DEVICES):
        (folder / f"device-{number}.md").write_text(
            f"# Device {number}\n\n"
            f"## How heavy is device {number}?\n\nDevice {number} weighs {number * 3 + 1} grams.\n\n"
            f"## Who paints device {number}?\n\nThe yard in harbour {number} paints it green.\n"
        )
    for model in (settings.encoder, settings.generator):
        shutil.copytree(settings.models_folder / model, own / model)
    services = build_services(settings.model_copy(update={"models": own}), models)
    ingest_files(services, [folder], uri_prefix=ADDRESS, progress=_ignore)
    build_pairs(services, write=0, progress=_ignore)
    yield services
    services.close()


class Killed(BaseException):
    pass


def test_a_generator_is_tuned_killed_or_not_and_serves(services: Services) -> None:
    def kill(what: str, done: int, _total: int) -> None:
        if what.startswith("Tuning") and done == 1:
            raise Killed

    def count(what: str, done: int, _total: int) -> None:
        if what.startswith("Tuning"):
            steps.append(done)

    with pytest.raises(Killed):
        tune_generator(services, WANTED, kill)
    steps: list[int] = []
    first = tune_generator(services, WANTED, count)
    assert steps == [2, 3], "the step before it was killed is not done again"
    second = tune_generator(services, WANTED, _ignore)
    models = services.settings.models_folder
    assert first.id != second.id
    assert (first.state, first.fingerprint) == ("done", second.fingerprint)
    weights = [(tuned_folder(models, run.id) / ADAPTER).read_bytes() for run in (first, second)]
    assert weights[0] == weights[1]
    report = first.report
    assert report["examples"]["examples"] == 24
    assert 1 <= report["examples"]["refusals"] <= 12
    assert (report["scores"], report["epoch"]) == ([], 1)  # nothing to choose on
    assert len(report["losses"]) == 3


def test_what_was_tuned_is_named_and_refused_on_another_base(services: Services) -> None:
    run = tune_generator(services, replace(WANTED, most_dev=0), _ignore)
    models, reference = services.settings.models_folder, f"run:{run.id}"
    model = open_model(models, reference)
    assert model.base is not None
    assert model.base.reference == services.settings.generator
    tuned = Models(services.settings.model_copy(update={"generator": reference}))
    text = "".join(tuned.generator.stream([Message("user", "Say hello.")], max_new_tokens=5))
    assert text
    assert tuned.generator.fingerprint == model.fingerprint != model.base.fingerprint
    shutil.rmtree(models / services.settings.generator)
    shutil.copytree(models / services.settings.encoder, models / services.settings.generator)
    foreign = services.settings.model_copy(update={"generator": reference})
    with pytest.raises(ModelUnavailable, match="is an adapter for"):
        _ = Models(foreign).generator
    with pytest.raises(ModelUnavailable, match="is an adapter for"):
        create_release(services, foreign, note="", progress=_ignore)
    with services.database.reading() as session:
        assert list_releases(session) == []


def test_too_few_pairs_and_a_generator_on_a_server_are_refused(services: Services) -> None:
    said: list[str] = []
    with pytest.raises(TooFewExamples, match="20 is the least"):
        tune_generator(services, replace(WANTED, most_examples=10), _ignore)
    with pytest.raises(TooFewExamples, match="20 is the least"):
        tune_joint(services, TuneJoint(generator=replace(WANTED, most_examples=10)), _ignore, said.append)
    assert said == [], "before anything is tried"
    remote = services.settings.model_copy(update={"generator_address": "http://127.0.0.1:9/v1"})
    services.settings = remote
    with pytest.raises(ModelUnavailable, match="is on a server"):
        tune_generator(services, WANTED, _ignore)


def test_each_turn_takes_other_pairs_until_all_had_theirs(services: Services) -> None:
    def taken(count: int, turn: int) -> set[str]:
        gathered = gather_answers(
            services.database, Models(services.settings).encoder, most_train=count, most_dev=0, turn=turn
        )
        assert gathered.dev == []
        return {one.id for one in gathered.train}

    everything = taken(1000, 0)
    assert taken(1000, 1) == everything
    count = len(everything) // 2 - 1
    first, second, third = (taken(count, turn) for turn in range(3))
    assert len(first) == len(second) == len(third) == count
    assert not first & second
    assert everything - first - second <= third, "what is left comes first, then all begins anew"


def test_what_is_chosen_with_is_an_even_draw_that_more_only_add_to(services: Services) -> None:
    """Ten questions of five documents, whose checksums say nothing of what they ask."""

    def held_out(count: int) -> list[str]:
        encoder = Models(services.settings).encoder
        gathered = gather_answers(services.database, encoder, most_train=1, most_dev=count)
        return [one.question for one in gathered.dev]

    draws = [held_out(count) for count in range(12)]
    assert [len(draw) for draw in draws] == [*range(11), 10]
    for fewer, more in itertools.pairwise(draws):
        assert [one for one in more if one in fewer] == fewer
    by_hand = {sha256(one.encode()).hexdigest(): one for one in draws[10]}
    assert draws[4] == sorted(by_hand[checksum] for checksum in sorted(by_hand)[:4])


def test_another_home_learns_the_same_pairs_in_the_same_order(services: Services, tmp_path: Path) -> None:
    """Although its documents came in another order, with ids of their own."""
    settings = services.settings.model_copy(update={"home": tmp_path / "other", "database_url": None})
    with closing(build_services(settings, Models(settings))) as other:
        for file in sorted((tmp_path / "docs").iterdir(), reverse=True):
            ingest_files(other, [file], uri_prefix=ADDRESS, progress=_ignore)
        build_pairs(other, write=0, progress=_ignore)
        homes = [services, other]
        of_generator = [
            gather_answers(home.database, Models(settings).encoder, most_train=24, most_dev=8, turn=turn)
            for turn in (0, 1)
            for home in homes
        ]
        of_retriever = []
        for home in homes:
            with open_material(home, [], _ignore) as material:
                of_retriever.append(material.gathered)
    for one, same in (of_generator[:2], of_generator[2:], of_retriever):
        assert [pair.question for pair in one.train] == [pair.question for pair in same.train]
        assert [pair.question for pair in one.dev] == [pair.question for pair in same.dev]
        assert not {pair.id for pair in one.train} & {pair.id for pair in same.train}


def test_only_the_very_same_call_goes_on_with_a_killed_joint_run(services: Services) -> None:
    def kill(_what: str, _done: int, _total: int) -> None:
        raise Killed

    line = ExampleLine(number=1, question="How big?", uri="x.md", quote=None, relevance=1.0, product=None)
    calls = [
        TuneJoint(generator=WANTED),
        TuneJoint(generator=replace(WANTED, most_examples=22)),
        TuneJoint(generator=WANTED, retriever=TuneRetriever(lines=[line])),
        TuneJoint(generator=WANTED, retriever=TuneRetriever(lines=[replace(line, relevance=0.5)])),
    ]
    said: list[str] = []
    for wanted in (*calls, *calls):
        with pytest.raises(Killed):
            tune_joint(services, wanted, kill, said.append)
    with services.database.writing() as session:
        pair = list_pairs(session, PairFilter(split="train"), limit=1)[0]
        review_pair(session, pair.id, "reject", by="Ann", now=datetime.now(UTC))
    for _ in range(2):
        with pytest.raises(Killed):
            tune_joint(services, calls[0], kill, said.append)
    with services.database.reading() as session:
        assert [one.kind for one in list_runs(session)] == ["joint"] * (len(calls) + 1)


@pytest.mark.slow
def test_both_learn_in_rounds_killed_or_not(services: Services) -> None:
    wanted = TuneJoint(
        rounds=2,
        candidates=3,
        retriever=TuneRetriever(
            config=RetrieverConfig(epochs=1, batch_size=30, teacher_temperature=0.5),
            optimizer=OptimizerConfig(learning_rate=2e-5, seed=1),
        ),
        generator=WANTED,
    )

    def kill(what: str, done: int, _total: int) -> None:
        if what.startswith("Round 2: Tuning, about") and done == 1:
            raise Killed

    def count(what: str, done: int, _total: int) -> None:
        if "Tuning" in what:
            steps.append((what.partition(",")[0], done))

    said: list[str] = []
    with pytest.raises(Killed):
        tune_joint(services, wanted, kill, said.append)
    steps: list[tuple[str, int]] = []
    joint = tune_joint(services, wanted, count, said.append)
    assert steps == [("Round 2: Tuning", 2), ("Round 2: Tuning", 3)], "nothing is learnt again"
    assert [one.partition(": scoring candidates takes about ")[0] for one in said] == [
        "Round 1 of 2",
        "Round 2 of 2",
    ]
    with services.database.reading() as session:
        runs = {f"run:{one.id}": one for one in list_runs(session)}
    kinds = sorted(one.kind for one in runs.values() if one.state == "done")
    assert kinds == ["generator", "generator", "joint", "retriever", "retriever"]
    first, second = joint.report["results"]
    assert runs[first["encoder"]].report["teachers"] != runs[second["encoder"]].report["teachers"]
    assert runs[second["encoder"]].base == runs[first["encoder"]].fingerprint
    assert runs[second["generator"]].base == runs[first["generator"]].fingerprint
    shown = [runs[one["generator"]].report["examples"]["questions"] for one in (first, second)]
    assert set(shown[0]) != set(shown[1]), "the second round learns from other pairs"
    assert joint.fingerprint == runs[second["generator"]].fingerprint

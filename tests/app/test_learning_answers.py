"""``footnote tune generator`` and ``joint`` on a small home, with the real models, on both databases."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from app.catalogue import ModelUnavailable
from app.cli.documents import ingest_files
from app.cli.pairs import build_pairs
from app.db.interactions import click_hit
from app.db.pair_reviews import review_pair
from app.db.pairs import PairFilter, list_pairs
from app.db.releases import list_releases
from app.db.searches import SearchRecord, add_searches
from app.db.training_runs import list_runs
from app.learning.answers import gather_answers
from app.learning.examples import HELD_OUT
from app.learning.generator import TuneGenerator, tune_generator
from app.learning.joint import TuneJoint, tune_joint
from app.learning.retriever import TuneRetriever, tune_retriever
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
from finetune.trainable_encoder import WEIGHTS
from generator.adapters import ADAPTER
from generator.models import Message

DEVICES = 40
SEARCHES = 10  # with a click each: enough to learn from
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
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


@pytest.mark.parametrize(("half", "scale"), [(0.1, 1.0), (0.6, 0.5)])
def test_held_out_answers_choose_epoch_and_strength_killed_or_not(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: float, scale: float
) -> None:
    """Three epochs may be learnt; the second is worse than the first, so that the third is not."""
    script = [0.2, 0.5, 0.4, half]
    asked: list[float] = []

    def answer(run: Any) -> float:
        run.generator.save(tmp_path / f"asked-{len(asked)}")
        asked.append(script[len(asked)])
        return asked[-1]

    def kill(what: str, done: int, _total: int) -> None:
        if what.startswith("Tuning") and done == 4:
            raise Killed

    monkeypatch.setattr("app.learning.generator._Run._answer", answer)
    monkeypatch.setattr("app.learning.generator.LEAST_DEV", 4)
    wanted = replace(WANTED, config=replace(WANTED.config, epochs=3), most_dev=8)
    with pytest.raises(Killed):
        tune_generator(services, wanted, kill)
    run = tune_generator(services, wanted, _ignore)
    assert asked == script, "nothing is answered twice, and no third epoch"
    assert run.report["scores"] == script[:3]
    assert (run.report["epoch"], run.report["scale"]) == (1, scale)
    published = tuned_folder(services.settings.models_folder, run.id) / ADAPTER
    best = max(range(4), key=lambda number: script[number])
    assert published.read_bytes() == (tmp_path / f"asked-{best}" / ADAPTER).read_bytes()


def test_held_out_pairs_choose_how_far_the_retriever_goes(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = TuneRetriever(
        config=RetrieverConfig(epochs=1, batch_size=30), optimizer=OptimizerConfig(learning_rate=2e-5, seed=1)
    )
    monkeypatch.setattr("app.learning.retriever.LEAST_DEV", 4)
    weights = {}
    for factor in (1.0, 0.5):
        monkeypatch.setattr("app.learning.retriever.choose_factor", lambda _trials, factor=factor: factor)
        run = tune_retriever(services, wanted, _ignore)
        assert [one["factor"] for one in run.report["trials"]] == [0.0, 0.25, 0.5, 0.75, 1.0]
        assert all(0.2 < one["in_domain"] <= 1 for one in run.report["trials"])
        weights[factor] = load_file(tuned_folder(services.settings.models_folder, run.id) / WEIGHTS)
    base = load_file(services.settings.models_folder / services.settings.encoder / WEIGHTS)
    learnt = [name for name, one in base.items() if one.is_floating_point()]
    for name in learnt:
        half = weights[0.5][name]
        torch.testing.assert_close(half, (base[name] + weights[1.0][name]) / 2)
    assert any(not torch.equal(weights[0.5][name], base[name]) for name in learnt)


def test_what_is_asked_in_evaluations_is_learnt_from_nowhere(services: Services) -> None:
    with services.database.reading() as session:
        asked = {
            split: list_pairs(session, PairFilter(split=split), limit=1)[0].question
            for split in ("train", "dev", "test")
        }
    questions = [*(one.upper().replace(" ", "  ") for one in asked.values()), "What else is there?"]
    shown = tuple(hit.passage_id for hit in services.search("harbour", k=3).hits)
    with services.database.writing() as session:
        for number in range(SEARCHES * len(questions)):
            record = SearchRecord(
                id=f"srch_{number}",
                created_at=NOW,
                question=questions[number % len(questions)],
                index_version="idx",
                shown=shown,
            )
            add_searches(session, [record])
            session.flush()
            click_hit(session, record.id, shown[0], now=NOW)
    lines = [
        ExampleLine(
            number=number,
            question=question,
            uri=f"{ADDRESS}device-1.md",
            quote=None,
            relevance=1.0,
            product=None,
        )
        for number, question in enumerate(questions)
    ]
    with open_material(services, lines, _ignore) as material:
        gathered = material.gathered
    learnt = {" ".join(one.question.casefold().split()) for one in gathered.train}
    assert {asked["train"].casefold(), "what else is there?"} <= learnt
    assert not learnt & {asked["dev"].casefold(), asked["test"].casefold()}
    assert gathered.skipped[HELD_OUT] == 4, "two questions, of clicks and of a line each"
    clicked = {one.question for one in gathered.train if one.source == "click"}
    assert clicked == {questions[0], questions[3]}


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

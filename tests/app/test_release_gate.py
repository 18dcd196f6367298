"""The gate beside real models: what it refuses before it measures, and when it asks for more answers."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.db.releases import get_release
from app.db.training_runs import Kind, begin_run
from app.evaluations.questions import Asked
from app.model_folders import record_search
from app.release_gate import gate_release
from app.releases import create_release, promote
from app.settings import Settings
from app.wiring import Services, build_services
from finetune.comparison import NotComparable
from finetune.gate import GateDecision, MainMeasure
from finetune.overlap import digest_questions
from finetune.suites import Question
from tests.app.devices import ADDRESS, open_device_home, tuned_encoder

LEARNT = ("How heavy is", "Who paints", "How heavy is", "Who paints")


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
def services(own_models: Settings, tmp_path: Path) -> Iterator[Services]:
    """A home of devices, with models of its own."""
    with open_device_home(own_models, tmp_path / "docs") as services:
        yield services


def _record_run(services: Services, kind: Kind, questions: list[str], **models: str) -> str:
    with services.database.writing() as session:
        report = {"examples": {"questions": digest_questions(questions)}, **models}
        return begin_run(session, kind, base="", report=report, now=datetime.now(UTC))


def _ask(questions: list[str]) -> Asked:
    """Of device 1, 2 and so on."""
    return Asked(
        name="devices",
        sha256="s",
        split=None,
        questions=tuple(
            Question(id=str(place), question=one, gold_documents=(f"{ADDRESS}device-{place + 1}.md",))
            for place, one in enumerate(questions)
        ),
        unanswerable=(),
        left_out=0,
        gold_passages={},
        not_located=0,
        missing_documents=(),
    )


def _gate(
    services: Services, release: str, asked: Asked, *, main: MainMeasure | None, answers: int
) -> GateDecision:
    return gate_release(
        services,
        services,
        release,
        asked,
        main=main,
        margin=0.0,
        answers=answers,
        seed=1,
        progress=_ignore,
        say=lambda _text: None,
    )


@pytest.mark.parametrize(
    ("worse", "rise", "answered", "doubtful"),
    [
        # Of so many answers so many are worse: 1 of 30 is more than the allowed 0.02 and may be chance, 1 of
        # 60 is not more; 3 of 120 still may be chance, and there the gate stops.
        ({30: 1, 60: 1}, 1.0, [30, 30, 60, 60], False),
        ({30: 1, 60: 2, 120: 3}, 1.0, [30, 30, 60, 60, 120, 120], True),
        ({30: 1}, 0.0, [30, 30], True),  # refused by its main measure: no doubt decides anything
    ],
)
def test_doubt_about_a_guard_asks_for_more_answers(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    *,
    worse: dict[int, int],
    rise: float,
    answered: list[int],
    doubtful: bool,
) -> None:
    """Made-up answers, since those of real models can't be made to leave just this doubt."""
    settings = services.settings.model_copy(update={"encoder": tuned_encoder(services, "trn_a")})
    release = create_release(services, settings, note="", progress=_ignore)
    live, seen = services.serving.lineup().models.encoder.fingerprint, []

    def answer(_database: Any, retriever: Any, _generator: Any, drawn: Asked, *_: Any, **_more: Any) -> Any:
        ids = [one.id for one in drawn.questions]
        seen.append(len(ids))
        fallen = 0 if retriever.encoder.fingerprint == live else worse[len(ids)]
        right = 0.0 if retriever.encoder.fingerprint == live else rise
        return {
            "answered": dict.fromkeys(ids, right),
            "supported": {one: float(place >= fallen) for place, one in enumerate(ids)},
        }

    monkeypatch.setattr("app.release_gate.answer_values", answer)
    asked = _ask([f"How heavy is device {number}?" for number in range(1, 151)])
    decision = _gate(services, release.id, asked, main="answered", answers=30)
    assert seen == answered
    assert decision.passed is bool(rise)
    assert [check.name for check in decision.checks if check.doubtful] == ["supported"] * doubtful
    with services.database.reading() as session:
        gate = get_release(session, release.id).gate
    assert gate is not None
    assert [one["doubtful"] for one in gate["checks"] if one["name"] == "supported"] == [doubtful]


def test_questions_that_a_candidate_learnt_refuse_the_gate_and_are_named(services: Services) -> None:
    first = _record_run(services, "retriever", ["How heavy is  DEVICE 1?"], encoder=services.settings.encoder)
    second = _record_run(services, "retriever", ["Who paints device 2?"], encoder=f"run:{first}")
    settings = services.settings.model_copy(update={"encoder": tuned_encoder(services, second)})
    chosen_on = digest_questions(["How heavy is device 3?"])
    record_search(settings.models_folder, settings.encoder, {"qa_weight": 0.37}, questions=chosen_on)
    release = create_release(services, settings, note="", progress=_ignore)
    asked = _ask([f"{what} device {number}?" for number, what in enumerate(LEARNT, start=1)])
    decision = _gate(services, release.id, asked, main=None, answers=1)
    assert not decision.passed
    assert "trained on 3 of the questions" in decision.reasons[0]
    assert all(repr(one.question) in decision.reasons[0] for one in asked.questions[:3])
    assert repr(asked.questions[3].question) not in decision.reasons[0]


def test_the_gate_asks_beside_what_is_live_now(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not beside what this process still serves; where it can't, it says so."""
    services.serving.follow()
    candidate = create_release(services, services.settings, note="", progress=_ignore).id
    live = create_release(services, services.settings, note="", progress=_ignore).id
    promote(services, live, reason="test", forced=True, progress=_ignore)
    asked = _ask([f"How heavy is device {number}?" for number in range(1, 4)])
    with pytest.raises(NotComparable, match=f"{live} is live"):
        _gate(services, live, asked, main=None, answers=1)
    assert "30 is the least" in _gate(services, candidate, asked, main=None, answers=1).reasons[0]
    with services.database.reading() as session:
        gate = get_release(session, candidate).gate
    assert gate is not None
    assert gate["live"] == live
    with closing(build_services(services.settings)) as newer:
        monkeypatch.setattr("app.bundles.PROMPT_VERSION", "99")
        monkeypatch.setattr("app.releases.PROMPT_VERSION", "99")
        candidate = create_release(newer, newer.settings, note="", progress=_ignore).id
        with pytest.raises(NotComparable, match=r"prompt has the version 1, .*--force --reason"):
            _gate(newer, candidate, asked, main=None, answers=1)


def test_fewer_answers_than_can_decide_are_refused_before_any_is_written(services: Services) -> None:
    release = create_release(services, services.settings, note="", progress=_ignore).id
    asked = _ask([f"How heavy is device {number}?" for number in range(1, 41)])
    mixed = replace(asked, questions=asked.questions[:35], unanswerable=asked.questions[35:])
    cases: list[tuple[Asked, MainMeasure, str]] = [
        (asked, "supported", "29 of the questions drawn to be answered have 'supported'"),
        (mixed, "citation recall", "of the questions drawn to be answered have 'citation recall'"),
        (mixed, "refusal right", "29 of the questions drawn"),
        (asked, "token recall", "0 of the questions drawn"),
    ]
    for questions, main, found in cases:
        decision = _gate(services, release, questions, main=main, answers=29)
        assert found in decision.reasons[0]
        assert "--answers" in decision.reasons[0]
        assert not decision.checks

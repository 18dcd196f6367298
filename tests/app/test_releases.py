"""Releases made, gated, promoted and rolled back, with the real models, on both databases."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.documents import ingest_files
from app.cli.pairs import build_pairs
from app.db.releases import (
    ReleaseNotFound,
    ReleaseState,
    get_release,
    list_events,
    list_releases,
    read_pointers,
)
from app.models import ReleaseDamaged
from app.releases import NothingToRollBack, create_release, promote, roll_back
from app.settings import Settings
from app.wiring import Services, build_services

QUESTION = "How heavy is device 3?"
ADDRESS = "https://devices.example/"  # decides which documents' pairs are held out


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
def services(own_models: Settings, tmp_path: Path) -> Iterator[Services]:
    """A home with twelve documents of two questions each, and short answers."""
    settings = own_models.model_copy(
        update={
            "evidence_passages": 2,
            "evidence_tokens": 200,
            "answer_tokens": 30,
            "curated_similarity": 1.1,
        }
    )
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(12):
        (folder / f"device-{number}.md").write_text(
            f"# Device {number}\n\n"
            f"## How heavy is device {number}?\n\nDevice {number} weighs {number * 3 + 1} grams.\n\n"
            f"## Who paints device {number}?\n\nThe yard in harbour {number} paints it green.\n"
        )
    with closing(build_services(settings)) as services:
        ingest_files(services, [folder], uri_prefix=ADDRESS, progress=_ignore)
        yield services


def _other(services: Services) -> Settings:
    """A candidate that shows one passage only."""
    return services.settings.model_copy(update={"evidence_passages": 1})


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs each time: its id and its times."""
    return {name: value for name, value in answer.items() if name not in ("id", "timings_ms", "versions")}


def _promote(services: Services, settings: Settings) -> str:
    release = create_release(services, settings, note="", progress=_ignore)
    promote(services, release.id, detail={"reason": "test"}, forced=True, progress=_ignore)
    services.serving.follow()
    return release.id


def test_a_rollback_brings_the_former_answers_back_word_for_word(services: Services) -> None:
    before = services.ask(QUESTION)
    assert before["versions"]["release"] is None
    release = _promote(services, _other(services))
    with services.database.reading() as session:
        assert read_pointers(session).release == release
        found = list_releases(session)
    assert {one.state for one in found} == {ReleaseState.LIVE, ReleaseState.FORMER}  # and what was before
    promoted = services.ask(QUESTION)
    assert promoted["versions"]["release"] == release
    back = roll_back(services, None, reason="worse", progress=_ignore)
    assert back.id != release
    services.serving.follow()
    after = services.ask(QUESTION)
    assert after["versions"]["release"] == back.id
    assert _said(after) == _said(before)
    with services.database.reading() as session:
        events = [(one.kind, one.detail.get("reason")) for one in list_events(session, back.id)]
        assert get_release(session, release).force_reason == "test"
    assert events[-1] == ("rolled back", "worse")


def test_nobody_who_asks_meanwhile_gets_an_error_or_a_mixture(services: Services) -> None:
    services.ask(QUESTION)
    failed: list[Exception] = []
    versions: set[tuple[str | None, int]] = set()
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            try:
                bundle = services.bundle()
                found = services.search(QUESTION, k=3)
                assert found.hits
                versions.add((bundle.lineup.release, bundle.lineup.thresholds.evidence_passages))
            except Exception as error:  # each is a failed request
                failed.append(error)

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    release = _promote(services, _other(services))
    answer = services.ask(QUESTION)
    back = roll_back(services, None, reason=None, progress=_ignore).id
    services.serving.follow()
    services.search(QUESTION, k=1)
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert answer["versions"]["release"] == release
    assert versions <= {(None, 2), (release, 1), (back, 2)}
    assert (release, 1) in versions


def test_a_changed_byte_is_found_before_anything_moves(services: Services) -> None:
    release = create_release(services, services.settings, note="", progress=_ignore)
    file = services.settings.models_folder / services.settings.encoder / "config.json"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ReleaseDamaged, match="encoder"):
        promote(services, release.id, detail={}, forced=True, progress=_ignore)
    with services.database.reading() as session:
        assert read_pointers(session).release is None
        assert get_release(session, release.id).state is ReleaseState.CANDIDATE


def test_another_prompt_is_refused(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    release = create_release(services, services.settings, note="", progress=_ignore)
    monkeypatch.setattr("app.bundles.PROMPT_VERSION", "99")
    with pytest.raises(ReleaseDamaged, match="prompt has the version"):
        promote(services, release.id, detail={}, forced=True, progress=_ignore)


def test_what_can_not_be_gone_back_to_is_said(services: Services) -> None:
    with pytest.raises(NothingToRollBack, match="no release is live"):
        roll_back(services, None, reason=None, progress=_ignore)
    with pytest.raises(ReleaseNotFound):
        promote(services, "rel_none", detail={}, forced=True, progress=_ignore)
    release = _promote(services, services.settings)
    with pytest.raises(NothingToRollBack, match="is live already"):
        roll_back(services, release, reason=None, progress=_ignore)


def test_the_gate_on_the_command_line(services: Services, run: Any) -> None:
    build_pairs(services, write=0, progress=_ignore)
    made = re.search(r"rel_\w+  .*: the same", run("release", "create", "--note", "the same"))
    assert made is not None
    release = made.group().split()[0]
    refused = run("release", "gate", release, "--pairs", "dev", "--answers", "1")
    assert "can't decide anything, 30 is the least" in refused
    assert "can't decide anything" in run("release", "show", release)
    with pytest.raises(typer.BadParameter, match="needs --reason"):
        run("release", "promote", release, "--force")
    run("release", "promote", release, "--force", "--reason", "try")
    listed = run("release", "list", "--json")
    assert {one["id"]: one["state"] for one in listed}[release] == "live"

"""Releases made, gated, promoted and rolled back, with the real models, on both databases."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from app.bundles import describe_thresholds, read_thresholds
from app.cli.documents import JobFailed, ingest_files
from app.cli.pairs import build_pairs
from app.db.indexes import IndexView
from app.db.passages import count_missing_embeddings
from app.db.releases import (
    ReleaseNotFound,
    ReleaseRetired,
    ReleaseState,
    get_release,
    list_events,
    list_releases,
    read_pointers,
    record_gate,
)
from app.db.tables import Release
from app.diagnosis import Level, diagnose
from app.indexing import is_whole
from app.model_folders import tuned_folder, write_manifest
from app.models import ReleaseDamaged
from app.releases import (
    GateOutdated,
    MovedMeanwhile,
    NothingToRollBack,
    create_release,
    promote,
    retire_old,
    roll_back,
)
from app.settings import Settings
from app.wiring import Services, build_services
from tests.app.devices import open_device_home, tuned_encoder

QUESTION = "How heavy is device 3?"


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
def services(own_models: Settings, tmp_path: Path) -> Iterator[Services]:
    """A home of devices, with models of its own."""
    with open_device_home(own_models, tmp_path / "docs") as services:
        yield services


def _other(services: Services) -> Settings:
    """A candidate that shows one passage only."""
    return services.settings.model_copy(update={"evidence_passages": 1})


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs each time: its id and its times."""
    return {name: value for name, value in answer.items() if name not in ("id", "timings_ms", "versions")}


def _promote(services: Services, settings: Settings) -> str:
    release = create_release(services, settings, note="", progress=_ignore)
    promote(services, release.id, reason="test", forced=True, progress=_ignore)
    services.serving.follow()
    return release.id


def test_a_rollback_brings_the_former_answers_back_word_for_word(services: Services) -> None:
    build_pairs(services, write=0, progress=_ignore)
    before = services.ask(QUESTION)
    assert (before["versions"]["release"], before["curated"]) == (None, False)
    release = _promote(services, _other(services).model_copy(update={"curated_similarity": 0.9}))
    promote(services, release, reason="test", forced=True, progress=_ignore)  # changes nothing
    with services.database.reading() as session:
        assert read_pointers(session).release == release
        found = list_releases(session)
    assert {one.state for one in found} == {ReleaseState.LIVE, ReleaseState.FORMER}  # and what was before
    promoted = services.ask(QUESTION)
    assert promoted["versions"]["release"] == release
    assert promoted["curated"], "it answers in other words"
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


def test_thresholds_of_before_there_was_a_least_strength_have_none(services: Services) -> None:
    kept = describe_thresholds(services.serving.lineup())
    assert read_thresholds(kept).answer.strength.minimum == services.settings.minimum_strength > 0
    del kept["answer"]["strength"]["minimum"]
    assert read_thresholds(kept).answer.strength.minimum == 0


def _decide(services: Services, release: str, *, passed: bool, live: str | None) -> None:
    gate = {"passed": passed, "live": live}
    with services.database.writing() as session:
        record_gate(session, release, gate, now=datetime.now(UTC))


def test_only_what_the_gate_let_pass_beside_what_is_live_goes_live(services: Services) -> None:
    def go_live(release: str) -> None:
        promote(services, release, reason=None, forced=False, progress=_ignore)

    first, second = (
        create_release(services, _other(services), note=name, progress=_ignore).id for name in "ab"
    )
    with pytest.raises(GateOutdated, match=f"not let {first} pass"):
        go_live(first)
    _decide(services, first, passed=False, live=None)
    with pytest.raises(GateOutdated):
        go_live(first)
    with services.database.reading() as session:
        assert read_pointers(session).release is None
    for release in (first, second):
        _decide(services, release, passed=True, live=None)
    go_live(first)
    go_live(first)  # a step that is repeated after a crash
    with pytest.raises(GateOutdated, match=f"{first}.*asked anew"):
        go_live(second)  # it was compared with what was live before
    _decide(services, second, passed=True, live=first)
    go_live(second)
    with services.database.reading() as session:
        assert read_pointers(session).release == second
        assert get_release(session, second).replaced == first


def test_nobody_who_asks_meanwhile_gets_an_error_or_a_mixture(services: Services) -> None:
    services.ask(QUESTION)
    failed: list[Exception] = []
    versions: set[tuple[str | None, int]] = set()
    done = threading.Event()

    def search() -> None:
        while not done.wait(0.02):  # else the threads of one process starve each other
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
        promote(services, release.id, reason=None, forced=True, progress=_ignore)
    with services.database.reading() as session:
        assert read_pointers(session).release is None
        assert get_release(session, release.id).state is ReleaseState.CANDIDATE


def test_the_doctor_looks_at_the_models_of_the_live_release(services: Services) -> None:
    release = _promote(services, services.settings)
    elsewhere = services.settings.model_copy(update={"encoder": "path:/nowhere"})  # which a release overrules

    def found() -> dict[str, tuple[Level, str]]:
        return {one.subject: (one.level, one.found) for one in diagnose(elsewhere)}

    assert found()["release"] == (Level.FINE, f"{release}, its models are whole")
    assert found()["encoder"][0] is Level.FINE
    file = services.settings.models_folder / services.settings.encoder / "config.json"
    file.write_bytes(file.read_bytes() + b" ")
    assert found()["release"][0] is Level.BROKEN


def test_another_prompt_is_refused(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    release = create_release(services, services.settings, note="", progress=_ignore)
    monkeypatch.setattr("app.bundles.PROMPT_VERSION", "99")
    with pytest.raises(ReleaseDamaged, match="prompt has the version"):
        promote(services, release.id, reason=None, forced=True, progress=_ignore)


def test_what_can_not_be_gone_back_to_is_said(services: Services) -> None:
    with pytest.raises(NothingToRollBack, match="no release is live"):
        roll_back(services, None, reason=None, progress=_ignore)
    with pytest.raises(ReleaseNotFound):
        promote(services, "rel_none", reason=None, forced=True, progress=_ignore)
    release = _promote(services, services.settings)
    with pytest.raises(NothingToRollBack, match="is live already"):
        roll_back(services, release, reason=None, progress=_ignore)
    candidate = create_release(services, _other(services), note="", progress=_ignore).id
    with pytest.raises(NothingToRollBack, match=f"{candidate} was never live"):
        roll_back(services, candidate, reason=None, progress=_ignore)  # the gate would be passed by
    with services.database.reading() as session:
        assert read_pointers(session).release == release


def test_a_release_whose_encoder_runs_in_another_way_here_is_refused_and_named(
    services: Services, tmp_path: Path
) -> None:
    """As where a home came to a processor without bfloat16: the vectors of questions would be others."""
    first, second = _promote(services, services.settings), _promote(services, _other(services))
    _pretend_made_elsewhere(services, first)
    with pytest.raises(ReleaseDamaged, match="runs in another way here"):
        roll_back(services, None, reason=None, progress=_ignore)
    with services.database.reading() as session:
        assert read_pointers(session).release == second
    _pretend_made_elsewhere(services, second)
    note = tmp_path / "note.md"
    note.write_text("# Device 77\n\nDevice 77 weighs 7777 grams.\n")
    with _opened(services) as moved:
        with pytest.raises(ReleaseDamaged, match="Create a release here, and promote it with --force"):
            moved.search(QUESTION, k=1)
        with pytest.raises(JobFailed, match="runs in another way here"):
            ingest_files(moved, [note], progress=_ignore)
        assert any(
            "another way here" in one.found for one in diagnose(moved.settings) if one.subject == "release"
        )
        _promote(moved, moved.settings)
        assert "10 grams" in moved.search(QUESTION, k=1).hits[0].text


def _pretend_made_elsewhere(services: Services, release_id: str) -> None:
    with services.database.writing() as session:
        session.get_one(Release, release_id).vectors = f"elsewhere {release_id}"


def test_a_promotion_that_is_repeated_does_not_undo_a_rollback(services: Services) -> None:
    first = _promote(services, services.settings)
    second = create_release(services, _other(services), note="", progress=_ignore).id

    def work() -> None:
        promote(services, second, reason="test", forced=True, progress=_ignore, job_id="job_1")

    work()
    roll_back(services, None, reason="worse", progress=_ignore)
    work()  # a step whose end was not recorded
    with services.database.reading() as session:
        assert read_pointers(session).release == first
    promote(services, second, reason="again", forced=True, progress=_ignore, job_id="job_2")
    with services.database.reading() as session:
        assert read_pointers(session).release == second


def test_a_rollback_takes_off_only_what_was_live_when_it_was_asked(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = _promote(services, services.settings), _promote(services, _other(services))
    better = create_release(services, _other(services), note="", progress=_ignore).id
    note = services.settings.home / "extra.md"
    note.write_text("# Device 99\n\nDevice 99 weighs 4242 grams.\n")

    def meanwhile(work: Callable[[], object]) -> None:
        def check(settings: Settings, index: IndexView) -> bool:
            work()
            return is_whole(settings, index)

        monkeypatch.setattr("app.releases.is_whole", check)

    meanwhile(lambda: promote(services, better, reason="better", forced=True, progress=_ignore))
    with pytest.raises(MovedMeanwhile, match=f"{better} took the place of {second} meanwhile"):
        roll_back(services, first, reason=None, progress=_ignore)
    with services.database.reading() as session:
        assert read_pointers(session).release == better
    meanwhile(lambda: ingest_files(services, [note], progress=_ignore))
    roll_back(services, first, reason=None, progress=_ignore)
    services.serving.follow()
    assert "4242 grams" in services.search("How heavy is device 99?", k=1).hits[0].text


def test_a_first_promotion_that_is_stopped_while_it_builds_leaves_no_release_behind(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = create_release(services, _other(services), note="", progress=_ignore).id
    monkeypatch.setattr("app.releases.build_release_index", _stopped)
    with pytest.raises(KeyboardInterrupt):
        promote(services, release, reason="test", forced=True, progress=_ignore)
    with services.database.reading() as session:
        assert [one.id for one in list_releases(session)] == [release]


def _stopped(*_given: object, **_named: object) -> None:
    raise KeyboardInterrupt


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
    with pytest.raises(typer.BadParameter, match=r"'mrr' is not one of .*'mrr@10'"):
        run("release", "gate", release, "--main", "mrr")
    run("release", "promote", release, "--force", "--reason", "try")
    assert "live" in run("release", "promote", release), "what was killed after it had done it is done again"
    with services.database.reading() as session:
        assert [one.kind for one in list_events(session, release)].count("gated") == 1, (
            "it is not asked again"
        )
    listed = run("release", "list", "--json")
    assert {one["id"]: one["state"] for one in listed}[release] == "live"


def test_a_damaged_index_is_built_anew_before_it_goes_live(services: Services) -> None:
    release = create_release(services, _other(services), note="", progress=_ignore)
    file = services.settings.indexes_folder / release.index_version / "entries.json"
    file.write_bytes(file.read_bytes().replace(b"psg_", b"psx_", 1))
    promote(services, release.id, reason="test", forced=True, progress=_ignore)
    services.serving.follow()
    with services.database.reading() as session:
        assert read_pointers(session).index != release.index_version
    assert "10 grams" in services.search(QUESTION, k=1).hits[0].text


def test_another_versions_files_in_the_place_of_an_index_are_not_taken_for_it(services: Services) -> None:
    release = create_release(services, services.settings, note="", progress=_ignore)
    stale = services.settings.indexes_folder / release.index_version
    extra = services.settings.home / "extra.md"
    extra.write_text("# Device 99\n\nDevice 99 weighs 4242 grams.\n")
    ingest_files(services, [extra], progress=_ignore)
    newer = create_release(services, _other(services), note="", progress=_ignore)
    fresh = services.settings.indexes_folder / newer.index_version
    shutil.rmtree(fresh)
    shutil.copytree(stale, fresh)  # whole, but without the newest document
    promote(services, newer.id, reason="test", forced=True, progress=_ignore)
    services.serving.follow()
    assert "4242 grams" in services.search("How heavy is device 99?", k=1).hits[0].text


def test_old_releases_go_with_their_models_and_those_behind_answers_stay(services: Services) -> None:
    def tuned(run: str) -> Settings:
        return services.settings.model_copy(
            update={"encoder": tuned_encoder(services, run), "kept_releases": 1}
        )

    first = _promote(services, tuned("trn_a"))
    services.ask(QUESTION)
    with _opened(services, kept_releases=1) as keeping:
        others = [_promote(keeping, tuned(f"trn_{name}")) for name in "bcde"]
    with services.database.reading() as session:
        states = {one.id: one.state for one in list_releases(session)}
    kept = {first, others[1], others[2], others[3]}  # answering, the newest other, the replaced, the live
    assert {one for one, state in states.items() if state is not ReleaseState.RETIRED} == kept
    folder = services.settings.models_folder / "tuned"
    assert {one.name for one in folder.iterdir()} == {"trn_a", "trn_c", "trn_d", "trn_e"}
    with pytest.raises(ReleaseRetired, match="create it anew"):
        roll_back(services, others[0], reason=None, progress=_ignore)
    with _opened(services, kept_releases=1, keep_answering_releases=False) as forgetting:
        assert retire_old(forgetting) == [first]
        assert not (folder / "trn_a").exists()
        assert "10 grams" in forgetting.search(QUESTION, k=1).hits[0].text


def test_a_copy_of_a_model_that_is_kept_leaves_its_vectors(services: Services) -> None:
    """Tuning that helps nothing leaves a copy of what it began with, which has the same vectors."""
    own, copy = services.settings, tuned_folder(services.settings.models_folder, "trn_copy")
    shutil.copytree(own.models_folder / own.encoder, copy)
    write_manifest(copy, "a test")
    _promote(services, own.model_copy(update={"encoder": "run:trn_copy"}))
    with _opened(services, kept_releases=0, keep_answering_releases=False) as forgetting:
        last = [_promote(forgetting, forgetting.settings) for _ in range(3)][-1]
    assert not copy.exists()
    with services.database.reading() as session:
        live = get_release(session, last)
        assert count_missing_embeddings(session, live.vectors) == {}


def _opened(services: Services, **settings: object) -> AbstractContextManager[Services]:
    return closing(build_services(services.settings.model_copy(update=settings)))


DYING = """
import os, signal, sys
from contextlib import AbstractContextManager, closing
from sqlalchemy import event
from app.releases import promote
from app.settings import load_settings
from app.wiring import build_services

left = int(sys.argv[2])
writes = False

def die(_connection, _cursor=None, statement="COMMIT", *_event):
    global left, writes
    writes = writes or statement.startswith("UPDATE")
    left -= writes
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

with closing(build_services(load_settings())) as services:
    event.listen(services.database.engine, "before_cursor_execute", die)
    event.listen(services.database.engine, "commit", die)
    promote(services, sys.argv[1], reason="test", forced=True, progress=lambda *_: None)
"""


def _promote_and_die(settings: Settings, release: str, events: int) -> bool:
    """Promote in a process that is killed at its so many-th statement or commit from its first change on."""
    environment = os.environ | {
        "FOOTNOTE_HOME": str(settings.home),
        "FOOTNOTE_MODELS": str(settings.models_folder),
        "FOOTNOTE_GENERATOR": settings.generator,
        "FOOTNOTE_OFFLINE": "true",
    }
    if settings.database_url is not None:
        environment["FOOTNOTE_DATABASE_URL"] = settings.database_url
    command = [sys.executable, "-c", DYING, release, str(events)]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


SURELY_KILLED = 3  # statements and commits that every promotion needs from its first change on


@pytest.mark.parametrize(
    "events", [SURELY_KILLED, *(pytest.param(events, marks=pytest.mark.slow) for events in range(1, 21))]
)
def test_a_promotion_that_is_killed_leaves_the_old_or_the_new(services: Services, events: int) -> None:
    old = _promote(services, services.settings)
    new = create_release(services, _other(services), note="", progress=_ignore).id
    killed = _promote_and_die(services.settings, new, events)
    assert killed or events > SURELY_KILLED
    with services.database.reading() as session:
        pointers = read_pointers(session)
        states = [one.state for one in list_releases(session)]
    assert pointers.release in ((old, new) if killed else (new,))
    assert states.count(ReleaseState.LIVE) == 1
    with closing(build_services(services.settings)) as started:  # a server that starts now
        assert started.serving.lineup().release == pointers.release
        assert "10 grams" in started.search(QUESTION, k=1).hits[0].text
    promote(services, new, reason="again", forced=True, progress=_ignore)
    with services.database.reading() as session:
        assert read_pointers(session).release == new

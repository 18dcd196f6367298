"""``footnote tune retriever`` on a small home, with the real encoder, on both databases."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.documents import ingest_files
from app.cli.program import app
from app.cli.tuning import read_lines
from app.db.training_runs import list_runs
from app.downloads import Progress
from app.learning import runs
from app.learning.examples import NO_DOCUMENT, NO_PASSAGE
from app.learning.retriever import TuneRetriever, tune_retriever
from app.model_folders import open_model, tuned_folder
from app.models import Models
from app.settings import Settings
from app.wiring import Services, build_services
from finetune.configuration import OptimizerConfig, RetrieverConfig
from finetune.examples import ExampleLine, TooFewExamples, read_example_lines

PARTS = ["pump", "hose", "valve", "filter", "motor", "switch", "sensor", "nozzle", "gasket", "lever"]
FACTS = {
    "cleaned": "Clean the {part} with warm water and a soft brush every week.",
    "replaced": "Replace the {part} after two thousand hours, and keep the old screws.",
    "ordered": "Order the {part} by its number {number} from the spare parts desk.",
    "stored": "Store the {part} dry, between 5 and 30 degrees, away from sunlight.",
    "tested": "Test the {part} at half pressure first, then for an hour at full pressure.",
    "measured": "Measure the {part} with a calliper at three places and note the mean.",
}
WANTED = TuneRetriever(
    config=RetrieverConfig(epochs=1, batch_size=30, negatives=1),
    optimizer=OptimizerConfig(learning_rate=2e-5, steps_per_checkpoint=1),
)


def _ignore(_what: str, _done: int, _total: int) -> None:
    return


def _examples() -> list[str]:
    rows = [
        {
            "question": f"what about having my {part} {done}?",
            "uri": f"https://d/{part}.md",
            "quote": quote,
        }
        for number, part in enumerate(PARTS)
        for done, fact in FACTS.items()
        for quote in [fact.format(part=part, number=number)]
    ]
    return [json.dumps(row) for row in rows]


@pytest.fixture
def services(settings: Settings, models: Models, tmp_path: Path) -> Iterator[Services]:
    folder, own = tmp_path / "parts", tmp_path / "models"
    folder.mkdir()
    for number, part in enumerate(PARTS):
        sections = [
            f"## {part} {done}\n\n{fact.format(part=part, number=number)}\n" for done, fact in FACTS.items()
        ]
        (folder / f"{part}.md").write_text(f"# The {part}\n\n" + "\n".join(sections))
    own.mkdir()
    shutil.copytree(settings.models_folder / settings.encoder, own / settings.encoder)
    services = build_services(settings.model_copy(update={"models": own, "passage_tokens": 32}), models)
    ingest_files(services, [folder], uri_prefix="https://d/", progress=_ignore)
    yield services
    services.close()


def _tune(services: Services, lines: list[ExampleLine], progress: Progress = _ignore) -> str:
    return tune_retriever(services, replace(WANTED, lines=lines), progress).id


def _weights(services: Services, run_id: str) -> bytes:
    return (tuned_folder(services.settings.models_folder, run_id) / "model.safetensors").read_bytes()


class Killed(BaseException):
    pass


class _Steps:
    """Progress that keeps which steps were done."""

    def __init__(self) -> None:
        self.done: list[int] = []

    def __call__(self, what: str, done: int, _total: int) -> None:
        if what == "Tuning":
            self.done.append(done)


def test_a_run_ends_in_a_model_killed_or_not(services: Services) -> None:
    def kill(what: str, done: int, _total: int) -> None:
        if what == "Tuning" and done == 1:
            raise Killed

    lines = read_example_lines(_examples())
    with pytest.raises(Killed):
        _tune(services, lines, kill)
    with services.database.reading() as session:
        [stopped] = list_runs(session)
    assert (stopped.state, stopped.fingerprint) == ("running", None)
    assert not tuned_folder(services.settings.models_folder, stopped.id).exists()

    steps = _Steps()
    first = _tune(services, lines, steps)
    assert first == stopped.id
    assert steps.done == [2], "the step before it was killed is not done again"
    with services.database.reading() as session:
        [run] = list_runs(session)
    model = open_model(services.settings.models_folder, f"run:{first}")
    assert (run.state, run.fingerprint, run.error) == ("done", model.fingerprint, None)
    assert run.report["examples"]["by_source"] == {"file": 60}
    assert run.report["factor"] == 1.0
    assert len(run.report["losses"]) == 2
    assert not (services.settings.home / "training" / first).exists()

    second = _tune(services, lines)
    assert second != first
    assert _weights(services, second) == _weights(services, first)
    base = services.settings.models_folder / services.settings.encoder / "model.safetensors"
    assert _weights(services, first) != base.read_bytes()
    assert open_model(services.settings.models_folder, f"run:{second}").fingerprint == model.fingerprint


def test_what_is_gone_is_skipped_and_too_little_is_refused(services: Services) -> None:
    rows = _examples()
    gone = [
        json.dumps({"question": "who?", "uri": "https://d/none.md"}),
        json.dumps({"question": "where?", "uri": "https://d/pump.md", "quote": "words that nobody wrote"}),
    ]
    run_id = _tune(services, read_example_lines([*rows[:50], *gone]))
    with services.database.reading() as session:
        [run] = list_runs(session)
    assert run.id == run_id
    assert run.report["skipped"] == {NO_DOCUMENT: 1, NO_PASSAGE: 1}
    with pytest.raises(TooFewExamples, match=r"10 training examples are too few, 50 is the least \(2 more"):
        _tune(services, read_example_lines([*rows[:10], *gone]))


def test_a_full_disk_is_said_and_the_next_call_goes_on(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    lines = read_example_lines(_examples())
    with monkeypatch.context() as patched:
        patched.setattr(runs, "write_manifest", full)
        with pytest.raises(OSError, match="the disk is full"):
            _tune(services, lines)
    with services.database.reading() as session:
        [run] = list_runs(session)
    assert run.state == "failed"
    assert "the disk is full" in str(run.error)
    assert not tuned_folder(services.settings.models_folder, run.id).exists()
    steps = _Steps()
    assert _tune(services, lines, steps) == run.id
    assert steps.done == [], "nothing is learnt again"
    with services.database.reading() as session:
        [run] = list_runs(session)
    assert (run.state, run.error) == ("done", None)
    assert len(run.report["losses"]) == 2


def test_a_file_of_examples_may_hold_any_separator_of_lines_in_its_texts(tmp_path: Path) -> None:
    """As spreadsheets and browsers write them, with a byte order mark before all."""
    row = json.loads(_examples()[0]) | {"quote": "one\u2028two\u2029three\u0085four"}
    file = tmp_path / "examples.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for _ in range(2)), "utf-8-sig")
    lines = read_example_lines(read_lines(file))
    assert [(one.number, one.quote) for one in lines] == [(1, row["quote"]), (2, row["quote"])]


def test_the_command_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "examples.jsonl"
    broken.write_text(_examples()[0] + "\n{broken\n")
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(app, ["tune", "retriever", "--examples", str(broken)])
    assert "line 2: " in str(result.exception)
    broken.write_bytes(_examples()[0].encode() + '\n{"question": "Größe?"}\n'.encode("latin-1"))
    result = CliRunner().invoke(app, ["tune", "retriever", "--examples", str(broken)])
    assert f"{broken}, line 2: it is not UTF-8" in str(result.exception)
    result = CliRunner().invoke(app, ["tune", "show", "trn_none"])
    assert "no training run 'trn_none'" in str(result.exception)

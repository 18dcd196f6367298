"""Compiling pairs is durable: a build that is killed or stopped goes on where it was; the real models."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.cli.documents import ingest_files
from app.cli.pairs import build_pairs
from app.db.pairs import PairFilter, PairView, list_pairs
from app.db.tables import QAPair, QAWork
from app.models import Models
from app.settings import Settings
from app.wiring import Services, build_services
from generator.models import Message
from tests.app.processes import start_command

DOCUMENTS = 60
DEADLINE_SECONDS = 120


def no_progress(_what: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
def services(settings: Settings, models: Models, tmp_path: Path) -> Iterator[Services]:
    """A home with documents that hold two questions each."""
    services = build_services(settings, models)
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(DOCUMENTS):
        (folder / f"device-{number}.md").write_text(
            f"# Device {number}\n\n"
            f"## How heavy is device {number}?\n\nDevice {number} weighs {number * 3 + 1} grams.\n\n"
            f"## Who paints device {number}?\n\nThe yard in harbour {number} paints it green.\n"
        )
    ingest_files(services, [folder], progress=no_progress)
    yield services
    services.close()


def all_pairs(services: Services) -> list[PairView]:
    with services.database.reading() as session:
        return list_pairs(session, PairFilter(), limit=1000)


def check_whole(services: Services) -> None:
    """Every pair is there once, decided, and searched."""
    found = all_pairs(services)
    assert len(found) == 2 * DOCUMENTS
    assert {pair.status for pair in found} == {"approved"}
    assert len({pair.question for pair in found}) == 2 * DOCUMENTS
    hit = services.search("How heavy is device 7?", k=1).hits[0]
    assert "22 grams" in hit.text
    assert "qa" in hit.via


def test_a_killed_build_goes_on_where_it_was(services: Services, tmp_path: Path) -> None:
    process = start_command(services.settings, tmp_path, "qa", "build", "--write", "0", "--json")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while count(services, QAWork) == 0:
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.005)
    process.kill()
    process.join()
    assert count(services, QAWork) < DOCUMENTS  # it was in the middle
    result = build_pairs(services, write=0, progress=no_progress)
    check_whole(services)
    assert result["pairs"]["by_origin"] == {"authored": {"approved": 2 * DOCUMENTS}}
    again = build_pairs(services, write=0, progress=no_progress)
    assert (again["found"], again["index_version"]) == (0, result["index_version"])
    check_whole(services)


def count(services: Services, table: type[QAPair | QAWork]) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


class _Scripted:
    """A generator that asks and answers from a list, so that what is written is known."""

    name, fingerprint = "scripted", "scripted-1"

    def __init__(self) -> None:
        self.asked = 0

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def complete(self, chats: list[list[Message]], **_limits: object) -> list[str]:
        self.asked += len(chats)
        return ["NOT FOUND"] * len(chats)


def test_each_passage_is_given_to_a_generator_once(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for number in range(3):
        (more / f"pump-{number}.md").write_text(
            f"# Pump {number}\n\nIf the filter of pump {number} is blocked, its motor stops at once.\n"
        )
    ingest_files(services, [more], progress=no_progress)
    scripted = _Scripted()
    monkeypatch.setattr(type(services), "generator", property(lambda _self: scripted))
    first = build_pairs(services, write=None, progress=no_progress)
    assert first["written_from"] == 3, "passages that pairs rest on already are passed over"
    asked = scripted.asked
    assert asked >= 3
    second = build_pairs(services, write=None, progress=no_progress)
    assert (second["written_from"], scripted.asked) == (0, asked)


def test_the_real_generator_writes_pairs_whose_answers_are_words_of_the_document(
    services: Services, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "pump.md").write_text(
        "# Pump P3\n\nIf the filter of the pump P3 is blocked, the motor stops after 20 seconds. "
        "You must renew the oil before winter, because it freezes at ten degrees.\n"
    )
    ingest_files(services, [more], progress=no_progress)
    result = build_pairs(services, write=1, progress=no_progress)
    assert result["written_from"] == 1
    written = [pair for pair in all_pairs(services) if pair.method == "model"]
    assert written, "else nothing is compared"
    for pair in written:
        assert pair.status in {"approved", "pending", "filtered", "duplicate"}
        assert [at.quote for at in pair.evidence] == [pair.answer]

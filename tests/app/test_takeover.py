"""Who is taken for dead, and who is not: on the real PostgreSQL, by its clock."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.db.jobs import give_sign, seconds_silent
from app.db.session import Database
from app.job_watch import Takeover
from app.models import Models
from app.settings import Settings
from app.wiring import build_services
from tests.app.processes import wait_until

SILENCE_SECONDS = 2.0


@pytest.fixture
def database(settings: Settings, models: Models) -> Iterator[Database]:
    if not settings.shares_jobs:
        pytest.skip("on SQLite one process has the jobs to itself")
    with closing(build_services(settings, models)) as services:
        yield services.database


def sign(database: Database, worker: str) -> None:
    with database.writing() as session:
        give_sign(session, worker, host="elsewhere")


def test_the_silent_are_taken_for_dead_but_not_after_a_gap_of_ones_own(database: Database) -> None:
    running, taken = {"worker_left", "worker_silent", "worker_me"}, list[str]()

    def take(workers: list[str]) -> None:
        taken.extend(workers)
        running.difference_update(workers)

    takeover = Takeover(
        database,
        "worker_me",
        silence_seconds=SILENCE_SECONDS,
        running=lambda: set(running),
        take_over=take,
    )
    sign(database, "worker_silent")
    takeover.look()
    assert taken == ["worker_left"], "who has no entry has left: nobody has to wait for it"

    def looked(count: int) -> bool:
        takeover.look()
        return len(taken) == count

    wait_until(lambda: looked(2))
    assert taken == ["worker_left", "worker_silent"]
    sign(database, "worker_other")
    running.add("worker_other")
    time.sleep(SILENCE_SECONDS + 1)  # as while the database is away: nobody gives a sign
    takeover.look()
    assert len(taken) == 2, "all seem silent after that, and are not"
    sign(database, "worker_other")
    wait_until(lambda: looked(3))
    assert taken[2:] == ["worker_other"]
    with database.reading() as session:
        assert set(seconds_silent(session)) == {"worker_me"}

"""Searches reach the record by themselves, and a search never waits for it."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db.interactions import click_hit
from app.db.searches import SearchRecord
from app.db.session import Database, migrate, open_engine
from app.db.tables import Search
from app.search_log import SearchLog
from app.settings import Settings

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEPT = timedelta(days=90)
DEADLINE_SECONDS = 20


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    yield database
    database.close()


def record(number: int, *, age_days: float = 0) -> SearchRecord:
    return SearchRecord(
        id=f"srch_{number}",
        created_at=NOW - timedelta(days=age_days),
        question=f"How heavy is part {number}?",
        index_version="idx_1",
        shown=("psg_b", "psg_a"),
    )


def on_record(database: Database) -> dict[str, Search]:
    with database.reading() as session:
        return {row.id: row for row in session.scalars(select(Search))}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_was_searched_and_shown_is_written_as_it_was(database: Database) -> None:
    log = SearchLog(database, kept=KEPT)
    assert log.record(record(1))
    assert on_record(database) == {}
    log.flush()
    row = on_record(database)["srch_1"]
    assert (row.question, row.index_version, row.shown) == (
        "How heavy is part 1?",
        "idx_1",
        ["psg_b", "psg_a"],
    )
    assert row.created_at == NOW
    log.flush()
    assert len(on_record(database)) == 1


def test_it_is_written_in_the_background_and_at_the_end(database: Database) -> None:
    log = SearchLog(database, kept=timedelta(days=36_500))
    log.start()
    for number in range(50):
        log.record(record(number))
    wait_until(lambda: len(on_record(database)) == 50)
    log.record(record(50))
    log.close()
    assert len(on_record(database)) == 51


def test_a_record_does_not_wait_for_a_writer_of_documents(database: Database) -> None:
    log = SearchLog(database, kept=timedelta(days=36_500))
    log.start()
    with database.writing() as session:
        session.execute(select(Search))  # takes the lock
        began = time.perf_counter()
        for number in range(1000):
            assert log.record(record(number))
        assert time.perf_counter() - began < 0.5
        time.sleep(1)  # the thread wants to write now
        began = time.perf_counter()
        assert log.record(record(1000))
        assert time.perf_counter() - began < 0.1
        if database.engine.dialect.name == "sqlite":
            assert on_record(database) == {}
    wait_until(lambda: len(on_record(database)) == 1001)
    log.close()


def test_a_full_queue_drops_and_counts(database: Database) -> None:
    log = SearchLog(database, kept=KEPT, capacity=2)
    assert [log.record(record(number)) for number in range(4)] == [True, True, False, False]
    assert log.dropped == 2
    log.flush()
    assert log.record(record(9))
    log.close()
    assert set(on_record(database)) == {"srch_0", "srch_1", "srch_9"}


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_a_database_that_does_not_answer_loses_nothing(database: Database) -> None:
    impatient = open_engine(str(database.engine.url))
    event.listen(
        impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=10").close()
    )
    log = SearchLog(Database(impatient), kept=KEPT)
    log.record(record(1))
    with database.writing() as session:
        session.execute(select(Search))  # takes the lock
        with pytest.raises(OperationalError):
            log.flush()
    log.record(record(2))
    log.close()
    assert set(on_record(database)) == {"srch_1", "srch_2"}
    assert log.dropped == 0
    impatient.dispose()


@pytest.mark.parametrize(
    "away",
    [InterfaceError(None, None, Exception("closed")), PoolTimeout("none is free")],
    ids=["closed", "pool"],
)
def test_a_search_waits_however_the_database_is_away(database: Database, away: Exception) -> None:
    def fail(_connection: object) -> None:
        raise away

    log = SearchLog(database, kept=KEPT)
    log.record(record(1))
    event.listen(database.engine, "begin", fail)
    with pytest.raises(type(away)):
        log.flush()
    event.remove(database.engine, "begin", fail)
    log.flush()
    assert set(on_record(database)) == {"srch_1"}
    assert log.dropped == 0


def test_what_can_not_be_written_holds_up_nothing_else(database: Database) -> None:
    log = SearchLog(database, kept=KEPT)
    log.record(record(1))
    log.flush()
    log.record(record(1))  # the same id again
    log.flush()
    assert log.dropped == 1
    log.record(record(2))
    log.flush()
    assert set(on_record(database)) == {"srch_1", "srch_2"}


def test_old_searches_go_unless_somebody_did_something_about_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.searches.REMOVED_AT_ONCE", 2)
    log = SearchLog(database, kept=KEPT)
    for number in range(5):
        log.record(record(number, age_days=91))
    log.record(record(5, age_days=91))
    log.record(record(6, age_days=89))
    log.flush()
    with database.writing() as session:
        click_hit(session, "srch_5", "psg_a", now=NOW)
    assert log.tidy(now=NOW) == 5
    assert set(on_record(database)) == {"srch_5", "srch_6"}
    assert log.tidy(now=NOW) == 0


def test_the_thread_removes_old_searches(database: Database) -> None:
    log = SearchLog(database, kept=KEPT)
    log.record(record(1, age_days=5000))
    log.flush()
    log.start()
    wait_until(lambda: on_record(database) == {})
    log.close()

"""Which moment of a schedule is due, against a table worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.errors import SourceInvalid
from app.sources.schedules import check_schedule, due


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BERLIN = (
    "Europe/Berlin"  # 2026: summer time begins on 29 March at 01:00 UTC, and ends on 25 October at 01:00 UTC
)
TABLE = [
    # nothing yet, once due, still the same, the next
    ("2026-01-10 12:00", "2026-01-11 01:29", "30 2 * * *", BERLIN, None),
    ("2026-01-10 12:00", "2026-01-11 01:30", "30 2 * * *", BERLIN, "2026-01-11 01:30"),
    ("2026-01-11 01:30", "2026-01-11 23:00", "30 2 * * *", BERLIN, None),
    ("2026-01-11 01:30", "2026-01-12 01:31", "30 2 * * *", BERLIN, "2026-01-12 01:30"),
    # five days of downtime: the last one alone
    ("2026-01-11 01:30", "2026-01-16 09:00", "30 2 * * *", BERLIN, "2026-01-16 01:30"),
    # summer time begins: 02:30 is left out, so 03:00 summer time is the first minute after
    ("2026-03-28 01:30", "2026-03-29 00:59", "30 2 * * *", BERLIN, None),
    ("2026-03-28 01:30", "2026-03-29 01:00", "30 2 * * *", BERLIN, "2026-03-29 01:00"),
    ("2026-03-29 01:00", "2026-03-29 12:00", "30 2 * * *", BERLIN, None),
    ("2026-03-29 01:00", "2026-03-30 00:30", "30 2 * * *", BERLIN, "2026-03-30 00:30"),
    ("2026-03-29 00:45", "2026-03-29 01:05", "*/15 * * * *", BERLIN, "2026-03-29 01:00"),
    ("2026-03-29 01:00", "2026-03-29 01:14", "*/15 * * * *", BERLIN, None),
    # summer time ends: 02:30 comes at 00:30 and at 01:30 UTC, and counts once
    ("2026-10-24 00:30", "2026-10-25 00:29", "30 2 * * *", BERLIN, None),
    ("2026-10-24 00:30", "2026-10-25 00:30", "30 2 * * *", BERLIN, "2026-10-25 00:30"),
    ("2026-10-25 00:30", "2026-10-25 01:30", "30 2 * * *", BERLIN, None),
    ("2026-10-25 00:30", "2026-10-25 23:00", "30 2 * * *", BERLIN, None),
    ("2026-10-24 00:30", "2026-10-25 01:15", "30 2 * * *", BERLIN, "2026-10-25 00:30"),
    ("2026-10-25 00:45", "2026-10-25 01:59", "*/15 * * * *", BERLIN, None),
    ("2026-10-25 00:45", "2026-10-25 02:00", "*/15 * * * *", BERLIN, "2026-10-25 02:00"),
    # the clock jumped back, and forward
    ("2026-01-11 01:30", "2026-01-11 01:00", "30 2 * * *", BERLIN, None),
    ("2026-01-11 01:30", "2026-01-10 12:00", "30 2 * * *", BERLIN, None),
    ("2026-01-11 01:30", "2027-05-01 00:00", "30 2 * * *", BERLIN, "2027-04-30 00:30"),
    # other zones, days of the week, and a day that few months have
    ("2026-01-01 00:00", "2026-01-05 03:14", "45 8 * * 1", "Asia/Kathmandu", "2026-01-05 03:00"),
    ("2026-02-01 00:00", "2026-03-30 23:59", "0 0 31 * *", "UTC", None),
    ("2026-02-01 00:00", "2026-03-31 00:00", "0 0 31 * *", "UTC", "2026-03-31 00:00"),
    # half an hour of summer time: it ends on 4 April at 15:00 UTC, when 02:00 becomes 01:30
    ("2026-04-03 14:45", "2026-04-04 14:45", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 14:45"),
    ("2026-04-04 14:45", "2026-04-04 15:20", "45 1 * * *", "Australia/Lord_Howe", None),
]


@pytest.mark.parametrize(("last", "now", "cron", "zone", "expected"), TABLE)
def test_what_is_due(last: str, now: str, cron: str, zone: str, expected: str | None) -> None:
    assert due(at(last), at(now), cron, zone) == (None if expected is None else at(expected))


@given(
    start=st.integers(0, 219 * 24 * 60).map(lambda minutes: at("2026-03-27") + timedelta(minutes=minutes)),
    steps=st.lists(st.integers(-90, 180), min_size=5, max_size=60),
    cron=st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 3 * * *", "15 1,2,3 * * *"]),
)
def test_no_moment_runs_twice_however_the_clock_moves(start: datetime, steps: list[int], cron: str) -> None:
    now = last = start
    ran: list[datetime] = []
    for step in steps:
        now += timedelta(minutes=step)
        moment = due(last, now, cron, BERLIN)
        if moment is not None:
            assert moment <= now
            ran.append(moment)
            last = moment
    assert ran == sorted(set(ran))


@pytest.mark.parametrize(
    ("cron", "zone", "told"),
    [
        ("every day", "UTC", "five fields"),
        ("0 0 * * * *", "UTC", "five fields"),
        ("61 * * * *", "UTC", "five fields"),
        ("0 0 30 2 *", "UTC", "never comes"),
        ("0 0 * * *", "Mars/Base", "no time zone 'Mars/Base'"),
        ("0 0 * * *", "../../etc/passwd", "no time zone"),
    ],
)
def test_a_schedule_that_can_not_be_followed_is_told(cron: str, zone: str, told: str) -> None:
    with pytest.raises(SourceInvalid, match=told):
        check_schedule(cron, zone)

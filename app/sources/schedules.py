"""Cron schedules: which moment of one is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from app.sources.errors import SourceInvalid

FIELDS = 5  # minute, hour, day of the month, month, day of the week
MINUTE = timedelta(minutes=1)


def check_schedule(cron: str, zone: str) -> None:
    """Raise SourceInvalid unless a schedule and its time zone can be followed."""
    if len(cron.split()) != FIELDS or not croniter.is_valid(cron):
        raise SourceInvalid(
            f"schedule {cron!r} is not a cron expression of five fields: minute, hour, day of the month, "
            "month, day of the week; for example '30 2 * * *'"
        )
    try:
        croniter(cron, datetime(2000, 1, 1)).get_next(datetime)  # noqa: DTZ001 - a reading of a clock
    except CroniterBadDateError:
        raise SourceInvalid(f"schedule {cron!r} names a day that never comes") from None
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SourceInvalid(f"there is no time zone {zone!r}; for example Europe/Berlin or UTC") from None


def due(last_run: datetime, now: datetime, cron: str, zone: str) -> datetime | None:
    """The moment of a schedule to run for now, or None.

    It is the last one that is not after ``now``, if that is after ``last_run``: however many were missed,
    one is run. A reading of the clock that comes twice when summer time ends counts the first time only;
    one that is left out when it begins counts at the first minute after.

    Args:
        last_run: The moment that was run for last, or since when the schedule holds.
        now: The present, with its zone.
        cron: Five fields.
        zone: The time zone whose clocks ``cron`` speaks of.
    """
    clock = ZoneInfo(zone)
    reading = now.astimezone(clock)
    naive = reading.replace(tzinfo=None, fold=0)
    # In an hour that comes twice, the readings of its first coming that lie ahead on the clock are past.
    again = _utc_offset(naive, clock, fold=0) - _utc_offset(naive, clock, fold=reading.fold)
    readings = croniter(cron, naive + again + timedelta(microseconds=1))
    while True:
        try:
            moment = _moment(readings.get_prev(datetime), clock)
        except (CroniterBadCronError, CroniterBadDateError):
            return None
        if moment <= now:
            return moment if moment > last_run else None


def _utc_offset(naive: datetime, clock: ZoneInfo, *, fold: int) -> timedelta:
    offset = naive.replace(tzinfo=clock, fold=fold).utcoffset()
    assert offset is not None
    return offset


def _moment(reading: datetime, clock: ZoneInfo) -> datetime:
    """When a clock first shows this, or the first minute after, where it never does."""
    while True:
        moment = reading.replace(tzinfo=clock).astimezone(UTC)
        if moment.astimezone(clock).replace(tzinfo=None, fold=0) == reading:
            return moment
        reading += MINUTE

"""Starting what schedules say: syncs of sources, and index building.

Any number of processes may do this on one database: the id of a job tells source and moment, so that the
job of a moment is started once, whoever is first, also after a process was killed in between.

The job engine's own schedules either leave out what was missed or run each of it; these run it once.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from app.db.sources import last_run, list_schedules, record_run
from app.job_views import Jobs
from app.observability import logger
from app.settings import Settings, SettingsInvalid
from app.sources.errors import SourceInvalid
from app.sources.schedules import check_schedule, due
from app.wiring import Services

POLLING_SECONDS = 10.0
INDEX = "index"  # the subject of the schedule of index building
CLOCK_WAS_WRONG = timedelta(days=1)  # a last run that far ahead was recorded by a clock that jumped


def check_index_schedule(settings: Settings) -> None:
    """Raise SettingsInvalid unless the schedule of index building can be followed."""
    if settings.index_schedule is None:
        return
    try:
        check_schedule(settings.index_schedule, settings.index_schedule_zone)
    except SourceInvalid as error:
        raise SettingsInvalid(f"FOOTNOTE_INDEX_SCHEDULE: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schedule:
    subject: str
    cron: str
    zone: str
    begin: Callable[[str], str]  # from the job's id


class Scheduler:
    """Looks for what is due, every few seconds from `start` to `stop`.

    Args:
        services: Where schedules are.
        jobs: What starts their jobs.
    """

    def __init__(self, services: Services, jobs: Jobs) -> None:
        self._services = services
        self._jobs = jobs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="schedules", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End, after a look that is under way."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.run_due(datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - the database may be away; the next look comes soon
                logger().error("schedules_failed", exc_info=error)
            self._stopping.wait(POLLING_SECONDS)

    def run_due(self, now: datetime) -> list[str]:
        """Start what is due; the jobs' ids."""
        return [job for schedule in self._schedules() if (job := self._run_if_due(schedule, now))]

    def _schedules(self) -> list[_Schedule]:
        with self._services.database.reading() as session:
            schedules = list_schedules(session)
        found = [
            _Schedule(subject=source_id, cron=cron, zone=zone, begin=partial(self._jobs.sync, source_id))
            for source_id, cron, zone in schedules
        ]
        settings = self._services.settings
        if settings.index_schedule is not None:
            cron, zone = settings.index_schedule, settings.index_schedule_zone
            found.append(_Schedule(subject=INDEX, cron=cron, zone=zone, begin=self._jobs.reindex))
        return found

    def _run_if_due(self, schedule: _Schedule, now: datetime) -> str | None:
        database = self._services.database
        with database.reading() as session:
            last = last_run(session, schedule.subject)
        if last is None or last > now + CLOCK_WAS_WRONG:
            with database.writing() as session:
                record_run(session, schedule.subject, now)
            return None
        moment = due(last, now, schedule.cron, schedule.zone)
        if moment is None:
            return None
        job_id = schedule.begin(job_of(schedule.subject, moment))  # before it is recorded: repeating is safe
        with database.writing() as session:
            record_run(session, schedule.subject, moment)
        logger().info("schedule_run", subject=schedule.subject, moment=moment.isoformat(), job_id=job_id)
        return job_id


def job_of(subject: str, moment: datetime) -> str:
    """The id of the job of a schedule at a moment."""
    return "job_" + hashlib.sha256(f"{subject} {moment.isoformat()}".encode()).hexdigest()[:24]

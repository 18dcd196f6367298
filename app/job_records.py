"""What is kept of jobs that have ended, and forgetting it."""

import contextlib
from collections.abc import Collection, Iterator, Mapping

from dbos import DBOSClient, WorkflowStatus

from app.db.deletions import name_sha256
from app.jobs import ENDED_BADLY, open_client
from app.wiring import Services

READ_AT_ONCE = 200  # records of jobs
_ENDED = ("SUCCESS", "CANCELLED", *ENDED_BADLY)


class EndedJobs:
    """The records of jobs that have ended: see `app.deletion.purging.JobRecords`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def naming(self, wanted: Collection[str]) -> dict[str, set[str]]:
        """Job to those of some document ids and checksums of addresses that its result names."""
        found: dict[str, set[str]] = {}
        if not wanted:
            return found
        with _client_of(self._services) as client:
            for workflow in _ended(client):
                strings = set(_strings(workflow.output))
                here = (strings | {name_sha256(one) for one in strings}).intersection(wanted)
                if here:
                    found[workflow.workflow_id] = here
        return found

    def forget(self, job_ids: Collection[str]) -> None:
        """Remove the records of ended jobs, with those of their steps."""
        if not job_ids:
            return
        with _client_of(self._services) as client:
            client.delete_workflows(list(job_ids))


@contextlib.contextmanager
def _client_of(services: Services) -> Iterator[DBOSClient]:
    client = open_client(services)
    try:
        yield client
    finally:
        client.destroy()


def _ended(client: DBOSClient) -> Iterator[WorkflowStatus]:
    begin = 0
    while some := client.list_workflows(status=list(_ENDED), limit=READ_AT_ONCE, offset=begin):
        yield from some
        begin += len(some)


def _strings(value: object) -> Iterator[str]:
    """Every string in what JSON may hold."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)

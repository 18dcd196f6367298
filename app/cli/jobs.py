"""``footnote jobs`` and ``footnote worker``."""

import signal
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.output import end_at_once, out, print_json, print_table, progress_bars
from app.job_views import JobState
from app.settings import load_settings

if TYPE_CHECKING:
    from app.job_views import Jobs, JobView

T = TypeVar("T")

jobs = typer.Typer(help="Work in the background.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Serve /metrics of this worker on this port; 0 for any free one."),
]
MetricsHost = Annotated[
    str, typer.Option(help="With --metrics-port: the address to bind to; whoever reaches it may read them.")
]


def worker(
    metrics_port: MetricsPort = None, metrics_host: MetricsHost = "127.0.0.1", json: AsJson = False
) -> None:
    """Run jobs and schedules until interrupted; what is under way goes on later or in another worker.

    On PostgreSQL any number of workers run, on machines that share the home folder; on SQLite a server
    runs the jobs itself. --json prints the worker's name, and the port of its metrics, as JSON before it
    begins.
    """
    from app.job_engine import JobEngine  # noqa: PLC0415 - loads the parsers
    from app.jobs import JobQueue  # noqa: PLC0415
    from app.metrics import serve_metrics  # noqa: PLC0415
    from app.models import fetch_models  # noqa: PLC0415
    from app.scheduling import Scheduler, check_index_schedule  # noqa: PLC0415
    from app.tracing import configure_tracing  # noqa: PLC0415
    from app.wiring import build_services  # noqa: PLC0415

    settings, ended = load_settings(), threading.Event()
    check_index_schedule(settings)
    send_spans = configure_tracing(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    with progress_bars() as progress:
        fetch_models(settings, progress)
    services = build_services(settings)
    services.serving.watch()
    measured = None if metrics_port is None else serve_metrics(services.metrics, metrics_host, metrics_port)
    engine = JobEngine(services)
    engine.start()
    queue = JobQueue(services)
    scheduler = Scheduler(services, queue)
    scheduler.start()
    if json:
        print_json({"worker": engine.name, "metrics_port": measured})
    else:
        where = "" if measured is None else f", metrics at http://{metrics_host}:{measured}/metrics"
        out.print(f"Running jobs as {engine.name}{where}; Ctrl-C ends", highlight=False)
    ended.wait()
    for stop in (scheduler.stop, queue.close, engine.stop, services.close, send_spans):
        stop()
    end_at_once(0)


def _with_queue(use: Callable[["Jobs"], T]) -> T:
    """Ask the queue something; nothing is run."""
    from app.jobs import JobQueue  # noqa: PLC0415 - loads the parsers
    from app.wiring import build_services  # noqa: PLC0415

    with closing(build_services(load_settings())) as services, closing(JobQueue(services)) as queue:
        return use(queue)


def _print_job(job: "JobView") -> None:
    """On a line, so that a narrow terminal does not cut its id."""
    progress = f"{job.stage} {job.done}/{job.total}"
    out.print(
        f"{job.id}  {job.created_at:%Y-%m-%d %H:%M}  {job.kind} {job.state}, {progress}"
        + (f": {job.error}" if job.error else ""),
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@jobs.command("list")
def list_jobs(
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind, for example ingest.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    json: AsJson = False,
) -> None:
    """The newest jobs; first those that failed, until they are retried or dismissed."""
    kinds = None if kind is None else [kind]
    found = _with_queue(lambda queue: queue.recent(limit=limit, state=state, kinds=kinds))
    if json:
        print_json([asdict(job) for job in found])
    else:
        for job in found:
            _print_job(job)


@jobs.command("show")
def show_job(job_id: str, json: AsJson = False) -> None:
    """One job: state, progress, result, error, steps and log."""
    job, details = _with_queue(lambda queue: (queue.get(job_id), queue.details(job_id)))
    if json:
        print_json(asdict(job) | asdict(details))
        return
    print_table(job.id, ("", ""), [(name, value) for name, value in asdict(job).items() if name != "id"])
    steps = [(step.name, step.state, step.started_at, step.ended_at or "") for step in details.steps]
    earlier = f", after {details.earlier_steps} others" if details.earlier_steps else ""
    print_table(f"Steps{earlier}", ("name", "state", "started", "ended"), steps)
    lines = [
        (line.at, line.level, line.event, ", ".join(f"{key}={value}" for key, value in line.fields.items()))
        for line in details.log
    ]
    print_table("Log", ("at", "level", "event", ""), lines)


@jobs.command("cancel")
def cancel_job(job_id: str, json: AsJson = False) -> None:
    """End a job before it is done; a step under way ends at its next report."""
    _act(lambda queue: queue.cancel(job_id), json=json)


@jobs.command("retry")
def retry_job(job_id: str, json: AsJson = False) -> None:
    """Go on with a job that failed or was cancelled; instead of a sync a new one begins."""
    _act(lambda queue: queue.retry(job_id), json=json)


@jobs.command("dismiss")
def dismiss_job(job_id: str, json: AsJson = False) -> None:
    """Take note of a job that failed, so that it is no longer listed first."""
    _act(lambda queue: queue.dismiss(job_id), json=json)


def _act(act: Callable[["Jobs"], "JobView"], *, json: bool) -> None:
    job = _with_queue(act)
    if json:
        print_json(asdict(job))
    else:
        _print_job(job)

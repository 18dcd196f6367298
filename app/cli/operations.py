"""``footnote serve``, ``models``, ``jobs`` and ``doctor``."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.catalogue import CATALOGUE, ModelUnavailable
from app.cli.output import end_at_once, out, print_json, print_table, progress_bars
from app.diagnosis import Level, diagnose, diagnose_deletions
from app.model_folders import model_folder, open_model
from app.settings import load_settings

if TYPE_CHECKING:
    from app.wiring import Jobs

T = TypeVar("T")

models = typer.Typer(help="The models that Footnote knows, and those that are here.", no_args_is_help=True)
jobs = typer.Typer(help="Work in the background.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; FOOTNOTE_HOST if not given.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; FOOTNOTE_PORT if not given.")] = None,
    json: AsJson = False,
) -> None:
    """Serve HTTP until interrupted. --json prints the address as JSON before serving."""
    import uvicorn  # noqa: PLC0415

    from app.jobs import ensure_engine_is_free  # noqa: PLC0415
    from app.main import create_app  # noqa: PLC0415
    from app.models import fetch_models  # noqa: PLC0415

    settings = load_settings()
    host, port = host or settings.host, settings.port if port is None else port
    with progress_bars() as progress:
        fetch_models(settings, progress)
    ensure_engine_is_free(settings)
    if json:
        print_json({"address": f"http://{host}:{port}"})
    else:
        out.print(f"Serving on http://{host}:{port} (documentation at /docs); Ctrl-C ends", highlight=False)
    uvicorn.run(create_app(settings), host=host, port=port, log_config=None, access_log=False)
    end_at_once(0)


@models.command("list")
def list_models(json: AsJson = False) -> None:
    """The catalogue, and which models are here with the right checksums."""
    settings = load_settings()
    rows: list[dict[str, object]] = []
    for entry in CATALOGUE.values():
        folder = model_folder(settings.models_folder, entry.name)
        try:
            state = f"here, fingerprint {open_model(settings.models_folder, entry.name).fingerprint}"
        except ModelUnavailable as error:
            state = str(error) if folder.exists() else "not here"
        used = entry.name in (settings.encoder, settings.generator)
        rows.append(
            {
                "name": entry.name,
                "role": entry.role,
                "licence": entry.licence,
                "megabytes": round(entry.size_bytes / 1e6),
                "used": used,
                "state": state,
            }
        )
    if json:
        print_json(rows)
    else:
        columns = ("name", "role", "licence", "megabytes", "used", "state")
        print_table("Models", columns, [[row[column] for column in columns] for row in rows])


@models.command("fetch")
def fetch_models_command(
    references: Annotated[
        list[str] | None,
        typer.Argument(help="Catalogue names or hf:owner/name; the configured ones if none."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Fetch models that are not here yet, and verify those that are."""
    from app.models import fetch  # noqa: PLC0415 - loads torch

    settings = load_settings()
    wanted = references or [settings.encoder, settings.generator]
    with progress_bars() as progress:
        fetched = [fetch(settings, reference, progress) for reference in wanted]
    if json:
        print_json([{"name": m.reference, "folder": m.folder, "fingerprint": m.fingerprint} for m in fetched])
    else:
        rows = [(model.reference, model.fingerprint, model.folder) for model in fetched]
        print_table("Models", ("name", "fingerprint", "folder"), rows)


def _read_jobs(read: Callable[["Jobs"], T]) -> T:
    """Ask the queue something; nothing is run."""
    from app.jobs import JobQueue  # noqa: PLC0415 - loads the parsers
    from app.wiring import build_services  # noqa: PLC0415

    services = build_services(load_settings())
    with closing(JobQueue(services)) as queue:
        answer = read(queue)
    services.close()
    return answer


@jobs.command("list")
def list_jobs(limit: Annotated[int, typer.Option(min=1, max=500)] = 20, json: AsJson = False) -> None:
    """The newest jobs."""
    found = _read_jobs(lambda queue: queue.recent(limit=limit))
    if json:
        print_json([asdict(job) for job in found])
        return
    rows = [
        (j.id, j.kind, j.state, f"{j.stage} {j.done}/{j.total}", j.created_at, j.error or "") for j in found
    ]
    print_table("Jobs", ("id", "kind", "state", "progress", "created", "error"), rows)


@jobs.command("show")
def show_job(job_id: str, json: AsJson = False) -> None:
    """One job: state, progress, result and error."""
    job = _read_jobs(lambda queue: queue.get(job_id))
    if json:
        print_json(asdict(job))
    else:
        print_table(job.id, ("", ""), [(name, value) for name, value in asdict(job).items() if name != "id"])


def doctor(
    deletions: Annotated[
        bool, typer.Option("--deletions", help="Look into every place for deleted documents instead.")
    ] = False,
    json: AsJson = False,
) -> None:
    """What is installed, which models and index are live, what is wrong and how to mend it."""
    findings = diagnose_deletions(load_settings()) if deletions else diagnose(load_settings())
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [(finding.level, finding.subject, finding.found, finding.mend) for finding in findings]
        print_table("Footnote", ("", "subject", "found", "what to do"), rows)
    if any(finding.level is Level.BROKEN for finding in findings):
        raise typer.Exit(1)

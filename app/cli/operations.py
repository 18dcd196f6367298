"""``footnote serve``, ``models`` and ``doctor``."""

import signal
from dataclasses import asdict
from typing import Annotated

import typer

from app.catalogue import CATALOGUE, ModelUnavailable
from app.cli.keys import show_key
from app.cli.output import end_at_once, out, print_json, print_table, progress_bars
from app.diagnosis import Level, diagnose, diagnose_deletions
from app.model_folders import model_folder, open_model
from app.settings import load_settings

models = typer.Typer(help="The models that Footnote knows, and those that are here.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; FOOTNOTE_HOST if not given.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; FOOTNOTE_PORT if not given.")] = None,
    json: AsJson = False,
) -> None:
    """Serve HTTP until interrupted. --json prints the address as JSON before serving.

    Where other machines reach the address and no key was ever made, an administrator's is, and printed once.
    """
    import uvicorn  # noqa: PLC0415

    from app.api.access_control import make_key_if_needed  # noqa: PLC0415
    from app.job_lock import ensure_jobs_are_free  # noqa: PLC0415
    from app.main import create_app  # noqa: PLC0415
    from app.models import fetch_models  # noqa: PLC0415
    from app.tracing import configure_tracing  # noqa: PLC0415

    settings = load_settings()
    given = {"host": host, "port": port}
    settings = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
    send_spans = configure_tracing(settings)
    with progress_bars() as progress:
        fetch_models(settings, progress)
    if settings.serve_jobs:
        ensure_jobs_are_free(settings)
    issued, address = make_key_if_needed(settings), f"http://{settings.host}:{settings.port}"
    if json:
        print_json({"address": address} | ({} if issued is None else {"administrator_key": issued.token}))
    else:
        if issued is not None:
            show_key(issued)
        out.print(f"Serving on {address} (documentation at /docs); Ctrl-C ends", highlight=False)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn raises it again when it has stopped
    uvicorn.run(
        create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False
    )
    send_spans()
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

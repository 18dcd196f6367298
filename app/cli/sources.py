"""``footnote sources``: where documents are synced from, and when."""

import json as json_format
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli.documents import SHOWN_FAILURES, running_jobs, wait_for
from app.cli.output import err, out, print_json, print_table, progress_bars
from app.db.source_items import confirm_removals, held_items, problem_items
from app.db.sources import REMOVAL_SHARE, NewSource, get_source, list_sources
from app.jobs import JobQueue
from app.models import fetch
from app.settings import load_settings
from app.source_administration import add as add_source
from app.source_administration import change as change_source
from app.source_administration import remove as remove_source
from app.wiring import Services, build_services

sources = typer.Typer(help="Places that documents are synced from.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Source = Annotated[str, typer.Argument(help="Id or name of a source.", metavar="ID")]


def _options(texts: list[str] | None) -> dict[str, Any]:
    """``NAME=VALUE`` as options: a value that is JSON is read as such, any other is text."""
    options = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign:
            raise typer.BadParameter(f"{text!r} is not of the form NAME=VALUE")
        try:
            options[name] = json_format.loads(value)
        except ValueError:
            options[name] = value
    return options


@sources.command("add")
def add(  # noqa: PLR0917 - options of a command are its arguments
    kind: Annotated[str, typer.Argument(help="folder, http, git or s3")],
    location: Annotated[str, typer.Argument(help="Folder, address, repository or s3://bucket/prefix.")],
    name: Annotated[str | None, typer.Option(help="What to call it; its location if not given.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Of its kind; docs/sources.md lists them.")
    ] = None,
    product: Annotated[str | None, typer.Option(help="The product that its documents are about.")] = None,
    uri_prefix: Annotated[
        str | None, typer.Option(help="Address of it; a document's address is this and its path.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="When to sync it: a cron expression, for example '30 2 * * *'.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the schedule.")] = "UTC",
    removal_share: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share that a sync removes without asking.")
    ] = REMOVAL_SHARE,
    json: AsJson = False,
) -> None:
    """Add a source; footnote sources sync fetches it."""
    new = NewSource(
        kind=kind,
        name=(name or location)[:200],
        location=location,
        options=_options(option),
        product=product,
        uri_prefix=uri_prefix,
        schedule=schedule,
        zone=zone,
        removal_share=removal_share,
    )
    with closing(build_services(load_settings())) as services:
        view = add_source(services.database, new, now=datetime.now(UTC))
    if json:
        print_json(asdict(view))
    else:
        out.print(
            f"added as {view.id}; fetch it with: footnote sources sync {view.id}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


@sources.command("change")
def change(  # noqa: PLR0917 - options of a command are its arguments
    source: Source,
    name: Annotated[str | None, typer.Option(help="What to call it from now on.")] = None,
    location: Annotated[str | None, typer.Option(help="Where it is now.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="All options anew; docs/sources.md lists them."),
    ] = None,
    schedule: Annotated[str | None, typer.Option(help="A cron expression; '' ends its schedule.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone of the schedule.")] = None,
    removal_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Largest share that a sync removes without asking.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Change a source; what is not named stays. A changed schedule begins now."""
    given = {"name": name, "location": location, "zone": zone, "removal_share": removal_share}
    changes: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if schedule is not None:
        changes["schedule"] = schedule or None
    if option is not None:
        changes["options"] = _options(option)
    if not changes:
        raise typer.BadParameter("name something to change; see footnote sources change --help")
    with closing(build_services(load_settings())) as services:
        view = change_source(services.database, source, changes, now=datetime.now(UTC))
    if json:
        print_json(asdict(view))
    else:
        out.print(f"changed {view.name}: {', '.join(changes)}", highlight=False, markup=False, soft_wrap=True)


@sources.command("list")
def list_all(json: AsJson = False) -> None:
    """Every source, with its schedule and how its last sync went."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        views = list_sources(session)
    if json:
        print_json([asdict(view) for view in views])
        return
    rows = [
        (
            view.id,
            view.kind,
            view.name,
            view.documents,
            view.held or "",
            f"{view.schedule} {view.zone}" if view.schedule else "",
            view.sync_ended_at or "",
            view.sync_error or "",
        )
        for view in views
    ]
    columns = ("id", "kind", "name", "documents", "held", "schedule", "last sync", "error")
    print_table("Sources", columns, rows)


@sources.command("show")
def show(source: Source, json: AsJson = False) -> None:
    """One source: its last sync, removals that wait to be confirmed, and what was not taken in."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        view = get_source(session, source)
        held, problems = held_items(session, view.id), problem_items(session, view.id)
    if json:
        shown = {"held_removals": held, "problems": problems}
        lists = {name: [asdict(item) for item in items] for name, items in shown.items()}
        print_json(asdict(view) | lists)
        return
    print_table(view.name, ("", ""), [(key, value) for key, value in asdict(view).items() if key != "name"])
    if held:
        print_table("Held removals", ("key", "address"), [(item.key, item.uri) for item in held])
        out.print(f"remove them with: footnote sources confirm {view.id}", highlight=False, soft_wrap=True)
    if problems:
        print_table("Not taken in", ("key", "reason"), [(item.key, item.problem) for item in problems])


def _run(services: Services, job_id: str, queue: JobQueue) -> dict[str, Any]:
    with progress_bars() as progress:
        fetch(services.settings, services.settings.encoder, progress)
        with running_jobs(services):
            return wait_for(queue, job_id, progress)


@sources.command("sync")
def sync(source: Source, json: AsJson = False) -> None:
    """Bring the documents of a source up to date, and wait until they are searchable."""
    with closing(build_services(load_settings())) as services:
        with services.database.reading() as session:
            source_id = get_source(session, source).id
        with closing(JobQueue(services)) as queue:
            result = _run(services, queue.sync(source_id), queue)
    if json:
        print_json(result)
    else:
        changes = ("added", "updated", "unchanged", "skipped", "removed", "held")
        print_table("Sync", ("", "documents"), [(change, result[change]) for change in changes])
        for one in result["failed"][:SHOWN_FAILURES]:
            text = f"  failed: {one['name']}: {one['error']}"
            out.print(text, highlight=False, soft_wrap=True, markup=False)
    if result["held"]:
        err.print(
            f"{result['held']} removals are held, because they are many at once; look at them with: footnote "
            f"sources show {source_id}",
            highlight=False,
            soft_wrap=True,
        )
    if result["failed"]:
        raise typer.Exit(1)


@sources.command("confirm")
def confirm(source: Source, json: AsJson = False) -> None:
    """Remove the documents whose removal was held because it was much at once."""
    with closing(build_services(load_settings())) as services:
        with services.database.writing() as session:
            removed = confirm_removals(session, get_source(session, source).id, now=datetime.now(UTC))
        _finish(services, removed, json=json)


@sources.command("remove")
def remove(
    source: Source,
    documents: Annotated[
        bool, typer.Option("--documents", help="Remove its documents too; else they stay.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Forget a source. Its documents stay as if they had been uploaded, unless they are to go too."""
    with closing(build_services(load_settings())) as services:
        with services.database.reading() as session:
            source_id = get_source(session, source).id
        removed = remove_source(
            services.database,
            services.settings,
            source_id,
            with_documents=documents,
            now=datetime.now(UTC),
        )
        _finish(services, removed, json=json)


def _finish(services: Services, removed: int, *, json: bool) -> None:
    """Take what was removed out of the index, and tell how much it was."""
    result: dict[str, Any] = {"index_version": None}
    if removed:
        with closing(JobQueue(services)) as queue:
            result = _run(services, queue.reindex(), queue)
    if json:
        print_json({"removed": removed, "index_version": result["index_version"]})
    else:
        out.print(f"{removed} documents removed", highlight=False)

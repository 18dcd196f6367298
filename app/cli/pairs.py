"""``footnote qa``: the question-answer database."""

import getpass
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from app.cli.documents import running_jobs, wait_for
from app.cli.output import err, out, print_json, print_table, progress_bars
from app.cli.pair_files import Report, add_failures, import_file, print_imports
from app.db.pair_drafts import PairStatus
from app.db.pair_reviews import EvidenceInvalid, review_pair
from app.db.pairs import PairFilter, PairStatistics, PairView, count_pairs, get_pairs, list_pairs
from app.downloads import Progress
from app.jobs import JobQueue
from app.models import fetch, fetch_models
from app.qa.exporting import export_pairs
from app.settings import load_settings
from app.wiring import Services, build_services
from ingest.pairs.drafts import Origin

qa = typer.Typer(help="The question-answer database.", no_args_is_help=True)

SHOWN_LETTERS = 600
_WAITING = (PairStatus.PENDING, PairStatus.STALE)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option(help="Who reviews; the name of your account if not given.")]


@qa.command("build")
def build(
    write: Annotated[
        int | None,
        typer.Option(min=0, help="Most passages that the generator writes pairs from; all if not given."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Compile pairs: those that stand in documents, then those that the generator writes.

    It can be stopped with Ctrl-C at any time; the next build goes on where this one was.
    """
    services = build_services(load_settings())
    with progress_bars() as progress:
        if write == 0:
            fetch(services.settings, services.settings.encoder, progress)
        else:
            fetch_models(services.settings, progress)
        result = build_pairs(services, write=write, progress=progress)
    services.close()
    if json:
        print_json(result)
    else:
        out.print(
            f"{result['found']} pairs found in documents; the generator wrote from "
            f"{result['written_from']} passages; index version {result['index_version']} is live",
            highlight=False,
        )
        print_statistics(PairStatistics(**result["pairs"]))


def build_pairs(services: Services, *, write: int | None, progress: Progress) -> dict[str, Any]:
    """Compile pairs and wait until that is done; the job's result."""
    with closing(JobQueue(services)) as queue:
        job_id = queue.build_pairs(write=write)
        with running_jobs(services):
            return wait_for(queue, job_id, progress)


@qa.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(help="CSV, XLSX, JSONL, Stack Exchange XML, or exports.")],
    product: Annotated[str | None, typer.Option(help="What the pairs are about, if rows don't say.")] = None,
    address: Annotated[str, typer.Option(help="Begins the address of threads that have none.")] = "",
    json: AsJson = False,
) -> None:
    """Take in pairs from files; good rows go in, bad ones are told with file and line."""
    services = build_services(load_settings())
    reports: list[Report] = []
    versions: list[tuple[str, int]] = []
    with progress_bars() as progress:
        fetch(services.settings, services.settings.encoder, progress)
        for number, file in enumerate(files):
            progress("Reading files", number, len(files))
            reports.append(import_file(services, file, product, address))
            versions += reports[-1].imported.versions
        progress("Reading files", len(files), len(files))
        with closing(JobQueue(services)) as queue:
            waiting = [queue.ingest(versions)] if versions else []
            with running_jobs(services):
                for job_id in waiting:
                    add_failures(reports, wait_for(queue, job_id, progress).get("failed", []))
                result = wait_for(queue, queue.build_pairs(write=0), progress)
    services.close()
    if json:
        print_json({"files": [report.as_json() for report in reports], "pairs": result["pairs"]})
    else:
        print_imports(reports)
        print_statistics(PairStatistics(**result["pairs"]))
    if any(report.problems for report in reports):
        raise typer.Exit(1)


@qa.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="File to write; standard output if none.")] = None,
    status: Annotated[PairStatus | None, typer.Option(help="Only pairs of this status.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Nothing else is written anyway.")] = True,  # noqa: ARG001
) -> None:
    """Write pairs as JSONL, with evidence, scores and history; the import reads it back without loss."""
    services = build_services(load_settings())
    lines = export_pairs(services.database, services.settings, PairFilter(status=status))
    if file is None:
        for line in lines:
            typer.echo(line, nl=False)
    else:
        with file.open("w", encoding="utf-8") as target:
            target.writelines(lines)
    services.close()


@qa.command("list")
def list_all(
    status: PairStatus | None = None,
    origin: Origin | None = None,
    text: Annotated[str | None, typer.Option(help="Letters in question or answer.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    json: AsJson = False,
) -> None:
    """Some pairs, with their status and where they come from."""
    services = build_services(load_settings())
    with services.database.reading() as session:
        wanted = PairFilter(status=status, origin=origin, text=text)
        views = list_pairs(session, wanted, limit=limit)
    services.close()
    if json:
        print_json([asdict(view) for view in views])
        return
    for view in views:
        _print_pair(view, out)


@qa.command("review")
def review(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Pairs; those that wait, one by one, if none.")
    ] = None,
    decision: Annotated[
        Literal["approve", "reject"] | None, typer.Option(help="What is decided about the pairs named.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why; kept with the pair.")] = None,
    by: By = None,
    json: AsJson = False,
) -> None:
    """Approve or refuse pairs: those named, or one after the other those that wait for a person."""
    if ids and decision is None:
        raise typer.BadParameter("say --decision approve or --decision reject for the pairs named")
    if decision is not None and not ids:
        raise typer.BadParameter("name the pairs that --decision is about")
    services, reviewer = build_services(load_settings()), by or _account()
    if ids and decision is not None:
        with services.database.writing() as session:
            for pair_id in ids:
                review_pair(session, pair_id, decision, by=reviewer, now=datetime.now(UTC), note=note)
        with services.database.reading() as session:
            views = get_pairs(session, ids)
    else:
        views = _review_waiting(services, reviewer, err if json else out)
    services.close()
    if json:
        print_json([asdict(view) for view in views])
    else:
        out.print(f"{len(views)} pairs reviewed; footnote reindex brings the approved ones into search")


def _account() -> str:
    """The name of the account; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "administrator"


def _review_waiting(services: Services, reviewer: str, console: Console) -> list[PairView]:
    """Ask about each pair that waits on the terminal, stale ones last; the pairs that were decided."""
    decided: list[str] = []
    for view in chain.from_iterable(_waiting(services, status) for status in _WAITING):
        _print_pair(view, console)
        answer = typer.prompt("approve, reject, skip or quit (a/r/s/q)", default="s", err=True)[:1].lower()
        if answer == "q":
            break
        if answer not in ("a", "r"):
            continue
        choice: Literal["approve", "reject"] = "approve" if answer == "a" else "reject"
        try:
            with services.database.writing() as session:
                review_pair(session, view.id, choice, by=reviewer, now=datetime.now(UTC))
        except EvidenceInvalid as error:
            err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        else:
            decided.append(view.id)
    with services.database.reading() as session:
        return get_pairs(session, decided)


def _waiting(services: Services, status: PairStatus) -> Iterator[PairView]:
    """Pairs of a status by id, each as it is when it is asked for."""
    after: str | None = None
    while True:
        with services.database.reading() as session:
            views = list_pairs(session, PairFilter(status=status), after=after, limit=1)
        if not views:
            return
        yield views[0]
        after = views[0].id


def _print_pair(view: PairView, console: Console) -> None:
    scores = ", ".join(f"{name} {score:.2f}" for name, score in view.scores.items())
    why = f": {view.reason}" if view.reason else ""
    lines = [
        f"\n{view.id}  {view.status}, {view.origin} ({view.method}){why}",
        f"Q: {view.question}",
        f"A: {view.answer[:SHOWN_LETTERS]}",
        *(f"   {at.uri} [{at.start}:{at.end}]" for at in view.evidence),
        f"   {scores}",
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


@qa.command("stats")
def stats(json: AsJson = False) -> None:
    """How many pairs there are, where they come from, and which filter took out how many."""
    services = build_services(load_settings())
    with services.database.reading() as session:
        counted = count_pairs(session)
    services.close()
    if json:
        print_json(asdict(counted))
    else:
        print_statistics(counted)


def print_statistics(counted: PairStatistics) -> None:
    """The table that ends a build, and which filter took out how many."""
    statuses = [status.value for status in PairStatus]
    rows = [(origin, *(by.get(one, 0) for one in statuses)) for origin, by in counted.by_origin.items()]
    print_table("QA pairs", ("origin", *statuses), rows)
    for origin, filters in counted.filtered_by.items():
        taken = ", ".join(f"{name} {count}" for name, count in filters.items())
        out.print(f"  filtered of {origin}: {taken}", highlight=False)
    splits = ", ".join(f"{name} {count}" for name, count in counted.approved_by_split.items())
    out.print(
        f"  approved by split: {splits or 'none'}; {counted.conflicting} in conflict, "
        f"{counted.waiting} wait for a person",
        highlight=False,
    )


@qa.command("gaps")
def gaps(limit: Annotated[int, typer.Option(min=1, max=200)] = 20, json: AsJson = False) -> None:
    """Questions that ended in a refusal or a thumb down, grouped by meaning: what to write next."""
    services = build_services(load_settings())
    found = services.gaps(limit=limit)
    services.close()
    if json:
        print_json([asdict(gap) for gap in found])
        return
    if not found:
        err.print("no question went badly so far")
    rows = [
        (gap.count, gap.question, len(gap.wordings), "; ".join(one.title for one in gap.documents))
        for gap in found
    ]
    print_table("Gaps", ("times", "question", "wordings", "nearest documents"), rows)

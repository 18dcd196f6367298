"""``footnote documents`` and ``footnote deletions``."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import out, print_json, print_table
from app.db.deletions import DeletionView, get_deletion, list_deletions, request_deletion
from app.db.document_views import DocumentView, list_documents
from app.deletion.receipts import as_receipt
from app.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.db.session import Database

PAGE = 500  # documents read at once

documents = typer.Typer(help="Documents that are here.", no_args_is_help=True)
deletions = typer.Typer(help="Receipts of deleted documents.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _database() -> Iterator["Database"]:
    from app.wiring import build_services  # noqa: PLC0415 - loads the search libraries

    with closing(build_services(load_settings())) as services:
        yield services.database


@documents.command("list")
def show_documents(
    address: Annotated[
        str | None, typer.Option(help="Only those whose address has this in it, in capitals or not.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Documents by id, with the state of their newest version."""
    with _database() as database, database.reading() as session:
        found = list(_all_documents(session, address))
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [[one.id, one.state, one.product or "", one.passages, one.uri] for one in found]
    print_table("Documents", ("id", "state", "product", "passages", "address"), rows)


def _all_documents(session: "Session", address: str | None) -> Iterator[DocumentView]:
    page: list[DocumentView] | None = None
    while page is None or len(page) == PAGE:
        after = page[-1].id if page else None
        page = list_documents(session, after=after, limit=PAGE, address=address)
        yield from page


@documents.command("delete")
def delete_document(document_id: str, json: AsJson = False) -> None:
    """Take a document out of search and answers at once; the next index build purges every other place."""
    with _database() as database, database.writing() as session:
        deletion_id = request_deletion(session, document_id, now=datetime.now(UTC))
        session.flush()
        deletion = get_deletion(session, deletion_id)
    _print(deletion, json=json)
    if not json:
        out.print("the next index build purges what is open; to do it now, run: footnote reindex")


@deletions.command("list")
def list_receipts(json: AsJson = False) -> None:
    """All deletions."""
    with _database() as database, database.reading() as session:
        receipts = [as_receipt(one) for one in list_deletions(session)]
    if json:
        print_json(receipts)
        return
    columns = ("id", "document_id", "state", "requested_at", "completed_at")
    print_table("Deletions", columns, [[receipt[name] for name in columns] for receipt in receipts])


@deletions.command("show")
def show_receipt(deletion_id: str, json: AsJson = False) -> None:
    """One receipt: every place, what was there, and when it went."""
    with _database() as database, database.reading() as session:
        deletion = get_deletion(session, deletion_id)
    _print(deletion, json=json)


def _print(deletion: DeletionView, *, json: bool) -> None:
    receipt = as_receipt(deletion)
    if json:
        print_json(receipt)
        return
    title = f"{deletion.id} of {deletion.document_id}: {receipt['state']}"
    columns = ("place", "found", "gone_at", "note")
    rows = [[one[name] if one[name] is not None else "" for name in columns] for one in receipt["places"]]
    print_table(title, columns, rows)
    if deletion.learnt_by:
        out.print(f"models that may have learnt from it: {', '.join(deletion.learnt_by)}", highlight=False)

"""``footnote products``: what products are called, and questions that people said the products of."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.output import err, out, print_json, print_table
from app.db.products import describe_products, set_aliases, store_labels
from app.settings import load_settings
from app.wiring import build_services
from finetune.product_labels import LabelsInvalid, read_labels

products = typer.Typer(help="Products: names, and labelled questions.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LONGEST_NAME = 200


def _name(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_NAME:
        raise typer.BadParameter(f"write a name of 1 to {LONGEST_NAME} characters")
    return text


def _names(texts: list[str] | None) -> list[str]:
    return [_name(text) for text in texts or ()]


@products.command("list")
def list_all(json: AsJson = False) -> None:
    """Every product, with its aliases and how many documents and labelled questions it has."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        views = describe_products(session)
    if json:
        print_json([asdict(view) for view in views])
        return
    if not views:
        err.print("no product so far; documents get one with: footnote ingest PATH --product NAME")
    rows = [(view.name, ", ".join(view.aliases), view.documents, view.questions) for view in views]
    print_table("Products", ("product", "aliases", "documents", "labelled questions"), rows)


@products.command("alias")
def alias(
    name: Annotated[str, typer.Argument(callback=_name, help="The product; made if it is new.")],
    aliases: Annotated[
        list[str] | None,
        typer.Argument(callback=_names, help="All that it is also called; none if not given."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Say what else a product is called. Searches know it at once."""
    with closing(build_services(load_settings())) as services, services.database.writing() as session:
        is_new = set_aliases(session, name, aliases or [])
    if json:
        print_json({"name": name, "aliases": aliases or [], "new": is_new})
    else:
        out.print(f"{name!r} is also called: {', '.join(aliases or []) or 'nothing else'}", highlight=False)


@products.command("label")
def label(
    file: Annotated[Path, typer.Argument(help="JSON lines with question, and product or products.")],
    json: AsJson = False,
) -> None:
    """Store questions with the products that they are about, all of them or none."""
    try:
        labels = read_labels(file.read_bytes())
        with closing(build_services(load_settings())) as services, services.database.writing() as session:
            stored = store_labels(session, labels, now=datetime.now(UTC))
    except LabelsInvalid as error:
        raise LabelsInvalid(f"{file}: {error}") from error
    if json:
        print_json({"stored": stored})
    else:
        out.print(f"{stored} questions stored; footnote reindex learns from them", highlight=False)

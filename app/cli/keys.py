"""``footnote keys``: who may use the server, and what they may do and see."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.output import err, out, print_json, print_table
from app.db.api_keys import IssuedKey, Role, create_key, list_keys, revoke_key
from app.settings import load_settings
from app.wiring import build_services

keys = typer.Typer(help="API keys: who may do what.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LONGEST_NAME = 200


def _name(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_NAME:
        raise typer.BadParameter(f"write a name of 1 to {LONGEST_NAME} characters")
    return text


@keys.command("create")
def create(
    name: Annotated[str, typer.Option(callback=_name, help="Whose or what it is for.")],
    role: Annotated[Role, typer.Option(help="Each may do all that those before it may.")],
    product: Annotated[
        list[str] | None, typer.Option(help="The only product that it may see; may be repeated.")
    ] = None,
    expires: Annotated[
        datetime | None, typer.Option(help="When it stops to work, in UTC; never if not given.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a key and print it, this once. From the first one on, every request needs one."""
    with closing(build_services(load_settings())) as services, services.database.writing() as session:
        issued = create_key(
            session,
            name=name,
            role=role,
            products=product or None,
            expires_at=None if expires is None else expires.replace(tzinfo=UTC),
            now=datetime.now(UTC),
        )
    if json:
        print_json({**asdict(issued.view), "key": issued.token})
    else:
        show_key(issued)


def show_key(issued: IssuedKey) -> None:
    """Print a new key: alone on standard output, with advice beside it on standard error."""
    about = (
        f"The key {issued.view.name!r} with the role {issued.view.role}; it is shown this once, so keep it:"
    )
    err.print(about, highlight=False, markup=False, soft_wrap=True)
    out.print(issued.token, highlight=False, markup=False, soft_wrap=True)


@keys.command("list")
def list_all(json: AsJson = False) -> None:
    """Every key, revoked and expired ones among them; a key's last use is true to the minute."""
    with closing(build_services(load_settings())) as services, services.database.reading() as session:
        views = list_keys(session)
    if json:
        print_json([asdict(view) for view in views])
        return
    columns = ("id", "prefix", "name", "role", "products", "expires", "last used", "revoked")
    rows = [
        (
            view.id,
            view.prefix,
            view.name,
            view.role,
            "all" if view.products is None else ", ".join(view.products),
            view.expires_at or "never",
            view.last_used_at or "never",
            view.revoked_at or "",
        )
        for view in views
    ]
    print_table("Keys", columns, rows)


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id.")], json: AsJson = False) -> None:
    """Let nobody in with a key from now on; every server process knows it at once."""
    with closing(build_services(load_settings())) as services, services.database.writing() as session:
        revoke_key(session, key_id, now=datetime.now(UTC))
    if json:
        print_json({"id": key_id, "revoked": True})
    else:
        out.print(f"revoked {key_id}", highlight=False)

"""``footnote keys`` as an administrator uses it."""

import pytest
import typer

from app.db.api_keys import KeyInvalid, KeyNotFound
from tests.app.conftest import Run


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    with pytest.raises(KeyInvalid, match="administer first"):
        run("keys", "create", "--name", "bot", "--role", "ask")
    first = run("keys", "create", "--name", "Ann", "--role", "administer", "--json")
    assert first["key"].startswith(f"fn_{first['prefix']}_")
    run("products", "alias", "Aqua Pump", "AP1")
    wanted = ("--name", "bot", "--role", "ask", "--product", "ap1", "--expires", "2090-01-31")
    made = run("keys", "create", *wanted, "--json")
    assert (made["products"], made["expires_at"]) == (["Aqua Pump"], "2090-01-31 00:00:00+00:00")
    run("keys", "revoke", made["id"])
    listed = run("keys", "list", "--json")
    assert {one["name"]: one["revoked_at"] is None for one in listed} == {"Ann": True, "bot": False}
    assert "key" not in listed[0]
    with pytest.raises(KeyNotFound, match="footnote keys list"):
        run("keys", "revoke", "key_none")
    with pytest.raises(KeyInvalid, match="Aqua Pump"):
        run("keys", "create", "--name", "bot", "--role", "ask", "--product", "Stapler")
    with pytest.raises(typer.BadParameter, match="administer"):
        run("keys", "create", "--name", "bot", "--role", "emperor")

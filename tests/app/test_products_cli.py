import json
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.program import app
from app.db.products import AliasTaken
from app.settings import Settings
from finetune.product_labels import LabelsInvalid
from tests.conftest import ENCODER, GENERATOR

Run = Callable[..., Any]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``footnote products`` in an empty home; its standard output, read as JSON if it was asked for."""
    environment = {
        "FOOTNOTE_HOME": str(settings.home),
        "FOOTNOTE_ENCODER": ENCODER,
        "FOOTNOTE_GENERATOR": GENERATOR,
    }
    if settings.database_url is not None:
        environment["FOOTNOTE_DATABASE_URL"] = settings.database_url
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def invoke(*arguments: str) -> Any:
        with redirect_stdout(StringIO()) as printed:
            typer.main.get_command(app).main(["products", *arguments], standalone_mode=False)
        return json.loads(printed.getvalue()) if "--json" in arguments else printed.getvalue()

    return invoke


def test_products_are_named_listed_and_labelled(run: Run, tmp_path: Path) -> None:
    assert run("list", "--json") == []
    assert run("alias", "Aqua Pump", "AP1", "Pumpe", "--json")["new"] is True
    assert run("alias", "Ink Press", "--json")["new"] is True
    file = tmp_path / "labels.jsonl"
    file.write_text(
        '{"question": "How do I oil it?", "product": "ap1"}\n{"question": "Who?", "products": []}\n'
    )
    assert run("label", str(file), "--json") == {"stored": 2}
    assert run("list", "--json") == [
        {"name": "Aqua Pump", "aliases": ["AP1", "Pumpe"], "documents": 0, "questions": 1},
        {"name": "Ink Press", "aliases": [], "documents": 0, "questions": 0},
    ]


def test_a_broken_file_is_named_with_its_line_and_stores_nothing(run: Run, tmp_path: Path) -> None:
    run("alias", "Aqua Pump", "--json")
    file = tmp_path / "labels.jsonl"
    good = '{"question": "How do I oil it?", "product": "Aqua Pump"}\n'
    for content, told in (
        (good + '{"question": 3}\n', r"labels\.jsonl: line 2: "),
        (good + '{"question": "q", "product": "Stapler"}\n', r"labels\.jsonl: line 2: no product 'Stapler'"),
        ("", r"labels\.jsonl: .*no labelled question"),
    ):
        file.write_text(content)
        with pytest.raises(LabelsInvalid, match=told):
            run("label", str(file))
    assert run("list", "--json")[0]["questions"] == 0


def test_a_shared_alias_is_refused_with_both_products(run: Run) -> None:
    run("alias", "Aqua Pump", "AP1", "--json")
    with pytest.raises(AliasTaken, match=r"'ap1' is a name of the product 'Aqua Pump'.*'Ink Press'"):
        run("alias", "Ink Press", "ap1")
    assert [one["name"] for one in run("list", "--json")] == ["Aqua Pump"]

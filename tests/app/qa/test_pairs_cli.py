"""``footnote qa`` as a user runs it: files in, pairs out, exit codes."""

import json
from pathlib import Path

import pytest

from tests.app.processes import footnote

pytestmark = pytest.mark.usefixtures("encoder_model", "small_generator_model")


def test_from_a_table_to_a_curated_answer(tmp_path: Path) -> None:
    home, table = tmp_path / "home", tmp_path / "staff.csv"
    table.write_text(
        "question,answer\n"
        "How heavy is the crate?,It weighs 40 kg with its lid.\n"
        "Who paints the hull?,\n"
        "Where is the key?,It hangs behind the door of room 7.\n"
    )
    imported = footnote(home, "qa", "import", str(table))
    assert imported.returncode == 1, imported.stderr  # one row was bad, the others went in
    assert "line 3" in imported.stdout
    counted = json.loads(footnote(home, "qa", "stats", "--json").stdout)
    assert counted["by_origin"] == {"authored": {"approved": 2}}
    answer = json.loads(footnote(home, "ask", "How heavy is the crate?", "--json").stdout)
    assert answer["curated"]
    assert "40 kg" in answer["text"]
    exported = footnote(home, "qa", "export")
    rows = [json.loads(line) for line in exported.stdout.split("\n") if line]
    assert len([row for row in rows if "pair" in row]) == 2
    pair_id = next(row["pair"]["id"] for row in rows if "pair" in row and "crate" in row["pair"]["question"])
    reviewed = footnote(home, "qa", "review", pair_id, "--decision", "reject", "--by", "Ann", "--json")
    assert json.loads(reviewed.stdout)[0]["reviewed_by"] == "Ann"
    again = json.loads(footnote(home, "ask", "How heavy is the crate?", "--json").stdout)
    assert not again["curated"]
    assert footnote(home, "qa", "gaps", "--json").returncode == 0


def test_an_unknown_pair_and_a_file_without_columns_are_told(tmp_path: Path) -> None:
    home, table = tmp_path / "home", tmp_path / "odd.csv"
    table.write_text("topic,text\nfoo,bar\n")
    odd = footnote(home, "qa", "import", str(table))
    assert odd.returncode == 1
    assert "topic" in odd.stdout
    unknown = footnote(home, "qa", "review", "qa_none", "--decision", "approve")
    assert unknown.returncode == 1
    assert "qa_none" in unknown.stderr
    assert "Traceback" not in unknown.stderr

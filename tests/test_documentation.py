"""The list of settings in the documentation is the list of settings."""

import re
from pathlib import Path

from app.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]


def test_every_setting_is_documented_and_no_other() -> None:
    documented = set(re.findall(rf"`({PREFIX}[A-Z0-9_]+)`", (ROOT / "docs" / "settings.md").read_text()))
    assert documented == {PREFIX + name.upper() for name in Settings.model_fields}


def test_the_readme_names_every_folder_of_code() -> None:
    named = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("**/*.py"))}
    assert {folder for folder in folders if not folder.startswith(".") and folder != "var"} <= named

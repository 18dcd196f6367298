"""Settings: where they come from, and what is refused."""

from pathlib import Path

import pytest

from app.settings import SettingsInvalid, load_settings


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "footnote.toml").write_text('port = 1234\nhost = "0.0.0.0"\n')
    monkeypatch.setenv("FOOTNOTE_PORT", "4321")
    settings = load_settings()
    assert (settings.port, settings.host) == (4321, "0.0.0.0")


def test_everything_that_is_written_lies_below_home(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    assert settings.models_folder == tmp_path / "models"
    assert str(tmp_path) in settings.database
    assert str(tmp_path) in settings.jobs_database


def test_an_unknown_variable_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_PROT", "1")
    with pytest.raises(SettingsInvalid, match=r"FOOTNOTE_PROT.*FOOTNOTE_PORT"):
        load_settings()


def test_an_unknown_key_of_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "footnote.toml").write_text("prot = 1\n")
    with pytest.raises(SettingsInvalid, match="prot"):
        load_settings()


def test_a_value_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_PORT", "99999")
    with pytest.raises(SettingsInvalid, match=r"port.*99999"):
        load_settings()

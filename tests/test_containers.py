"""The container files, without a container engine: linted, and true to the settings and the locks."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.catalogue import CATALOGUE
from app.settings import PREFIX, Settings

DOCKER = Path(__file__).resolve().parents[1] / "docker"
ROOT = DOCKER.parent


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return read


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    command = [str(linter), "--failure-threshold=style", str(DOCKER / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_service_starts_again_and_says_how_it_is() -> None:
    services = compose()["services"]
    assert set(services) == {"server", "worker", "database"}
    for service in services.values():
        assert service["restart"] == "unless-stopped"
    assert services["server"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["worker"]["depends_on"]["server"]["condition"] == "service_healthy"
    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert "HEALTHCHECK" in (DOCKER / "Dockerfile").read_text()


def test_what_must_last_lies_in_volumes_that_are_declared() -> None:
    written = compose()
    mounts = {
        tuple(volume.split(":")) for service in written["services"].values() for volume in service["volumes"]
    }
    home = re.findall(rf"{PREFIX}HOME=(\S+)", (DOCKER / "Dockerfile").read_text())
    assert set(home) == {"/var/lib/footnote"}
    assert mounts == {("home", "/var/lib/footnote"), ("database", "/var/lib/postgresql/data")}
    assert set(written["volumes"]) == {name for name, _ in mounts}


def test_no_secret_is_written_down_and_git_does_not_know_the_file_that_has_them() -> None:
    example = dict(
        line.split("=", 1)
        for line in (DOCKER / "example.env").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert example["POSTGRES_PASSWORD"] == ""
    for service in compose()["services"].values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "URL" in name:
                assert "${POSTGRES_PASSWORD:?" in value
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_only_settings_that_there_are_occur() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for path in ("Dockerfile", "compose.yaml"):
        used = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", (DOCKER / path).read_text()))
        assert used
        assert used <= known
    given = re.findall(rf"^({PREFIX}\w+)=", (DOCKER / "example.env").read_text(), re.MULTILINE)
    assert set(given) <= known


def test_the_image_is_built_from_all_the_code() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE))
    configured = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^include = \[(.*)\]", configured, re.MULTILINE)
    assert packages is not None
    assert copied == {name.strip(' "*') for name in packages[1].split(",")} | {"alembic"}
    seen = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in seen if line.startswith("!")} >= copied


def test_every_extra_with_a_lock_can_be_had_in_the_image() -> None:
    locks = {path.name for path in ROOT.glob("requirements-*.lock")} - {"requirements-dev.lock"}
    assert locks
    written = (DOCKER / "Dockerfile").read_text()
    copied = re.search(r"^COPY (requirements-.*) \./$", written, re.MULTILINE)
    assert copied is not None
    assert set(copied[1].split()) == locks
    seen = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in seen if line.startswith("!requirements-")} == locks
    built = compose()["services"]["server"]["build"]["args"]
    assert built["EXTRAS"] == "${EXTRAS:-}"
    assert re.search(r'^ARG EXTRAS=""$', written, re.MULTILINE)


def test_the_models_of_the_image_can_be_set_to_none_for_compose() -> None:
    default = re.search(r'^ARG MODELS="(.*)"$', (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert default is not None
    built = compose()["services"]["server"]["build"]["args"]
    assert built["MODELS"] == f"${{MODELS-{default[1]}}}"  # and not :-, which would take none for not set


def pins(name: str) -> dict[str, str]:
    """Package to version of a lock, without those that it includes."""
    lines = (ROOT / name).read_text().splitlines()
    parts = (line.split("==") for line in lines if line and not line.startswith(("#", "-r ")))
    return {canonicalize_name(package): version for package, version in parts}


@pytest.mark.parametrize("extra", ["pii", "s3", "traces"])
def test_the_lock_of_an_extra_is_all_that_it_needs(extra: str) -> None:
    base, lock = pins("requirements.lock"), pins(f"requirements-{extra}.lock")
    needed = set[str]()
    waiting = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    while waiting:
        found = Requirement(waiting.pop())
        name = canonicalize_name(found.name)
        wanted = found.marker is None or found.marker.evaluate({"extra": ""})
        if wanted and name not in base and name not in needed:
            needed.add(name)
            waiting += requires(name) or []
    assert needed == set(lock)
    assert {name: version(name) for name in lock} == lock  # those that the tests of the extra ran with


def test_a_first_start_may_fetch_the_models_before_it_counts_as_failed() -> None:
    given = re.search(r"--start-period=(\d+)([sm]) ", (DOCKER / "Dockerfile").read_text())
    assert given is not None
    seconds = int(given[1]) * {"s": 1, "m": 60}[given[2]]
    settings = Settings()
    size = sum(CATALOGUE[name].size_bytes for name in (settings.encoder, settings.generator))
    assert seconds > size / 500_000, "bytes a second of a slow line"


def test_the_image_runs_as_nobody_special() -> None:
    users = re.findall(r"^USER (\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["10001"]

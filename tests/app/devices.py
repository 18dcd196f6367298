"""A home of twelve documents with two questions each, for tests of releases."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.cli.documents import ingest_files
from app.model_folders import tuned_folder, write_manifest
from app.models import Models
from app.settings import Settings
from app.wiring import Services, build_services

ADDRESS = "https://devices.example/"  # decides which documents' pairs are held out
SHORT = {"evidence_passages": 2, "evidence_tokens": 200, "answer_tokens": 30, "curated_similarity": 1.1}


def write_devices(folder: Path) -> None:
    """Twelve files; device n weighs 3n + 1 grams."""
    folder.mkdir()
    for number in range(12):
        (folder / f"device-{number}.md").write_text(
            f"# Device {number}\n\n"
            f"## How heavy is device {number}?\n\nDevice {number} weighs {number * 3 + 1} grams.\n\n"
            f"## Who paints device {number}?\n\nThe yard in harbour {number} paints it green.\n"
        )


@contextmanager
def open_device_home(settings: Settings, folder: Path, models: Models | None = None) -> Iterator[Services]:
    """Services of these settings with short answers, and the twelve documents ingested."""
    write_devices(folder)
    with closing(build_services(settings.model_copy(update=SHORT), models)) as services:
        ingest_files(services, [folder], uri_prefix=ADDRESS, progress=lambda _what, _done, _total: None)
        yield services


def tuned_encoder(services: Services, run: str) -> str:
    """An encoder as tuning leaves it: the same weights with another file, and so another fingerprint."""
    folder = tuned_folder(services.settings.models_folder, run)
    shutil.copytree(services.settings.models_folder / services.settings.encoder, folder)
    (folder / "tuned.txt").write_text(run)
    write_manifest(folder, "a test")
    return f"run:{run}"

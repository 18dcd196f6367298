"""A full disk as each library tells it, from a device that is always full; folders whole or not there."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from retriever.writing import telling_full_disk, write_whole

FULL = Path("/dev/full")


def by_python() -> None:
    FULL.write_text("a word")


def by_numpy() -> None:
    with FULL.open("wb") as file:
        np.save(file, np.zeros(100_000))


def by_torch() -> None:
    with FULL.open("wb") as file:
        torch.save({"a": torch.zeros(100_000)}, file)


def by_faiss() -> None:
    index = faiss.IndexFlatIP(16)
    index.add(np.zeros((10_000, 16), np.float32))
    faiss.write_index(index, str(FULL))


def by_safetensors() -> None:
    """In its words: it would put a file in the place of the device."""
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def by_shutil() -> None:
    raise shutil.Error([("a", "b", "[Errno 28] No space left on device")])


@pytest.mark.parametrize("write", [by_python, by_numpy, by_torch, by_faiss, by_safetensors, by_shutil])
def test_a_full_disk_is_told_as_one_whichever_library_met_it(write: Callable[[], None]) -> None:
    if not FULL.is_char_device():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(OSError, match=r"the disk is full, and model could not be written; free some") as told,
        telling_full_disk(Path("model")),
    ):
        write()
    assert told.value.errno == errno.ENOSPC


def test_a_full_quota_is_told_too() -> None:
    with pytest.raises(OSError, match="the disk is full") as told, telling_full_disk(Path("model")):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    assert told.value.errno == errno.EDQUOT


@pytest.mark.parametrize("error", [SafetensorError("the header is too large"), OSError(errno.EIO, "broken")])
def test_another_failure_stays_what_it_is(tmp_path: Path, error: Exception) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        raise error

    with pytest.raises(type(error)) as told:
        write_whole(tmp_path / "model", fail)
    assert told.value is error
    assert not list(tmp_path.iterdir())


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        folder.mkdir()
        (folder / "half").write_bytes(b"of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    def save(folder: Path) -> None:
        folder.mkdir()
        (folder / "whole").write_bytes(b"all of it")

    with pytest.raises(OSError, match="the disk is full"):
        write_whole(tmp_path / "model", full)
    assert not list(tmp_path.iterdir())
    (tmp_path / "model.writing").mkdir()  # a kill left it
    write_whole(tmp_path / "model", save)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert found == ["model", "model/whole"]

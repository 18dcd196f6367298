"""A git repository as a source: a real one on this machine, fetched with the real git."""

import select
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from app.sources.errors import ItemRefused, SourceUnavailable
from app.sources.items import Known
from app.sources.repositories import RepositoryReader


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def commit(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "change")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--initial-branch=main")
    commit(folder, docs__a="one", docs__deep__b="two", readme="three")
    return folder


def reader(repository: Path, tmp_path: Path, **more: Any) -> RepositoryReader:
    options: dict[str, Any] = {
        "branch": None,
        "folder": "",
        "allow_private": True,
        "uri_prefix": "git:",
        "clone": tmp_path / "home" / "sources" / "src_1",
        "max_bytes": 1000,
        "timeout_seconds": 60.0,
        "check": lambda: None,
    }
    return RepositoryReader(repository.as_uri(), **options | more)


def contents(opened: RepositoryReader) -> dict[str, str]:
    return {item.uri: opened.fetch(item, Known()).data.decode() for item in opened.list_items().items}


def test_files_of_the_newest_commit_are_read(repository: Path, tmp_path: Path) -> None:
    opened = reader(repository, tmp_path)
    assert contents(opened) == {"git:docs/a.md": "one", "git:docs/deep/b.md": "two", "git:readme.md": "three"}
    before = {item.key: item.etag for item in opened.list_items().items}
    commit(repository, docs__a="changed", docs__c="new")
    git(repository, "rm", "readme.md")
    git(repository, "commit", "--message", "remove")
    again = reader(repository, tmp_path)  # as the next sync opens it
    assert contents(again) == {
        "git:docs/a.md": "changed",
        "git:docs/c.md": "new",
        "git:docs/deep/b.md": "two",
    }
    after = {item.key: item.etag for item in again.list_items().items}
    assert {key for key in after if after[key] == before.get(key)} == {"docs/deep/b.md"}


def test_history_that_was_rewritten_is_followed(repository: Path, tmp_path: Path) -> None:
    contents(reader(repository, tmp_path))
    (repository / "readme.md").write_text("rewritten")
    git(repository, "add", "--all")
    git(repository, "commit", "--amend", "--message", "another")
    assert contents(reader(repository, tmp_path))["git:readme.md"] == "rewritten"


def test_a_branch_and_a_folder_of_it(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-b", "release/2")
    commit(repository, docs__a="of the branch")
    git(repository, "checkout", "main")
    opened = reader(repository, tmp_path, branch="release/2", folder="docs")
    assert contents(opened) == {"git:a.md": "of the branch", "git:deep/b.md": "two"}
    with pytest.raises(SourceUnavailable, match="no files in the folder") as raised:
        reader(repository, tmp_path, folder="nowhere").list_items()
    assert not raised.value.temporary
    with pytest.raises(SourceUnavailable, match="couldn't find remote ref") as raised:
        reader(repository, tmp_path, branch="none").list_items()
    assert not raised.value.temporary


def test_links_hidden_files_and_large_ones_are_not_read(repository: Path, tmp_path: Path) -> None:
    (repository / "link.md").symlink_to("/etc/hostname")
    commit(repository, **{".hidden__x": "hidden", "large": "x" * 1001})
    opened = reader(repository, tmp_path)
    items = {item.key: item for item in opened.list_items().items}
    assert set(items) == {"docs/a.md", "docs/deep/b.md", "readme.md", "large.md"}
    with pytest.raises(ItemRefused, match="larger than 1,000 bytes"):
        opened.fetch(items["large.md"], Known())


def test_a_clone_that_a_killed_fetch_left_is_mended(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "home" / "sources" / "src_1"
    contents(reader(repository, tmp_path))
    commit(repository, readme="newer")
    (clone / "shallow.lock").touch()
    assert contents(reader(repository, tmp_path))["git:readme.md"] == "newer"
    (clone / "HEAD").write_text("nonsense")
    assert contents(reader(repository, tmp_path))["git:readme.md"] == "newer"


def test_a_repository_that_is_gone_is_told(repository: Path, tmp_path: Path) -> None:
    repository.rename(tmp_path / "away")
    with pytest.raises(SourceUnavailable, match="does not appear to be a git repository") as raised:
        reader(repository, tmp_path).list_items()
    assert not raised.value.temporary


class _Address:
    """Looks like a path, and gives another location."""

    def __init__(self, location: str) -> None:
        self._location = location

    def as_uri(self) -> str:
        return self._location


@pytest.mark.parametrize(
    "location",
    ["https://127.0.0.1/x.git", "ssh://git@localhost/x.git", "git@localhost:x.git", "https://[::1]:8443/x"],
)
def test_private_hosts_are_not_reached(tmp_path: Path, location: str) -> None:
    address: Any = _Address(location)
    with pytest.raises(SourceUnavailable, match="allow_private") as raised:
        reader(address, tmp_path, allow_private=False).list_items()
    assert not raised.value.temporary


def test_a_host_that_does_not_answer_is_temporary(tmp_path: Path) -> None:
    address: Any = _Address("http://127.0.0.1:9/x.git")
    with pytest.raises(SourceUnavailable) as raised:
        reader(address, tmp_path).list_items()
    assert raised.value.temporary


def test_git_ends_with_what_it_started_when_the_process_wants_to(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and never answers

        def check() -> None:
            if select.select([server], [], [], 0)[0]:
                raise KeyboardInterrupt

        address: Any = _Address(f"http://127.0.0.1:{server.getsockname()[1]}/x.git")
        patience = threading.Timer(10, server.close)
        patience.start()
        with pytest.raises(KeyboardInterrupt):
            reader(address, tmp_path, check=check).list_items()
        patience.cancel()
        connection, _ = server.accept()
        with connection:
            connection.settimeout(10)
            while connection.recv(65_536):
                pass  # what was asked; and then the end, as nobody is left who holds the connection

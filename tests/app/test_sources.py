"""Syncing a folder: adds, updates, removes, holds back, and never loses what it could not look at."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.db.deletions import Place, list_deletions
from app.db.documents import delete_document
from app.db.source_items import confirm_removals, held_items, problem_items
from app.db.sources import SourceNameTaken, get_source
from app.db.tables import Document, Embedding
from app.models import Models
from app.settings import Settings
from app.source_administration import remove
from app.sources.errors import ItemRefused, SourceInvalid
from app.sources.folders import FolderReader
from app.sources.items import Known
from app.sources.kinds import check_source
from app.sync_workflow import SyncFailed, sync_source
from app.uploads import accept_upload
from app.wiring import Services, build_services
from tests.app.syncing import Synced, add_source, run_of, texts, write

PREFIX = "https://docs.example/"


@pytest.fixture
def services(settings: Settings, models: Models) -> Iterator[Services]:
    with closing(build_services(settings, models)) as services:
        yield services


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for number in range(10):
        write(folder, **{f"part__p{number}": f"# Part {number}\n\nIt weighs {number} grams.\n"})
    return folder


@pytest.fixture
def source(services: Services, folder: Path) -> Synced:
    return add_source(services, "folder", str(folder), uri_prefix=PREFIX, product="Pump")


def test_a_sync_adds_updates_and_removes(services: Services, source: Synced, folder: Path) -> None:
    assert source.counts() == {"added": 10}
    assert texts(services)[f"{PREFIX}part/p3.md"] == "Part 3\n\nIt weighs 3 grams."
    assert services.search("What does part 3 weigh?", k=1).hits[0].uri == f"{PREFIX}part/p3.md"
    assert source.counts() == {"unchanged": 10}
    with services.database.reading() as session:
        embedded = set(session.scalars(select(Embedding.text_sha256)))
    write(folder, part__p3="# Part 3\n\nIt weighs a ton.\n", new="# New\n\nA new page.\n")
    (folder / "part" / "p4.md").unlink()
    assert source.counts() == {"added": 1, "updated": 1, "unchanged": 8, "removed": 1}
    found = texts(services)
    assert len(found) == 10
    assert found[f"{PREFIX}part/p3.md"] == "Part 3\n\nIt weighs a ton."
    assert f"{PREFIX}part/p4.md" not in found
    with services.database.reading() as session:
        now_embedded = set(session.scalars(select(Embedding.text_sha256)))
    assert len(now_embedded - embedded) == 2  # what changed, and nothing else
    hits = services.search("What does part 4 weigh?", k=20).hits
    assert f"{PREFIX}part/p4.md" not in {hit.uri for hit in hits}
    with services.database.reading() as session:
        view = get_source(session, source.id)
        (receipt,) = list_deletions(session)
    assert receipt.completed_at is not None, "the sync's build has purged it"
    assert {place for place, record in receipt.places.items() if record.found and record.gone_at} >= {
        Place.SEARCH,
        Place.TEXTS,
        Place.PASSAGES,
        Place.BYTES,
        Place.INDEXES,
        Place.EMBEDDINGS,
    }
    assert view.sync_counts["removed"] == 1
    assert view.sync_error is None
    assert view.sync_ended_at is not None


class Killed(BaseException):
    pass


@pytest.mark.parametrize("killed_in", ["list", "fetch", "remove", "parse", "end"])
def test_a_sync_that_was_killed_goes_on_where_it_was(
    services: Services, source: Synced, folder: Path, killed_in: str
) -> None:
    source.sync()
    write(folder, part__p1="# Part 1\n\nIt weighs a ton.\n", new="# New\n\nA new page.\n")
    (folder / "part" / "p2.md").unlink()
    recorded: list[Any] = []
    killed = False

    def step(name: str, work: Callable[[], Any]) -> Any:
        """Record what ends; the process dies once after the work of a step, before that is recorded."""
        nonlocal killed
        if replayed:
            return replayed.pop(0)
        result = work()
        if name == killed_in and not killed:
            killed = True
            raise Killed
        recorded.append(result)
        return result

    replayed: list[Any] = []
    run = replace(run_of(services), step=step)
    with pytest.raises(Killed):
        sync_source(run, source.id)
    replayed = list(recorded)
    sync_source(run, source.id)
    found = texts(services)
    assert len(found) == 10
    assert found[f"{PREFIX}part/p1.md"] == "Part 1\n\nIt weighs a ton."
    assert found[f"{PREFIX}new.md"] == "New\n\nA new page."
    assert f"{PREFIX}part/p2.md" not in found
    assert not list(services.settings.sources_folder.iterdir()), "what was listed is forgotten"
    assert source.counts() == {"unchanged": 10}


def test_many_removals_are_held_until_confirmed(services: Services, source: Synced, folder: Path) -> None:
    source.sync()
    for number in range(5):
        (folder / "part" / f"p{number}.md").unlink()
    assert source.counts() == {"unchanged": 5, "held": 5}
    assert len(texts(services)) == 10
    write(folder, part__p0="# Part 0\n\nIt weighs 0 grams.\n")
    assert source.counts() == {"unchanged": 6, "held": 4}  # one is back, and four alone would be few enough
    assert len(texts(services)) == 10
    with services.database.writing() as session:
        assert confirm_removals(session, source.id, now=datetime.now(UTC)) == 4
    assert len(texts(services)) == 6
    shutil.rmtree(folder / "part")
    (folder / "part").mkdir()
    assert source.counts() == {"held": 6}
    with services.database.reading() as session:
        assert [item.key for item in held_items(session, source.id)] == [
            f"part/p{number}.md" for number in (0, 5, 6, 7, 8, 9)
        ]
        assert get_source(session, source.id).held == 6
    with services.database.writing() as session:
        assert confirm_removals(session, source.id, now=datetime.now(UTC)) == 6
    assert texts(services) == {}
    assert source.counts() == {}


def test_a_source_that_is_not_there_removes_nothing(services: Services, source: Synced, folder: Path) -> None:
    source.sync()
    folder.rename(folder.with_name("away"))
    with pytest.raises(SyncFailed, match="not a folder here"):
        source.sync()
    assert len(texts(services)) == 10
    with services.database.reading() as session:
        assert "not a folder" in (get_source(session, source.id).sync_error or "")


def test_what_can_not_be_looked_at_is_not_gone(services: Services, source: Synced, folder: Path) -> None:
    source.sync()
    shutil.rmtree(folder / "part")
    (folder / "part").symlink_to("/nowhere")
    result = source.sync()
    assert (result["removed"], result["held"]) == (0, 0)
    assert [one["name"] for one in result["failed"]] == ["part"]
    assert len(texts(services)) == 10


def test_a_file_that_breaks_keeps_its_good_version(services: Services, source: Synced, folder: Path) -> None:
    source.sync()
    broken = folder / "part" / "p1.md"
    good = broken.read_bytes()
    broken.write_bytes(b"")
    result = source.sync()
    assert [one["name"] for one in result["failed"]] == ["part/p1.md"]
    assert texts(services)[f"{PREFIX}part/p1.md"] == "Part 1\n\nIt weighs 1 grams."
    with services.database.reading() as session:
        (problem,) = problem_items(session, source.id)
    assert "no bytes" in (problem.problem or "")
    assert source.counts() == {"unchanged": 9, "failed": 1}
    broken.write_bytes(good)
    assert source.counts() == {"unchanged": 10}


def test_a_file_that_became_a_link_after_it_was_listed_is_not_followed(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", p0="secret", p1="secret")
    (tmp_path / "way").symlink_to(folder)  # the folder itself may be one
    reader = FolderReader(tmp_path / "way", uri_prefix=PREFIX, max_bytes=1000)
    items = {item.key: item for item in reader.list_items().items}
    nothing = Known(etag=None, last_modified=None)
    assert reader.fetch(items["part/p1.md"], nothing).data.startswith(b"# Part 1")
    (folder / "part" / "p0.md").unlink()
    (folder / "part" / "p0.md").symlink_to(tmp_path / "elsewhere" / "p0.md")
    with pytest.raises(ItemRefused, match="is a link by now"):
        reader.fetch(items["part/p0.md"], nothing)
    shutil.rmtree(folder / "part")
    (folder / "part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ItemRefused, match="is a link by now"):
        reader.fetch(items["part/p1.md"], nothing)


def test_types_that_nothing_reads_are_skipped(services: Services, source: Synced, folder: Path) -> None:
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert source.counts() == {"added": 10, "skipped": 1}
    assert source.counts() == {"unchanged": 10, "skipped": 1}


def test_files_of_the_same_bytes_part_when_one_changes(services: Services, tmp_path: Path) -> None:
    write(tmp_path / "twins", a="# Twin\n\nThe same.\n", b="# Twin\n\nThe same.\n")
    source = add_source(services, "folder", str(tmp_path / "twins"), uri_prefix=PREFIX)
    source.sync()
    assert list(texts(services)) == [f"{PREFIX}a.md"]
    write(tmp_path / "twins", a="# Twin\n\nAnother.\n")
    source.sync()
    assert texts(services) == {f"{PREFIX}a.md": "Twin\n\nAnother.", f"{PREFIX}b.md": "Twin\n\nThe same."}
    write(tmp_path / "twins", a="# Twin\n\nThe same.\n")
    source.sync()
    (tmp_path / "twins" / "a.md").unlink()
    source.sync()
    assert list(texts(services).values()) == ["Twin\n\nThe same."]


def test_an_upload_with_the_same_bytes_is_not_removed_with_the_file(
    services: Services, tmp_path: Path
) -> None:
    upload(services, b"# Note\n\nBy hand.\n", uri="hand:note")
    write(tmp_path / "one", a="# Note\n\nBy hand.\n")
    source = add_source(services, "folder", str(tmp_path / "one"), uri_prefix=PREFIX)
    source.sync()
    (tmp_path / "one" / "a.md").unlink()
    source.sync()
    assert list(texts(services)) == ["hand:note"]


def upload(services: Services, data: bytes, *, uri: str) -> None:
    accept_upload(
        services.database,
        services.settings,
        data=data,
        name="note.md",
        uri=uri,
        title=None,
        product=None,
        now=datetime.now(UTC),
    )


def test_what_was_ingested_before_under_the_address_is_taken_over(
    services: Services, source: Synced, folder: Path
) -> None:
    upload(services, b"# Part 2\n\nOlder.\n", uri=f"{PREFIX}part/p2.md")
    source.sync()
    (folder / "part" / "p2.md").unlink()
    source.sync()
    assert f"{PREFIX}part/p2.md" not in texts(services)


def test_two_sources_do_not_fight_over_an_address(services: Services, source: Synced, tmp_path: Path) -> None:
    source.sync()
    write(tmp_path / "other", part__p0="# Part 0\n\nAnother part.\n")
    other = add_source(services, "folder", str(tmp_path / "other"), uri_prefix=PREFIX)
    result = other.sync()
    assert source.id in result["failed"][0]["error"]
    assert texts(services)[f"{PREFIX}part/p0.md"] == "Part 0\n\nIt weighs 0 grams."


def test_a_document_that_a_person_deleted_stays_deleted(
    services: Services, source: Synced, folder: Path
) -> None:
    source.sync()
    with services.database.writing() as session:
        document = session.scalars(select(Document).where(Document.uri == f"{PREFIX}part/p5.md")).one()
        delete_document(session, document.id, now=datetime.now(UTC))
    source.sync()
    assert f"{PREFIX}part/p5.md" not in texts(services)
    write(folder, part__p5="# Part 5\n\nIt is another one now.\n")
    source.sync()
    assert texts(services)[f"{PREFIX}part/p5.md"] == "Part 5\n\nIt is another one now."


@pytest.mark.parametrize("with_documents", [True, False])
def test_a_source_goes_with_or_without_its_documents(
    services: Services, source: Synced, *, with_documents: bool
) -> None:
    source.sync()
    removed = remove(
        services.database,
        services.settings,
        source.id,
        with_documents=with_documents,
        now=datetime.now(UTC),
    )
    assert removed == (10 if with_documents else 0)
    assert len(texts(services)) == (0 if with_documents else 10)
    with pytest.raises(SyncFailed, match="no source"):
        source.sync()


def test_a_name_is_that_of_one_source(services: Services, source: Synced, folder: Path) -> None:
    with pytest.raises(SourceNameTaken):
        add_source(services, "folder", str(folder))


@pytest.mark.parametrize(
    ("kind", "location", "more", "told"),
    [
        ("ftp", "ftp://x", {}, "no kind 'ftp'"),
        ("folder", "docs", {}, "begin it with /"),
        ("folder", "/docs", {"options": {"deep": True}}, "option 'deep'"),
        ("http", "docs.example", {}, "begins with https://"),
        ("http", "https://me:secret@docs.example/", {}, "user or password"),
        ("http", "https://docs.example/", {"uri_prefix": "x:"}, "leave uri_prefix out"),
        ("http", "https://docs.example/", {"options": {"addresses": ["file:///etc/passwd"]}}, "addresses"),
        ("git", "file:///srv/repository", {}, "allow_private"),
        ("git", "ext::sh -c id", {}, "begins with https://"),
        ("git", "--upload-pack=id", {}, "begins with https://"),
        ("git", "https://git.example/x", {"options": {"folder": "../x"}}, "inside the repository"),
        ("git", "https://git.example/x", {"options": {"branch": "--force"}}, "branch"),
        ("s3", "bucket", {}, "s3://bucket"),
    ],
)
def test_a_source_that_can_not_be_one_is_refused(
    kind: str, location: str, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceInvalid, match=told):
        check_source(kind, location, more.get("options", {}), uri_prefix=more.get("uri_prefix"))

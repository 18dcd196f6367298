"""A bucket as a source, read with the real client from a store that checks its signatures."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from app.sources.buckets import BucketReader
from app.sources.errors import ItemGone, ItemRefused, SourceUnavailable
from app.sources.items import Item, Known
from tests.app.sources.store import Store, serve_store


@pytest.fixture
def store() -> Iterator[Store]:
    with serve_store("manuals", "the-key", "the-secret") as store:
        store.objects = {
            "pump/a.md": b"one",
            "pump/b c+ü.md": b"two",
            "pump/deep/c.md": b"three",
            "press/d.md": b"four",
            "pump/folder/": b"",
        }
        yield store


def reader(store: Store, tmp_path: Path, location: str = "s3://manuals", **more: Any) -> BucketReader:
    options = {
        "s3_endpoint": store.address,
        "s3_key": store.key,
        "s3_secret": store.secret,
        "s3_region": "eu",
    }
    settings = Settings(home=tmp_path, max_upload_bytes=1000, **options | more)
    return BucketReader(location, uri_prefix=None, settings=settings)


def test_objects_below_a_prefix_are_listed_page_by_page_and_read(store: Store, tmp_path: Path) -> None:
    opened = reader(store, tmp_path, "s3://manuals/pump/")
    items = opened.list_items().items
    assert [item.uri for item in items] == [
        "s3://manuals/pump/a.md",
        "s3://manuals/pump/b c+ü.md",
        "s3://manuals/pump/deep/c.md",
    ]
    assert [opened.fetch(item, Known()).data for item in items] == [b"one", b"two", b"three"]
    store.objects["pump/a.md"] = b"changed"
    again = opened.list_items().items
    assert [before.etag == after.etag for before, after in zip(items, again, strict=True)] == [
        False,
        True,
        True,
    ]


def test_an_object_that_is_gone_or_too_large(store: Store, tmp_path: Path) -> None:
    opened = reader(store, tmp_path)
    with pytest.raises(ItemGone):
        opened.fetch(Item(key="none.md", uri="x"), Known())
    store.objects["large.md"] = bytes(1001)
    with pytest.raises(ItemRefused, match="larger than 1,000 bytes"):
        opened.fetch(Item(key="large.md", uri="x"), Known())


@pytest.mark.parametrize(
    ("more", "location", "temporary"),
    [
        ({"s3_secret": "another"}, "s3://manuals", False),
        ({"s3_key": None, "s3_secret": None}, "s3://manuals", False),
        ({"s3_endpoint": "http://127.0.0.1:9"}, "s3://manuals", True),
        ({}, "s3://nowhere", False),
    ],
)
def test_a_bucket_that_can_not_be_read(
    store: Store, tmp_path: Path, more: dict[str, Any], location: str, *, temporary: bool
) -> None:
    with pytest.raises(SourceUnavailable, match="FOOTNOTE_S3_ENDPOINT") as raised:
        reader(store, tmp_path, location, **more).list_items()
    assert raised.value.temporary == temporary
    assert "the-secret" not in str(raised.value)


def test_a_store_that_is_down_for_a_while(store: Store, tmp_path: Path) -> None:
    store.is_down = True
    with pytest.raises(SourceUnavailable) as raised:
        reader(store, tmp_path).list_items()
    assert raised.value.temporary


def test_a_secret_without_its_key_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="do not fit together"):
        reader(store, tmp_path, s3_secret=None)


def test_without_the_package_it_is_told_what_to_install(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "minio", None)
    with pytest.raises(SourceUnavailable, match=r"footnote\[s3\]") as raised:
        reader(store, tmp_path)
    assert not raised.value.temporary

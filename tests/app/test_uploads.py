"""What becomes of the bytes of an upload that is refused when they are stored already."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from app.db.documents import AddressTaken, Stored, list_products
from app.db.session import Database, migrate, open_engine
from app.settings import Settings
from app.uploads import accept_upload, blob_path

ADDRESS = "https://docs.example/guide"
BYTES = b"Oil the pump every 90 days."


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A database in which another product has a document of this address."""
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    upload(database, settings, b"Descale the kettle.", product="Kettle")
    yield database
    database.close()


def upload(
    database: Database, settings: Settings, data: bytes, *, product: str, uri: str = ADDRESS
) -> Stored:
    return accept_upload(
        database,
        settings,
        data=data,
        name="guide.md",
        uri=uri,
        title=None,
        product=product,
        allowed_products=None if product == "Kettle" else [],
        now=datetime(2026, 5, 4, tzinfo=UTC),
    )


def stored(settings: Settings) -> set[str]:
    """Names of all files of stored bytes."""
    return {path.name for path in settings.blobs_folder.rglob("*") if path.is_file()}


def test_the_bytes_of_a_refused_upload_do_not_stay(database: Database, settings: Settings) -> None:
    before = stored(settings)
    assert len(before) == 1
    with pytest.raises(AddressTaken):
        upload(database, settings, BYTES, product="Pump")
    assert stored(settings) == before
    with database.reading() as session:
        assert set(list_products(session)) == {"Kettle"}


def test_bytes_that_another_document_has_outlast_a_refusal(database: Database, settings: Settings) -> None:
    upload(database, settings, BYTES, product="Kettle", uri="https://docs.example/other")
    with pytest.raises(AddressTaken):
        upload(database, settings, BYTES, product="Pump")
    assert sha256(BYTES).hexdigest() in stored(settings)


def test_bytes_that_another_upload_brings_meanwhile_outlast_a_refusal(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, unlink = blob_path(settings.blobs_folder, sha256(BYTES).hexdigest()), Path.unlink

    def upload_and_unlink(removed: Path, *, missing_ok: bool = False) -> None:
        assert removed == path
        upload(database, settings, BYTES, product="Kettle", uri="https://docs.example/other")
        unlink(removed, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", upload_and_unlink)
    with pytest.raises(AddressTaken):
        upload(database, settings, BYTES, product="Pump")
    assert path.read_bytes() == BYTES

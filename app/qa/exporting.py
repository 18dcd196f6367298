"""All pairs as JSONL, with what people decided and with the documents that were made for them."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.pair_drafts import SPLIT_SEED
from app.db.pair_reviews import list_events
from app.db.pairs import PairFilter, PairView, list_pairs
from app.db.session import Database
from app.db.tables import Document, DocumentVersion, Product
from app.settings import Settings
from app.uploads import blob_path
from ingest.media_types import MediaType

FORMAT = 1
HEADER = "footnote_qa_export"
PAGE = 500


def export_pairs(database: Database, settings: Settings, wanted: PairFilter) -> Iterator[str]:
    """The lines of an export.

    The first line is a header. Then come the documents that imports made for pairs, so that the file can be
    read back where nothing else is; pairs of ordinary documents need those to be ingested first. Then come
    the pairs, each with its evidence, scores, split and history.

    Args:
        database: The database.
        settings: Where the bytes of documents are.
        wanted: Which pairs; with any filter, the documents made for pairs still come all.
    """
    yield _line({HEADER: FORMAT, "split_seed": SPLIT_SEED})
    with database.reading() as session:
        for document in _made_documents(session):
            yield _line({"document": document | {"records": _text(settings, document["sha256"])}})
    after: str | None = None
    while True:
        with database.reading() as session:
            views = list_pairs(session, wanted, after=after, limit=PAGE)
            for view in views:
                yield _line({"pair": _as_json(session, view)})
        if len(views) < PAGE:
            return
        after = views[-1].id


def is_export(data: bytes) -> bool:
    """Whether a file begins as an export does."""
    first = data[:200].removeprefix(BOM_UTF8).split(b"\n", 1)[0]
    return f'{{"{HEADER}"'.encode() in first.replace(b" ", b"")


def _made_documents(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Document.uri, DocumentVersion.name, DocumentVersion.sha256, Product.name.label("product"))
        .join(DocumentVersion, DocumentVersion.document_id == Document.id)
        .outerjoin(Product, Product.id == Document.product_id)
        .where(
            Document.deleted_at.is_(None),
            DocumentVersion.version == Document.current_version,
            DocumentVersion.media_type == MediaType.PAIRS,
        )
        .order_by(Document.uri)
    )
    return [{"uri": row.uri, "name": row.name, "sha256": row.sha256, "product": row.product} for row in rows]


def _text(settings: Settings, sha256: str) -> str:
    return blob_path(settings.blobs_folder, sha256).read_text(encoding="utf-8")


def _as_json(session: Session, view: PairView) -> dict[str, Any]:
    return asdict(view) | {"events": [asdict(event) for event in list_events(session, view.id)]}


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) + "\n"

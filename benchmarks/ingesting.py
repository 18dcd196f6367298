"""Ingest: passages a second from files to a live index, beside the encoder's own speed on the same texts."""

import time
from pathlib import Path
from typing import Any

from app.cli.documents import ingest_files
from app.db.passages import live_passages
from app.settings import Settings
from app.wiring import build_services
from benchmarks.homes import empty_home
from ingest.passages import contextual_text


def measure_ingest(settings: Settings, docs: Path, documents: int, _questions: int) -> dict[str, Any]:
    """Ingest into an empty home, then encode the same texts with nothing around.

    Args:
        settings: The settings of this run.
        docs: Folder of documents.
        documents: How many of its files, spread evenly; 0 for all.
    """
    paths = [docs]
    if documents:
        files = sorted(path for path in docs.rglob("*.txt"))
        paths = files[:: max(1, len(files) // documents)][:documents]
    with empty_home(settings) as home:
        services = build_services(home)
        _ = services.encoder  # loading is not part of either figure
        began = time.perf_counter()
        ingest_files(services, paths, uri_prefix="bench:", progress=lambda *_arguments: None)
        whole = time.perf_counter() - began
        with services.database.reading() as session:
            views = list(live_passages(session))
        texts = list({contextual_text(view.title, view.heading_path, view.text) for view in views})
        began = time.perf_counter()
        services.encoder.encode_passages(texts)
        bare = time.perf_counter() - began
        services.close()
    return {
        "passages": len(views),
        "distinct texts": len(texts),
        "encoder alone, distinct texts/s": round(len(texts) / bare, 1),
        "end to end, distinct texts/s": round(len(texts) / whole, 1),
        "end to end / encoder alone": round(bare / whole, 3),
    }

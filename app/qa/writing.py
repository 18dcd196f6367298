"""Pairs that the generator writes from passages that no pair rests on yet."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from app.db.pair_drafts import add_drafts
from app.db.pair_evidence import uncovered_passages
from app.db.pair_work import mark_done, passage_done
from app.db.passages import PassageView, get_passages
from app.db.session import Database
from app.qa.redaction import Redactor
from app.settings import Settings
from generator.models import Generator
from ingest.pairs.drafts import PairDraft
from ingest.pairs.fitting import SourcePassage
from ingest.pairs.generation import GENERATION_VERSION, write_pairs


def write_next_pairs(
    database: Database,
    settings: Settings,
    generator: Generator,
    limit: int,
    *,
    now: Callable[[], datetime],
    should_stop: Callable[[], bool],
) -> int:
    """Let the generator write pairs from some passages; each passage's text is tried once per generator.

    Returns:
        How many passages were tried; 0 when none is left.
    """
    maker, redactor = _maker(generator), Redactor.of(database, settings)
    with database.reading() as session:
        ids = uncovered_passages(session, done=passage_done(maker), limit=limit)
        views = list(get_passages(session, ids).values())
    if not views:
        return 0
    written = write_pairs([_source(view) for view in views], generator, should_stop=should_stop)
    drafts: defaultdict[tuple[str, int], list[PairDraft]] = defaultdict(list)
    for view, found in zip(views, written, strict=True):
        drafts[view.document_id, view.version] += [redactor.draft(draft) for draft in found]
    with database.writing() as session:
        for (document_id, version), found in drafts.items():
            add_drafts(session, document_id, version, found, now=now())
        mark_done(session, maker, [view.embedding_sha256 for view in views])
    return len(views)


def count_unwritten(session: Session, generator: Generator) -> int:
    """How many passages this generator may write from."""
    return len(uncovered_passages(session, done=passage_done(_maker(generator)), limit=None))


def _maker(generator: Generator) -> str:
    return f"write/{GENERATION_VERSION}/{generator.fingerprint}"[:120]


def _source(view: PassageView) -> SourcePassage:
    return SourcePassage(title=view.title, heading_path=view.heading_path, text=view.text, start=view.start)

"""Pairs that stand in documents already: found once in each version, stored without personal data."""

from collections.abc import Callable, Sequence
from datetime import datetime

from app.db.documents import DocumentNotFound, get_text
from app.db.pair_drafts import add_drafts
from app.db.pair_work import mark_done, version_subject
from app.db.session import Database
from app.db.tables import DocumentVersion
from app.observability import logger
from app.qa.redaction import Redactor
from app.settings import Settings
from app.uploads import blob_path
from ingest.document import ParsedDocument
from ingest.errors import IngestError
from ingest.pairs.authored import find_authored
from ingest.pairs.dialogue import find_dialogue
from ingest.pairs.drafts import Origin, PairDraft
from ingest.pairs.records import is_records, record_pairs
from ingest.pairs.structure import structured_pairs
from ingest.parsing import PARSER_VERSION, parse

EXTRACTOR = f"extract/1/{PARSER_VERSION}"
"""Raised when the same document gives other pairs: every document is then looked at again."""


def extract_pairs(
    database: Database,
    settings: Settings,
    versions: Sequence[tuple[str, int]],
    *,
    now: Callable[[], datetime],
) -> int:
    """Find the pairs in document versions and record them, for the filters to look at; safe to repeat.

    Returns:
        How many pairs are new.
    """
    found, redactor = 0, Redactor.of(database, settings)
    for document_id, version in versions:
        drafts = [redactor.draft(one) for one in _drafts(database, settings, document_id, version)]
        with database.writing() as session:
            found += add_drafts(session, document_id, version, drafts, now=now())
            mark_done(session, EXTRACTOR, [version_subject(document_id, version)])
    return found


def _drafts(database: Database, settings: Settings, document_id: str, version: int) -> list[PairDraft]:
    try:
        with database.reading() as session:
            row = session.get_one(DocumentVersion, (document_id, version))
            name, sha256 = row.name, row.sha256
            _, text = get_text(session, document_id, version)
        data = blob_path(settings.blobs_folder, sha256).read_bytes()
        document = parse(data, name=name, max_text_characters=settings.max_text_characters)
        if document.text != text:  # read by an older parser; the next ingest renews it
            return []
        return find_pairs(document, data)
    except (DocumentNotFound, IngestError, OSError) as error:  # deleted meanwhile, or its bytes are gone
        logger().warning("pairs_not_extracted", document_id=document_id, reason=type(error).__name__)
    except Exception:  # noqa: BLE001 - one document must never stop the pairs of all others
        logger().exception("pairs_not_extracted", document_id=document_id)
    return []


def find_pairs(document: ParsedDocument, data: bytes) -> list[PairDraft]:
    """Every pair that a document offers; of one question only the first, in the order of trust."""
    if is_records(data):  # what an administrator wrote was recorded when it was written
        return [pair for pair in record_pairs(data, document) if pair.origin is not Origin.ADMIN]
    found = [*find_authored(document, data), *find_dialogue(document), *structured_pairs(document)]
    return list({_folded(draft.question): draft for draft in reversed(found)}.values())[::-1]


def _folded(question: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in question.casefold()).split())

"""Personal data taken out of pairs before anything is stored: by patterns, and by names if that is wanted."""

from dataclasses import replace

from app.db.documents import list_products
from app.db.session import Database
from app.settings import Settings
from ingest.pairs.drafts import PairDraft
from ingest.pairs.named_entities import NameFinder, SpacyNameFinder, redact_names
from ingest.pairs.privacy import redact
from ingest.pairs.records import PairRecord


class Redactor:
    """Puts markers in place of personal data.

    Args:
        names: Finds names of persons, or None to leave them.
    """

    def __init__(self, names: NameFinder | None = None) -> None:
        self._names = names

    @classmethod
    def of(cls, database: Database, settings: Settings) -> "Redactor":
        """What the settings ask for; names of products are never taken for persons.

        Raises:
            NameModelMissing: If names are to be removed and the extra ``pii`` is not installed.
        """
        if not settings.remove_names:
            return cls()
        with database.reading() as session:
            products = list_products(session)
        return cls(SpacyNameFinder(kept=[word for name in products for word in name.split()]))

    def text(self, text: str) -> str:
        """A text with markers."""
        redacted = redact(text).text
        return redacted if self._names is None else redact_names(redacted, self._names).text

    def draft(self, draft: PairDraft) -> PairDraft:
        """A draft with markers in its words; its evidence is the document's own."""
        return replace(draft, question=self.text(draft.question), answer=self.text(draft.answer))

    def record(self, record: PairRecord) -> PairRecord:
        """A record with markers in everything that a reader will see."""
        return replace(
            record,
            question=self.text(record.question),
            answer=self.text(record.answer),
            context=self.text(record.context),
        )

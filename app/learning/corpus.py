"""The live index as a corpus to learn on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.db.document_views import document_uris
from app.db.passages import get_passages
from app.db.session import Database
from app.searching import LiveIndex
from finetune.examples import Corpus
from ingest.passages import contextual_text
from retriever.arrays import Vectors

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Where a passage stands: ``start`` to ``end`` of the current text of a document."""

    uri: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearningCorpus:
    """The passages of the live index whose documents are still there.

    Attributes:
        corpus: Ids, documents and texts, as the encoder reads them.
        places: Where each passage stands.
        rows: From a passage's id to its row.
        vectors: (corpus, dimension) unit rows, by the live encoder.
    """

    corpus: Corpus
    places: Sequence[Place]
    rows: dict[str, int]
    vectors: Vectors

    def rows_of(self, passage_ids: Sequence[str]) -> tuple[int, ...]:
        """Rows of those passages that are there."""
        return tuple(self.rows[one] for one in passage_ids if one in self.rows)


def read_corpus(database: Database, live: LiveIndex) -> LearningCorpus:
    """Read the passages of an index that search may still show."""
    ids = live.index.passage_ids
    kept, texts, places, documents = [], [], [], []
    with database.reading() as session:
        uris = document_uris(session)
        for begin in range(0, len(ids), BATCH):
            views = get_passages(session, ids[begin : begin + BATCH])
            for row in range(begin, min(begin + BATCH, len(ids))):
                view = views.get(ids[row])
                if view is None or view.document_id in live.hidden_documents:
                    continue
                kept.append(row)
                texts.append(contextual_text(view.title, view.heading_path, view.text))
                documents.append(view.document_id)
                places.append(Place(uri=uris[view.document_id], start=view.start, end=view.end))
    found = [ids[row] for row in kept]
    return LearningCorpus(
        corpus=Corpus(ids=found, documents=documents, texts=texts),
        places=places,
        rows={passage_id: row for row, passage_id in enumerate(found)},
        vectors=live.index.vectors.at(np.array(kept, dtype=np.int64)),
    )

"""An index to learn with, beside those that are served: tuning changes nothing that is live."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from app.db.session import Database
from app.downloads import Progress
from app.embedding import embed_missing
from app.indexing import build_index_without
from app.models import Models
from app.searching import LiveIndex
from app.settings import Settings
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.search import Hit, SearchConfig
from retriever.search import search as search_index

TRAINING_INDEX = "training-index-"
LOCK = "lock"
CHOSEN_ON = "dev"  # the split that choices are made on; its pairs are in no index that tuning asks


class Home(Protocol):
    """Where tuning reads and writes; see `app.wiring.Services`."""

    @property
    def database(self) -> Database:
        """The database."""
        ...

    @property
    def settings(self) -> Settings:
        """Name the models that are tuned, and the folders."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeHome:
    """A home of other settings."""

    database: Database
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrieval:
    """An index, and how it is asked.

    Attributes:
        live: The index.
        encoder: The one that it was built with.
        config: How to search. The questions of QA pairs have no weight in it: they would lead to the very
            passages that are to be learnt.
    """

    live: LiveIndex
    encoder: Encoder
    config: SearchConfig

    def find(self, question: str, query: Vectors, *, k: int) -> list[Hit]:
        """The passages that fit a question best.

        Args:
            question: The question.
            query: (dimension,), its vector.
            k: Most hits.
        """
        return search_index(
            self.live.index,
            self.encoder,
            question,
            k=k,
            config=self.config,
            hidden_documents=self.live.hidden_documents,
            query=query[None, :],
        )


@contextmanager
def open_retrieval(home: Home, progress: Progress) -> Iterator[Retrieval]:
    """An index of the corpus as it is now by the configured encoder; it is removed at the end.

    Vectors are cached in the database, so that only new passages and new encoders take time. A lock tells it
    from one that a killed run left.
    """
    models = Models(home.settings)
    encoder = models.encoder
    embed_missing(home.database, encoder, report=partial(progress, "Embedding"))
    with (
        tempfile.TemporaryDirectory(dir=home.settings.home, prefix=TRAINING_INDEX) as folder,
        (Path(folder) / LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        index = build_index_without(home.database, encoder, CHOSEN_ON, Path(folder) / "index")
        live = LiveIndex(
            id="training",
            index=index,
            hidden_documents=frozenset(),
            hidden_pairs=frozenset(),
        )
        yield Retrieval(live=live, encoder=encoder, config=replace(models.search_config, qa_weight=0.0))

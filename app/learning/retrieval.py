"""An index to learn with, beside those that are served: tuning changes nothing that is live."""

import fcntl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from app.db.products import product_names
from app.db.session import Database
from app.downloads import Progress
from app.embedding import embed_missing
from app.indexing import build_index_without
from app.models import Models
from app.searching import LiveIndex, search_live
from app.settings import Settings
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.search import Hit, SearchConfig

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
        config: How to search, as in service.
        names: Name and aliases of every product, by its id: what a question may be about.
    """

    live: LiveIndex
    encoder: Encoder
    config: SearchConfig
    names: Mapping[str, Sequence[str]]

    def find(self, question: str, query: Vectors, *, k: int, uses_pairs: bool = False) -> list[Hit]:
        """The passages that fit a question best.

        Args:
            question: The question.
            query: (dimension,), its vector.
            k: Most hits.
            uses_pairs: Whether the questions of QA pairs lead to passages, as in service. Those of a question
                that is to be learnt would lead to the very passages that answer it.
        """
        return search_live(
            self.live,
            self.encoder,
            question,
            k=k,
            products=None,
            names=self.names,
            config=self.config if uses_pairs else replace(self.config, qa_weight=0.0),
            query=query[None, :],
        ).hits


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
        with home.database.reading() as session:
            names = product_names(session)
        yield Retrieval(live=live, encoder=encoder, config=models.search_config, names=names)

"""What answers now: the live release, or what settings say, followed when the pointers move."""

import threading
import time
from dataclasses import dataclass

from app.bundles import Bundle, Lineup, release_lineup, settings_lineup
from app.db.documents import deleted_documents
from app.db.pair_evidence import withdrawn_pairs
from app.db.releases import Pointers, get_release, read_pointers
from app.db.session import DATABASE_AWAY, Database
from app.failures import name_failure
from app.models import Models
from app.observability import logger
from app.searching import LiveIndex
from app.settings import Settings
from retriever.index import Index, open_index

WATCH_SECONDS = 1.0
RETRY_SECONDS = 30.0  # after a release that can't be loaded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Current:
    """What answers now; replaced as a whole, never changed.

    Attributes:
        lineup: Models and thresholds.
        index_id: The index version that is open; None before the first.
        index: It.
    """

    lineup: Lineup
    index_id: str | None = None
    index: Index | None = None


class Serving:
    """Gives every request a bundle, and changes to another release without one of them waiting.

    Requests take what is there. A newer index of the same release is opened by the first request that
    finds it, as it must be searched at once; another release is loaded by `follow`, while requests go on
    with the one before. Safe to share between threads.

    Args:
        settings: The settings of this process.
        database: Where the pointers are.
        models: Of these settings: they answer while no release is live.
    """

    def __init__(self, settings: Settings, database: Database, models: Models) -> None:
        self._settings = settings
        self._database = database
        self._models = models
        self._current: _Current | None = None
        self._following = threading.RLock()
        self._opening = threading.Lock()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self.not_followed: str | None = None  # why the live release does not answer here; None if it does

    def lineup(self) -> Lineup:
        """Models and thresholds that answer now; loaded when they are first used.

        Raises:
            ReleaseDamaged: If a release is live that this program can't use.
        """
        return (self._current or self._begin()).lineup

    def bundle(self) -> Bundle | None:
        """What answers a request that begins now; None before the first index was built.

        Raises:
            ReleaseDamaged: If a release is live that this program can't use, and none was before.
            RetrieverError: If the index is damaged or belongs to another encoder.
        """
        current = self._current or self._begin()
        with self._database.reading() as session:
            pointers = read_pointers(session)
        if pointers.release != current.lineup.release and current.index is None:
            current = self._begin(again=True)  # nothing was answered yet
        if pointers.release == current.lineup.release and pointers.index != current.index_id:
            current = self._open(pointers)
        if current.index is None or current.index_id is None:
            return None
        built = current.index.manifest.created_at
        with self._database.reading() as session:
            hidden_documents = deleted_documents(session, since=built)
            hidden_pairs = withdrawn_pairs(session, since=built)
        live = LiveIndex(
            id=current.index_id,
            index=current.index,
            hidden_documents=hidden_documents,
            hidden_pairs=hidden_pairs,
        )
        return Bundle(lineup=current.lineup, live=live)

    def _begin(self, *, again: bool = False) -> _Current:
        """The first lineup, by the pointers as they are."""
        with self._following:
            if self._current is None or again:
                with self._database.reading() as session:
                    pointers = read_pointers(session)
                self._current = _Current(lineup=self._lineup_of(pointers, loaded=self._models))
            return self._current

    def _lineup_of(self, pointers: Pointers, *, loaded: Models) -> Lineup:
        if pointers.release is None:
            return settings_lineup(self._settings, self._models)
        with self._database.reading() as session:
            release = get_release(session, pointers.release)
        return release_lineup(self._settings, release, loaded=loaded)

    def _open(self, pointers: Pointers) -> _Current:
        """Open the index of these pointers, unless another thread was quicker, or moved on."""
        with self._opening:
            current = self._current
            assert current is not None  # bundles begin with one
            if pointers.release != current.lineup.release or pointers.index == current.index_id:
                return current
            opened = self._with_index(current.lineup, pointers)
            self._current = opened
            return opened

    def _with_index(self, lineup: Lineup, pointers: Pointers) -> _Current:
        if pointers.index is None:
            return _Current(lineup=lineup)
        index = open_index(
            self._settings.indexes_folder / pointers.index,
            encoder_fingerprint=lineup.models.encoder.fingerprint,
        )
        return _Current(lineup=lineup, index_id=pointers.index, index=index)

    def follow(self) -> Lineup:
        """Go to the live release if it is another one: load all of it, and then let requests have it.

        Returns:
            What answers requests that begin from now on.

        Raises:
            ReleaseDamaged: If this program can't use it; what answered before goes on.
        """
        with self._following:
            current = self._current or self._begin()
            while True:
                with self._database.reading() as session:
                    pointers = read_pointers(session)
                if pointers.release == current.lineup.release:
                    return current.lineup
                began = time.monotonic()
                lineup = self._lineup_of(pointers, loaded=current.lineup.models)
                lineup.models.load()
                with self._database.reading() as session:
                    pointers = read_pointers(session)  # a newer index may be live by now
                if pointers.release == lineup.release:
                    with self._opening:
                        current = self._current = self._with_index(lineup, pointers)
                    self._models = Models(self._settings)  # those of the settings need no memory any more
                    seconds = round(time.monotonic() - began, 1)
                    logger().info("release_followed", release=lineup.release, seconds=seconds)

    def watch(self) -> None:
        """Follow the pointer from now on, in a thread; `close` ends it."""
        self._watcher = threading.Thread(target=self._watch, name="release-watch", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        release: str | None = None
        failed, again = release, 0.0  # a release that could not be loaded here, and when to try it again
        while not self._ended.wait(WATCH_SECONDS):
            try:
                with self._database.reading() as session:
                    release = read_pointers(session).release
                if release == failed and time.monotonic() < again:
                    continue
                if self._current is not None:
                    self.follow()
                self.not_followed, again = None, 0.0
            except DATABASE_AWAY as error:  # soon again: what waits for a database waits for seconds
                logger().error("release_not_followed", reason=name_failure(error))
            except Exception as error:  # noqa: BLE001 - what answers now goes on, and the next look may do
                self.not_followed, failed = str(error), release
                again = time.monotonic() + RETRY_SECONDS
                logger().error("release_not_followed", reason=str(error))

    def close(self) -> None:
        """End the watching thread."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()

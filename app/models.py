"""The models of some settings: fetched where they are missing, each loaded on first use and then kept."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from app.catalogue import ModelUnavailable
from app.downloads import Progress
from app.model_fetching import fetch_model
from app.model_folders import Model, open_adapter_base, open_model
from app.settings import Settings
from generator.errors import ModelFolderInvalid
from generator.models import Generator
from retriever.encoder import Encoder
from retriever.reranking import RerankConfig, Reranker, TimedReranker
from retriever.search import SearchConfig

Part = Literal["encoder", "reranker", "generator"]


class ReleaseDamaged(Exception):
    """A part of a release is missing, or is not what was released; the message names it, and what to do."""

    def __init__(self, part: str, reason: str, *, remedy: str = "Put the former files back") -> None:
        super().__init__(
            f"the release can't be used: its {part} {reason}. {remedy}, or go to another release: footnote "
            "release list"
        )


CREATE_ANEW = "Create a release here, and promote it with --force, since the gate can't ask the former"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the models of a release are, whatever their folders say by now.

    Attributes:
        encoder: Fingerprint of the encoder's files.
        vectors: Of the encoder as it runs, which its index was built with.
        reranker: Of the reranker's; None without one.
        generator: Of the generator's files, or the address and name of one on a server.
        search: How to search.
        rerank: How to order hits anew; None without a reranker.
    """

    encoder: str
    vectors: str
    reranker: str | None
    generator: str
    search: SearchConfig
    rerank: RerankConfig | None


class Models:
    """The encoder and the generator of some settings, each loaded on first use and then kept.

    Args:
        settings: Name the models and say where their files are.
        pins: Of a release, whose models they must be; None for whatever the settings name.
        loaded: Others that are loaded already; what has the same files is shared with them.
    """

    def __init__(
        self, settings: Settings, *, pins: Pins | None = None, loaded: "Models | None" = None
    ) -> None:
        self._settings = settings
        self._pins = pins
        self._others = {} if loaded is None else loaded._shared()  # noqa: SLF001 - of the same class
        self._encoder: Encoder | None = None
        self._search = SearchConfig()
        self._generator: Generator | None = None
        self._cross_encoder: Reranker | None = None
        self._reranker: TimedReranker | None = None
        self._reranker_opened = False
        self._loading_encoder = threading.Lock()
        self._loading_generator = threading.Lock()
        self._loading_reranker = threading.Lock()
        self._weights: dict[str, str] = {}  # fingerprints of the files of what is loaded, by part

    @property
    def encoder(self) -> Encoder:
        """The encoder.

        Raises:
            ModelUnavailable: If it is not there.
            ReleaseDamaged: If it is not that of the release.
        """
        with self._loading_encoder:
            if self._encoder is None:
                from retriever.sentence_transformer_encoder import load_encoder  # noqa: PLC0415 - loads torch

                model = self._open("encoder", self._settings.encoder)
                self._search = SearchConfig(**model.search) if self._pins is None else self._pins.search
                shared: Encoder | None = self._share("encoder", model.fingerprint)
                encoder = shared or load_encoder(model.folder, weights_sha256=model.fingerprint)
                self._require_vectors(encoder)
                self._encoder = encoder
                self._weights["encoder"] = model.fingerprint
            return self._encoder

    @property
    def search_config(self) -> SearchConfig:
        """How to search with the encoder; raises ModelUnavailable if it is not there."""
        _ = self.encoder
        return self._search

    @property
    def reranker(self) -> TimedReranker | None:
        """The reranker; None where none is set, or where it was found not to pay.

        Raises:
            ModelUnavailable: If it is not there.
            RerankerUnusable: If its folder holds something else.
            ReleaseDamaged: If it is not that of the release.
        """
        with self._loading_reranker:
            if not self._reranker_opened:
                reference = self._settings.reranker
                self._reranker = None if reference is None else self._open_reranker(reference)
                self._reranker_opened = True
            return self._reranker

    def _open_reranker(self, reference: str) -> TimedReranker | None:
        from retriever.cross_encoder import load_cross_encoder  # noqa: PLC0415 - loads torch

        model = self._open("reranker", reference)
        config = None if self._pins is None else self._pins.rerank
        if config is None:
            if model.rerank_weight == 0:
                return None
            config = RerankConfig(
                weight=RerankConfig().weight if model.rerank_weight is None else model.rerank_weight,
                budget_milliseconds=self._settings.rerank_budget,
            )
        shared = self._share("reranker", model.fingerprint)
        self._cross_encoder = shared or load_cross_encoder(model.folder, weights_sha256=model.fingerprint)
        self._weights["reranker"] = model.fingerprint
        return TimedReranker(self._cross_encoder, config)

    @property
    def generator(self) -> Generator:
        """The generator.

        Raises:
            ModelUnavailable: If it is not there.
            ReleaseDamaged: If it is not that of the release.
        """
        with self._loading_generator:
            if self._generator is None and self._settings.generator_address is not None:
                self._generator = self._remote_generator(self._settings.generator_address)
                self._require("generator", self._generator.fingerprint)
            elif self._generator is None:
                model = self._open("generator", self._settings.generator)
                shared = self._share("generator", model.fingerprint)
                self._generator = shared or self._load_generator(model)
                self._weights["generator"] = model.fingerprint
            return self._generator

    def _load_generator(self, model: Model) -> Generator:
        from generator.transformers_backend import TransformersGenerator  # noqa: PLC0415 - loads torch

        base = self._open_base(model)
        return TransformersGenerator.load(
            base.folder,
            name=model.reference,
            fingerprint=model.fingerprint,
            adapter=None if model.base is None else model.folder,
        )

    def _remote_generator(self, address: str) -> Generator:
        from generator.openai_backend import OpenAIGenerator  # noqa: PLC0415 - only where it is used

        key = self._settings.generator_key
        return OpenAIGenerator(
            address=address,
            model=self._settings.generator,
            api_key=None if key is None else key.get_secret_value(),
        )

    def load(self) -> None:
        """Load all of them, and keep nothing else."""
        _ = self.encoder, self.generator, self.reranker
        self._others = {}

    def verify(self) -> None:
        """Check every byte of every model of a release, without loading any.

        Raises:
            ReleaseDamaged: Names the model that is missing, or is not that of the release.
        """
        self._open("encoder", self._settings.encoder)
        if self._settings.reranker is not None:
            self._open("reranker", self._settings.reranker)
        if self._settings.generator_address is not None:
            _ = self.generator
        else:
            self._open_base(self._open("generator", self._settings.generator))

    def _open(self, part: Part, reference: str) -> Model:
        with self._pinned(part):
            model = open_model(self._settings.models_folder, reference)
        self._require(part, model.fingerprint)
        return model

    def _open_base(self, model: Model) -> Model:
        """The whole model that a generator is, or is an adapter for."""
        with self._pinned("generator"):
            return model if model.base is None else open_adapter_base(self._settings.models_folder, model)

    @contextmanager
    def _pinned(self, part: Part) -> Iterator[None]:
        """Where a model of a release can't be opened, it is the release that is damaged."""
        try:
            yield
        except (ModelUnavailable, ModelFolderInvalid) as error:
            if self._pins is None:
                raise
            raise ReleaseDamaged(part, f"is not what was released: {error}") from error

    def _require(self, part: Part, fingerprint: str) -> None:
        """Raise ReleaseDamaged if a release has another model than this."""
        pinned = None if self._pins is None else getattr(self._pins, part)
        if pinned is not None and pinned != fingerprint:
            raise ReleaseDamaged(part, f"has the fingerprint {fingerprint}, and was released with {pinned}")

    def _require_vectors(self, encoder: Encoder) -> None:
        """Raise ReleaseDamaged if the encoder of a release does not run here as where it was made."""
        if self._pins is not None and self._pins.vectors != encoder.fingerprint:
            raise ReleaseDamaged(
                "encoder",
                "has the files that were released, but runs in another way here (bfloat16 or float32, by the "
                f"processor, or another version of its library): its vectors are {encoder.fingerprint}, and "
                f"those of the release's index {self._pins.vectors}",
                remedy=CREATE_ANEW,
            )

    def _shared(self) -> dict[tuple[str, str], Any]:
        """What is loaded, by part and fingerprint of its files."""
        found = {"encoder": self._encoder, "reranker": self._cross_encoder, "generator": self._generator}
        return {(part, weights): found[part] for part, weights in self._weights.items()}

    def _share(self, part: Part, fingerprint: str) -> Any:
        """What others have loaded of the same files, or None."""
        return self._others.get((part, fingerprint))

    @property
    def are_loaded(self) -> bool:
        """Whether all of them are in memory, a reranker only where one is set."""
        is_reranker_open = self._settings.reranker is None or self._reranker_opened
        return self._encoder is not None and self._generator is not None and is_reranker_open


def fetch_models(settings: Settings, progress: Progress) -> list[Model]:
    """Make sure that both configured models are there; a model server keeps its own."""
    local = [settings.encoder, *([] if settings.generator_address else [settings.generator])]
    return [fetch(settings, reference, progress) for reference in local]


def fetch(settings: Settings, reference: str, progress: Progress) -> Model:
    """Make sure that one model is there; raises ModelUnavailable if no source has it."""
    from generator.conversion import convert_gguf  # noqa: PLC0415 - loads torch

    return fetch_model(
        settings.models_folder, reference, convert=convert_gguf, offline=settings.offline, progress=progress
    )

"""The models of some settings: fetched where they are missing, each loaded on first use and then kept."""

import threading

from app.downloads import Progress
from app.model_fetching import fetch_model
from app.model_folders import Model, open_model
from app.settings import Settings
from generator.models import Generator
from retriever.encoder import Encoder
from retriever.reranking import RerankConfig, TimedReranker
from retriever.search import SearchConfig


class Models:
    """The encoder and the generator of some settings, each loaded on first use and then kept.

    Args:
        settings: Name the models and say where their files are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._encoder: Encoder | None = None
        self._search = SearchConfig()
        self._generator: Generator | None = None
        self._loading_encoder = threading.Lock()
        self._loading_generator = threading.Lock()
        self._reranker: TimedReranker | None = None
        self._reranker_opened = False
        self._loading_reranker = threading.Lock()

    @property
    def encoder(self) -> Encoder:
        """The encoder; raises ModelUnavailable if it is not there."""
        with self._loading_encoder:
            if self._encoder is None:
                from retriever.sentence_transformer_encoder import load_encoder  # noqa: PLC0415 - loads torch

                model = open_model(self._settings.models_folder, self._settings.encoder)
                self._search = SearchConfig(**model.search)
                self._encoder = load_encoder(model.folder, weights_sha256=model.fingerprint)
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
        """
        with self._loading_reranker:
            if not self._reranker_opened:
                reference = self._settings.reranker
                self._reranker = None if reference is None else self._open_reranker(reference)
                self._reranker_opened = True
            return self._reranker

    def _open_reranker(self, reference: str) -> TimedReranker | None:
        from retriever.cross_encoder import load_cross_encoder  # noqa: PLC0415 - loads torch

        model = open_model(self._settings.models_folder, reference)
        if model.rerank_weight == 0:
            return None
        return TimedReranker(
            load_cross_encoder(model.folder, weights_sha256=model.fingerprint),
            RerankConfig(
                weight=RerankConfig().weight if model.rerank_weight is None else model.rerank_weight,
                budget_milliseconds=self._settings.rerank_budget,
            ),
        )

    @property
    def generator(self) -> Generator:
        """The generator; raises ModelUnavailable if it is not there."""
        with self._loading_generator:
            if self._generator is None and self._settings.generator_address is not None:
                self._generator = self._remote_generator(self._settings.generator_address)
            elif self._generator is None:
                from generator.transformers_backend import TransformersGenerator  # noqa: PLC0415 - loads torch

                model = open_model(self._settings.models_folder, self._settings.generator)
                self._generator = TransformersGenerator.load(
                    model.folder, name=model.reference, fingerprint=model.fingerprint
                )
            return self._generator

    def _remote_generator(self, address: str) -> Generator:
        from generator.openai_backend import OpenAIGenerator  # noqa: PLC0415 - only where it is used

        key = self._settings.generator_key
        return OpenAIGenerator(
            address=address,
            model=self._settings.generator,
            api_key=None if key is None else key.get_secret_value(),
        )

    @property
    def are_loaded(self) -> bool:
        """Whether both are in memory."""
        return self._encoder is not None and self._generator is not None


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

"""What answers a request: models, thresholds and an index that belong together, and never change."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from app.db.releases import ReleaseView
from app.models import CREATE_ANEW, Models, Pins, ReleaseDamaged
from app.searching import LiveIndex
from app.settings import Settings
from generator.answers import AnswerConfig
from generator.prompt import PROMPT_VERSION
from generator.strength import StrengthConfig
from retriever.reranking import RerankConfig
from retriever.search import SearchConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What decides an answer beside models, index and prompt.

    Attributes:
        evidence_passages: Most passages shown to the generator.
        curated_similarity: Least cosine of a question and that of a pair whose words answer it.
        answer: Budgets and thresholds of answers.
    """

    evidence_passages: int
    curated_similarity: float
    answer: AnswerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedThresholds(Thresholds):
    """The same as a release keeps it, with what goes with its models.

    Attributes:
        search: How to search.
        rerank: How hits are ordered anew; None without a reranker.
        generator_address: Server that runs the generator; None where it runs in this process.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    search: SearchConfig
    rerank: RerankConfig | None
    generator_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lineup:
    """What answers, but for the index, which may become newer.

    Attributes:
        release: Id of the release; None where settings say what answers.
        settings: Those of this process, with the models of the release.
        models: Of these settings.
        thresholds: What else decides an answer.
    """

    release: str | None
    settings: Settings
    models: Models
    thresholds: Thresholds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """All that answers one request: taken when it begins, and used to its end."""

    lineup: Lineup
    live: LiveIndex


def answer_config(settings: Settings) -> AnswerConfig:
    """How answers are written and checked by these settings."""
    return AnswerConfig(
        prompt_tokens=settings.evidence_tokens,
        max_new_tokens=settings.answer_tokens,
        strength=StrengthConfig(minimum=settings.minimum_strength),
    )


def settings_lineup(settings: Settings, models: Models) -> Lineup:
    """What settings say.

    Args:
        settings: Of this process.
        models: Of these settings.
    """
    return Lineup(
        release=None,
        settings=settings,
        models=models,
        thresholds=Thresholds(
            evidence_passages=settings.evidence_passages,
            curated_similarity=settings.curated_similarity,
            answer=answer_config(settings),
        ),
    )


def release_lineup(settings: Settings, release: ReleaseView, *, loaded: Models | None = None) -> Lineup:
    """What a release says; nothing is loaded yet.

    Args:
        settings: Say where models are; what decides answers is taken from the release.
        release: The release.
        loaded: Models in memory, to be shared where they are the same.

    Raises:
        ReleaseDamaged: If this program has another prompt, or can't read the thresholds.
    """
    if release.prompt_version != PROMPT_VERSION:
        raise ReleaseDamaged(
            "prompt",
            f"has the version {release.prompt_version}, and this program has {PROMPT_VERSION}",
            remedy=CREATE_ANEW,
        )
    thresholds = read_thresholds(release.thresholds)
    own = settings.model_copy(
        update={
            "encoder": release.encoder,
            "reranker": release.reranker,
            "generator": release.generator,
            "generator_address": thresholds.generator_address,
        }
    )
    pins = Pins(
        encoder=release.encoder_weights,
        vectors=release.vectors,
        reranker=release.reranker_weights,
        generator=release.generator_weights,
        search=thresholds.search,
        rerank=thresholds.rerank,
    )
    return Lineup(
        release=release.id,
        settings=own,
        models=Models(own, pins=pins, loaded=loaded),
        thresholds=thresholds,
    )


def describe_thresholds(lineup: Lineup) -> dict[str, Any]:
    """What a release of this lineup keeps; loads the encoder and the reranker."""
    models, thresholds = lineup.models, lineup.thresholds
    return asdict(
        ReleasedThresholds(
            evidence_passages=thresholds.evidence_passages,
            curated_similarity=thresholds.curated_similarity,
            answer=thresholds.answer,
            search=models.search_config,
            rerank=None if models.reranker is None else models.reranker.config,
            generator_address=lineup.settings.generator_address,
        )
    )


def read_thresholds(kept: Mapping[str, Any]) -> ReleasedThresholds:
    """What `describe_thresholds` gave.

    Raises:
        ReleaseDamaged: If it is something else.
    """
    try:
        return TypeAdapter(ReleasedThresholds).validate_python(dict(kept))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ReleaseDamaged("thresholds", f"can't be read: {where}: {error.errors()[0]['msg']}") from error

"""What an operator can set. The only module that reads the environment."""

import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PREFIX = "FOOTNOTE_"


class SettingsInvalid(Exception):
    """A setting is unknown or has a value that can't be used; the message names it."""


class Settings(BaseSettings):
    """Settings from ``FOOTNOTE_*`` variables, then ``footnote.toml`` in the working folder.

    Unknown keys are refused, so that a misspelt setting never passes in silence.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, toml_file="footnote.toml", extra="forbid", frozen=True
    )

    home: Path = Field(default=Path("var"), description="Folder of everything that the service writes.")
    models: Path | None = Field(default=None, description="Folder of model files; <home>/models if not set.")
    database_url: str | None = Field(
        default=None, description="SQLAlchemy address of the database; SQLite in <home> if not set."
    )
    host: str = Field(default="127.0.0.1", description="Address that the server listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that the server listens on.")
    encoder: str = Field(
        default="all-minilm-l6-v2",
        description="Catalogue name, hf:owner/name, path:folder, or run:ID of a model that was tuned here.",
    )
    reranker: str | None = Field(
        default=None, description="run:ID or path:folder of a reranker; without one, hits stay as found."
    )
    rerank_budget: int = Field(
        default=300, ge=1, description="Milliseconds that a reranker may take for a question."
    )
    generator: str = Field(
        default="qwen2.5-coder-0.5b-instruct", description="Catalogue name, hf:owner/name or path:folder."
    )
    generator_address: str | None = Field(
        default=None,
        description="OpenAI-compatible server, up to /v1, that runs the model named by FOOTNOTE_GENERATOR.",
    )
    generator_key: SecretStr | None = Field(default=None, description="Its API key, if it wants one.")
    offline: bool = Field(default=False, description="Never ask a model hub or a package index.")
    max_upload_bytes: int = Field(default=50_000_000, gt=0, description="Largest file that is taken in.")
    max_text_characters: int = Field(default=10_000_000, gt=0, description="Longest text of one document.")
    passage_tokens: int = Field(default=220, ge=32, description="Aimed size of a passage, in encoder tokens.")
    evidence_passages: int = Field(
        default=4, ge=1, le=20, description="Most passages shown to the generator."
    )
    evidence_tokens: int = Field(default=900, ge=100, description="Most tokens of evidence in the prompt.")
    answer_tokens: int = Field(default=200, ge=16, le=4096, description="Most tokens of one answer.")
    waiting_answers: int = Field(default=16, ge=1, le=32, description="Most questions answered or waiting.")
    requests_per_minute: int = Field(
        default=12_000, ge=1, description="Most requests of a key, or of an address without one."
    )
    answers_per_minute: int = Field(default=3_000, ge=1, description="Of these, most that ask for an answer.")
    waiting_requests: int = Field(default=200, ge=1, description="Most requests under way at once.")
    approve_authored: float = Field(
        default=0.0, ge=0, description="Least quality of pairs from documents to approve unseen; >1 never."
    )
    approve_community: float = Field(
        default=0.5, ge=0, description="The same for pairs from question threads."
    )
    approve_transcript: float = Field(default=0.6, ge=0, description="The same for pairs from transcripts.")
    approve_generated: float = Field(default=0.6, ge=0, description="The same for generated pairs.")
    remove_names: bool = Field(
        default=False, description="Also take names of persons out of pairs; needs the extra pii."
    )
    curated_similarity: float = Field(
        default=0.92, gt=0, description="Least cosine of a question and a curated pair's; >1 never."
    )
    minimum_strength: float = Field(
        default=0.52,
        ge=0,
        le=1,
        description="Least strength of evidence to answer from: the mean of its best cosine to the question "
        "and the best share of the question's words that a passage has. Less refuses less.",
    )
    record_searches: bool = Field(
        default=True, description="Remember searches over HTTP, so that clicks can be learnt from."
    )
    kept_searches_days: int = Field(
        default=90, ge=1, le=36_500, description="Days after which searches without interactions are removed."
    )
    kept_releases: int = Field(
        default=5, ge=0, description="Releases kept beside the live one and the one that it replaced."
    )
    keep_answering_releases: bool = Field(
        default=True, description="Keep every release that an answer on record was made with."
    )
    kept_indexes: int = Field(default=2, ge=1, description="Index versions kept beside the live one.")
    serve_jobs: bool = Field(
        default=True, description="Whether the server runs jobs too; false where footnote worker does."
    )
    worker_silence_seconds: int = Field(
        default=20,
        ge=2,
        description="Seconds without a sign of a process after which another takes its jobs over.",
    )
    index_schedule: str | None = Field(
        default=None, description="Cron expression of index building; only after changes if not set."
    )
    index_schedule_zone: str = Field(default="UTC", description="Time zone of FOOTNOTE_INDEX_SCHEDULE.")
    sync_timeout: float = Field(
        default=120, gt=0, description="Most seconds for one page of a source, or one command of git."
    )
    s3_endpoint: str | None = Field(
        default=None, pattern=r"^https?://[^/]+/?$", description="Address of the store of buckets; Amazon's."
    )
    s3_region: str | None = Field(default=None, description="Its region, if it wants one.")
    s3_key: SecretStr | None = Field(default=None, description="Access key for it; anonymous if not set.")
    s3_secret: SecretStr | None = Field(default=None, description="The secret of that key.")
    traces_address: str | None = Field(
        default=None,
        description="Where spans go by OTLP over HTTP, such as http://collector:4318/v1/traces; "
        "needs the extra traces.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then ``footnote.toml``."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def models_folder(self) -> Path:
        """Folder of model files."""
        return self.models or self.home / "models"

    @property
    def database(self) -> str:
        """SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{(self.home / 'footnote.db').resolve()}"

    @property
    def jobs_database(self) -> str:
        """SQLAlchemy address of the database that keeps the state of jobs.

        On SQLite a file of its own, so that the bookkeeping of jobs never waits for a writer of data.
        """
        return self.database_url or f"sqlite:///{(self.home / 'jobs.db').resolve()}"

    @property
    def shares_jobs(self) -> bool:
        """Whether any number of processes may run jobs; on SQLite one process has them to itself."""
        return not self.database.startswith("sqlite")

    @property
    def blobs_folder(self) -> Path:
        """Folder of uploaded bytes, named by their sha256."""
        return self.home / "blobs"

    @property
    def sources_folder(self) -> Path:
        """Folder of copies of repositories and listings of syncs under way, by the id of their source."""
        return self.home / "sources"

    @property
    def indexes_folder(self) -> Path:
        """Folder of index versions."""
        return self.home / "indexes"


def calm_idle_threads() -> None:
    """Let torch's idle threads sleep; call before torch is imported, which is when it reads this.

    By default they spin for work. Beside other work on two cores, encoding one question took 410 ms with
    spinning threads and 45 ms with sleeping ones.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def load_settings(**overrides: object) -> Settings:
    """Settings of this process.

    Raises:
        SettingsInvalid: Names the key, what is wrong with it, and the known keys for an unknown one.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(key for key in os.environ if key.startswith(PREFIX) and key not in known)
    if unknown:
        raise SettingsInvalid(f"unknown setting {unknown[0]}; known are {', '.join(sorted(known))}")
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsInvalid(f"setting {name!r}: {first['msg']} (got {first['input']!r})") from error

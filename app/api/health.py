"""Is it alive, is it ready."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.dependencies import UsesServices
from app.api.problems import described

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: str = "ok"


class Readiness(BaseModel):
    """Models and an index are loaded; questions are answered."""

    status: str = "ready"
    release: str | None
    index_version: str
    encoder: str
    generator: str


@router.get("/healthz")
async def healthz() -> Health:
    """The process is alive, whatever else is missing."""
    return Health()


@router.get("/readyz", responses=described(503))
def readyz(services: UsesServices) -> Readiness:
    """Questions are answered: the database is there, and models and index of the live release are loaded."""
    bundle = services.check_ready()
    names = bundle.lineup.settings
    return Readiness(
        release=bundle.lineup.release,
        index_version=bundle.live.id,
        encoder=names.encoder,
        generator=names.generator,
    )

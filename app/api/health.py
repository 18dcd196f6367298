"""Is it alive, is it ready."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.dependencies import UsesServices
from app.wiring import NotReady

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: str = "ok"


class Readiness(BaseModel):
    """Models and an index are loaded; questions are answered."""

    status: str = "ready"
    index_version: str
    encoder: str
    generator: str


@router.get("/healthz")
def healthz() -> Health:
    """The process is alive, whatever else is missing."""
    return Health()


@router.get("/readyz", responses={503: {"description": "Models or an index are missing."}})
def readyz(services: UsesServices) -> Readiness:
    """Questions are answered: models and an index are live."""
    live = services.live_index()
    if not services.is_warm:
        raise NotReady("the models are being loaded; if this lasts, run: footnote doctor")
    return Readiness(
        index_version=live.id, encoder=services.settings.encoder, generator=services.settings.generator
    )

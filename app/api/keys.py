"""``/v1/api-keys``: who may use this service, and what they may do and see."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.dependencies import UsesServices
from app.api.fields import NotBlank
from app.api.problems import described
from app.db.api_keys import Role, create_key, list_keys, revoke_key

router = APIRouter(prefix="/v1/api-keys", tags=["api-keys"])

Name = Annotated[NotBlank, Field(max_length=200)]


class KeyRequest(BaseModel):
    """A key that is wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"name": "help desk", "role": "ask", "products": ["Press Pro"]}},
    )
    name: Name = Field(description="Whose or what it is for.")
    role: Role = Field(description="Each role may do all that those before it may.")
    products: list[Name] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="The only products that the key may see; all if not given. Not for administrators.",
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="When it stops to work; never if not given."
    )


class KeyResponse(BaseModel):
    """A key; ``prefix`` is the middle part of its token. ``last_used_at`` is true to the minute."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    name: str
    prefix: str
    role: Role
    products: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKeyResponse(KeyResponse):
    """A new key. ``key`` is what its holder sends; it is shown this once and stored nowhere."""

    key: str


class KeyList(BaseModel):
    """Every key, the newest first."""

    keys: list[KeyResponse]


@router.post("", status_code=201, responses=described(422))
def create(request: KeyRequest, services: UsesServices) -> NewKeyResponse:
    """Make a key. From the first one on, every request needs one."""
    with services.database.writing() as session:
        issued = create_key(
            session,
            name=request.name,
            role=request.role,
            products=request.products,
            expires_at=request.expires_at,
            now=datetime.now(UTC),
        )
    return NewKeyResponse(**KeyResponse.model_validate(issued.view).model_dump(), key=issued.token)


@router.get("")
def list_all(services: UsesServices) -> KeyList:
    """Every key, revoked and expired ones among them."""
    with services.database.reading() as session:
        return KeyList(keys=[KeyResponse.model_validate(view) for view in list_keys(session)])


@router.delete("/{key_id}", status_code=204, responses=described(404, 422))
def revoke(key_id: str, services: UsesServices) -> None:
    """Let nobody in with a key from now on."""
    with services.database.writing() as session:
        revoke_key(session, key_id, now=datetime.now(UTC))

"""Text that comes in over HTTP, made safe to store."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ingest.document import clean_text

MAX_QUESTION = 2000
MAX_NUMBER = 2**31 - 1  # of a database's integers


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL does not take, and halves of surrogate pairs, which nothing takes."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


def _not_blank(text: str) -> str:
    if not clean_text(text):
        raise ValueError("it is empty; write something")
    return text


Storable = Annotated[str, AfterValidator(storable)]
NotBlank = Annotated[Storable, AfterValidator(_not_blank)]
Question = Annotated[NotBlank, Field(max_length=MAX_QUESTION)]


class DetectedProductResponse(BaseModel):
    """A product that the question is about, as far as the service can tell."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": {"name": "Press Pro", "probability": 0.93, "named": True}},
    )
    name: str
    probability: float = Field(
        ge=0, le=1, description="How sure that is, as far as the questions that the index learnt from tell."
    )
    named: bool = Field(description="Whether the question names it, by name or alias.")

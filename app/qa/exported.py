"""The lines of an export as they are read back: checked, whoever wrote them."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from app.db.pair_drafts import PairStatus
from ingest.document import clean_text, visible_text
from ingest.pairs.drafts import Origin

_MAX_NUMBER = 2**31 - 1  # of a database's integers
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _not_blank(text: str) -> str:
    if not clean_text(text):
        raise ValueError("it is empty")
    return text


_Words = Annotated[str, AfterValidator(_not_blank)]
_Number = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))
]
_Address = Annotated[_Words, Field(max_length=2000)]
_Id = Annotated[str, Field(min_length=1, max_length=40)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Line(BaseModel):
    """Part of a line; what a later version may have added is passed over."""

    model_config = ConfigDict(extra="ignore")


class ExportedDocument(_Line):
    """A document that was made from pairs: ``records`` are its bytes."""

    uri: _Address
    name: _Words
    records: str
    product: _Name | None = None


class ExportedEvidence(_Line):
    """What a pair rests on: ``quote`` stood at these characters of the document."""

    uri: str
    start: _Number
    end: _Number
    seconds: tuple[_Seconds, _Seconds] | None
    quote: str


class ExportedEvent(_Line):
    """Something that happened to a pair."""

    at: _Moment
    by: _Name
    action: Annotated[str, Field(max_length=20)]
    before: dict[str, Any]


class ExportedPair(_Line):
    """A pair with everything that is known of it."""

    id: _Id
    question: _Words
    answer: _Words
    origin: Origin
    method: _Id
    status: PairStatus
    reason: str | None
    scores: dict[str, _Share]
    quality: _Share | None
    weight: Annotated[float, Field(gt=0, le=1)]
    product: _Name | None
    split: Literal["train", "dev", "test"]
    split_seed: _Number
    duplicate_of: _Id | None
    conflicts_with: list[_Id]
    created_at: _Moment
    changed_at: _Moment
    approved_at: _Moment | None
    reviewed_at: _Moment | None
    reviewed_by: _Name | None
    evidence: list[ExportedEvidence]
    events: list[ExportedEvent]


class ExportedRow(_Line):
    """A line behind the header: one of the two."""

    document: ExportedDocument | None = None
    pair: ExportedPair | None = None


def read_row(line: bytes) -> ExportedRow:
    """A line behind the header.

    Raises:
        ValueError: If it is not UTF-8, not JSON, or not what an export holds.
        RecursionError: If its lists are nested too deep.
    """
    row = ExportedRow.model_validate(_cleaned(json.loads(line.decode("utf-8"))))
    if row.document is None and row.pair is None:
        raise ValueError("it holds no document and no pair")
    return row


def _cleaned(value: Any) -> Any:
    """A JSON value with texts that a database takes; those that it takes anyway stay as they are."""
    if isinstance(value, str):
        return visible_text(value) if _UNSTORABLE.search(value) else value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds a number that is not finite")
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(one) for key, one in value.items()}
    return value


def describe(error: Exception) -> str:
    """What is wrong with a line, from what `read_row` raised or what was made of it."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"
    if isinstance(error, UnicodeDecodeError):
        return "it holds bytes that are not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error}"
    return str(error)

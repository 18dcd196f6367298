"""What every source of pairs gives: a question, an answer, and the exact text that the answer rests on."""

from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """Who a pair comes from."""

    AUTHORED = "authored"
    COMMUNITY = "community"
    TRANSCRIPT = "transcript"
    GENERATED = "generated"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSpan:
    """A stretch of a document that an answer rests on.

    Attributes:
        start: First character, an offset into the document's text.
        end: One past the last character.
        seconds: Start and end on the recording's clock, for transcripts; None otherwise.
    """

    start: int
    end: int
    seconds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDraft:
    """A pair as it was found or made, not filtered yet.

    Attributes:
        question: The question.
        answer: Its answer, in words that the evidence carries.
        origin: Who it comes from.
        method: How it was found or made, for instance ``heading``.
        evidence: What the answer rests on; at least one span of one document.
        weight: Its worth as a training example, in (0, 1].
    """

    question: str
    answer: str
    origin: Origin
    method: str
    evidence: tuple[EvidenceSpan, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.evidence or not 0 < self.weight <= 1:
            raise ValueError(f"need evidence and a weight in (0, 1], got {self}")

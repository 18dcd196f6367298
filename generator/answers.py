"""What an answer is: checked sentences, their citations, and how sure it is."""

from dataclasses import dataclass, field
from enum import StrEnum

from generator.strength import StrengthConfig
from generator.support import SupportConfig, Verdict


class AnswerStatus(StrEnum):
    """Whether a question was answered."""

    ANSWERED = "answered"
    ABSTAINED = "abstained"


class AnswerOrigin(StrEnum):
    """Where an answer's sentences come from."""

    CURATED = "curated"
    WRITTEN = "written"
    QUOTED = "quoted"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Citation:
    """A footnote: the exact words of one passage that carry a sentence.

    Attributes:
        number: Its number in the answer's text, from 1 by first appearance.
        passage_id: The passage.
        start: Offset of the quote in the passage's text.
        end: Offset after the quote.
        quote: Exactly that slice.
    """

    number: int
    passage_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of an answer; its citation markers stand right behind `end`.

    Attributes:
        start: Offset in the answer's text.
        end: Offset after the sentence, before the space and its markers.
        citations: Numbers of its citations, at least one.
        verdict: Whether its citations carry it; others are shown only where a person stands for them.
        support: Share of its content that the quotes mention, in [0, 1].
    """

    start: int
    end: int
    citations: tuple[int, ...]
    verdict: Verdict
    support: float


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """The next checked sentence of an answer in the making.

    Attributes:
        text: What it adds to the text: white space, the sentence, its markers.
        sentence: The sentence with offsets into the whole text.
        citations: Citations that appear for the first time.
    """

    text: str
    sentence: AnswerSentence
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class DroppedSentence:
    """A sentence that was written and not shown: unsupported, or about one that was dropped.

    Attributes:
        text: The sentence.
        support: How far the best evidence carried it, in [0, 1].
        missing: What no evidence mentions; `"not"` when the evidence says the opposite.
    """

    text: str
    support: float
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer or an honest refusal.

    Attributes:
        status: Answered if and only if there is a sentence.
        text: The parts' texts joined, or what a refusal tells the reader.
        sentences: What was shown, in order.
        citations: By number.
        confidence: Mean support of the sentences times the evidence's strength (the mean of best
            cosine and best lexical coverage of the question), in [0, 1]; 0 for a refusal.
        origin: Whether a person approved it, a model wrote it, or it is quoted word for word.
        dropped: What was written and not shown, for the audit record.
    """

    status: AnswerStatus
    text: str
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    confidence: float
    origin: AnswerOrigin
    dropped: tuple[DroppedSentence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerConfig:
    """How answers are written and checked.

    Attributes:
        prompt_tokens: Budget of the evidence in the prompt; every 100 tokens cost about a second
            on two CPU cores without bfloat16.
        max_new_tokens: How much the model may write.
        max_sentences: How many sentences are shown at most.
        max_citations: How many citations a sentence has at most.
        repeated_share: Share of common words from which a sentence repeats an earlier one.
        quote_coverage: Share of the question's content that a sentence must have to be quoted as
            an answer when the model wrote nothing that holds.
        refused_quote_coverage: The same when the model found no answer.
        support: When a sentence counts as supported.
        strength: When evidence is too weak to write from.
    """

    prompt_tokens: int = 900
    max_new_tokens: int = 200
    max_sentences: int = 8
    max_citations: int = 3
    repeated_share: float = 0.8
    quote_coverage: float = 0.6
    refused_quote_coverage: float = 0.75
    support: SupportConfig = field(default_factory=SupportConfig)
    strength: StrengthConfig = field(default_factory=StrengthConfig)

    def __post_init__(self) -> None:
        counts = (self.prompt_tokens, self.max_new_tokens, self.max_sentences, self.max_citations)
        if min(counts) < 1:
            raise ValueError(f"counts must be at least 1, got {counts}")
        for share in (self.repeated_share, self.quote_coverage, self.refused_quote_coverage):
            if not 0 < share <= 1:
                raise ValueError(f"shares must be in (0, 1], got {share}")

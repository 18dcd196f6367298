"""Whether evidence carries a sentence: a check of words, numbers, names and code, without a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from generator.passages import Passage, Vocabulary, merge
from generator.polarity import Denials, carries
from generator.sentences import SpanKind
from generator.words import Term, TermKind, read_code_terms, read_terms

# A quote is at most this many sentences in a row; a further sentence must carry this share of the
# statement to be quoted, too.
_QUOTED_UNITS = 3
_UNIT_COST = 0.1

# A word of the question that the evidence never mentions weighs more than another missing word: it
# is what ties the sentence to the question ("the amendment banned ...", from evidence on opponents).
_QUESTION_WORD_WEIGHT = 1.5

# Title and headings say what a passage is about; this share must stand in the quoted text itself.
_MINIMUM_QUOTED_SHARE = 0.3

# How much less a sentence may mention than the one that it replaces because that says the opposite.
_NEARLY_AS_MUCH = 0.15

DENIED = "not"


class Verdict(StrEnum):
    """Whether a sentence is supported by what it cites."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class SupportConfig:
    """When a sentence counts as supported.

    Attributes:
        minimum_score: Share of the sentence's content that the quotes must mention, in [0, 1].
            Measured on CLAP NQ: at 0.65, 94 % of gold answers' sentences pass against their passage,
            none against another, 2 % against their own passage without the sentences they are from.
    """

    minimum_score: float = 0.65

    def __post_init__(self) -> None:
        if not 0 < self.minimum_score <= 1:
            raise ValueError(f"need 0 < minimum_score <= 1, got {self.minimum_score}")


@dataclass(frozen=True, slots=True)
class Quote:
    """The sentences of one passage that carry a statement best.

    Attributes:
        passage: Index of the passage in the list that was checked.
        start: Offset of the first character in the passage's text.
        end: Offset after the last character.
        score: Share of the statement's content that stands in the quote, in [0, 1].
    """

    passage: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Support:
    """How well passages carry a sentence.

    Attributes:
        supported: Whether every number, name and identifier is there, enough of the words are, and
            the quotes do not say the opposite.
        score: Share of the sentence's content that the quotes mention together, in [0, 1].
        missing: What the passages do not mention, as written in the sentence; `"not"` when they
            say the opposite.
        quotes: The best quote of each passage that has one, in the passages' order.
    """

    supported: bool
    score: float
    missing: tuple[str, ...]
    quotes: tuple[Quote, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict for people and for the interface."""
        return Verdict.SUPPORTED if self.supported else Verdict.UNSUPPORTED


@dataclass(frozen=True, slots=True)
class _Statement:
    """A sentence ready to be looked for: its distinct terms with weights, and what it denies."""

    terms: tuple[Term, ...]
    weights: tuple[float, ...]
    denials: Denials | None

    def share(self, found: frozenset[int]) -> float:
        """The share of the statement's weight that some of its terms carry."""
        return sum(self.weights[index] for index in found) / sum(self.weights)


@dataclass(frozen=True, slots=True)
class _Window:
    """A run of sentences of a passage, and the statement's terms that it mentions."""

    start: int
    end: int
    found: frozenset[int]
    value: float


def check_support(
    sentence: str,
    passages: Sequence[Passage],
    *,
    kind: SpanKind = SpanKind.PROSE,
    question: Vocabulary | None = None,
    config: SupportConfig,
) -> Support:
    """Check one sentence against the passages that it cites, taken together.

    Args:
        sentence: The sentence without citation markers.
        passages: What it cites; none means unsupported.
        kind: Prose and items are compared by words; of code, every name and number must be there.
        question: What the question mentions; such words weigh more where no passage has them.
        config: Thresholds.

    Returns:
        The verdict with the quotes that carry it. Deterministic; no model is asked.
    """
    if not passages:
        return Support(supported=False, score=0.0, missing=(), quotes=())
    whole = merge([passage.whole for passage in passages])
    statement = _read(sentence, kind, whole, question)
    if not statement.terms:
        return Support(supported=False, score=0.0, missing=(), quotes=())
    windows = [_best_window(statement, passage) for passage in passages]
    found = frozenset[int]().union(*(window.found for window in windows if window))
    score = statement.share(found)
    missing = _missing(statement, whole)
    facts_missing = any(term.kind is not TermKind.WORD and not whole.has(term) for term in statement.terms)
    supported = not facts_missing and score >= config.minimum_score
    denied = not supported and not facts_missing and _would_pass(statement, passages, config)
    return Support(
        supported=supported,
        score=score,
        missing=(*missing, DENIED) if denied else missing,
        quotes=tuple(
            Quote(index, window.start, window.end, statement.share(window.found))
            for index, window in enumerate(windows)
            if window
        ),
    )


def _read(sentence: str, kind: SpanKind, whole: Vocabulary, question: Vocabulary | None) -> _Statement:
    read = read_code_terms if kind is SpanKind.CODE else read_terms
    terms = tuple({(term.kind, term.key): term for term in read(sentence)}.values())
    weights = tuple(_weight(term, whole, question) for term in terms)
    return _Statement(terms, weights, None if kind is SpanKind.CODE else Denials(sentence))


def _weight(term: Term, whole: Vocabulary, question: Vocabulary | None) -> float:
    echoed = (
        question is not None and term.kind is TermKind.WORD and question.has(term) and not whole.has(term)
    )
    return _QUESTION_WORD_WEIGHT if echoed else 1.0


def _missing(statement: _Statement, whole: Vocabulary) -> tuple[str, ...]:
    return tuple(term.text for term in statement.terms if not whole.has(term))


def _best_window(statement: _Statement, passage: Passage) -> _Window | None:
    """The run of sentences that mentions most, the earliest of equals.

    One that says the opposite is passed over for another that mentions nearly as much; a passage
    whose nearest sentences say the opposite has none.
    """
    candidates = sorted(
        _windows(statement, passage), key=lambda window: (-window.value, window.start, window.end)
    )
    for window in candidates:
        if window.value < candidates[0].value - _NEARLY_AS_MUCH:
            return None
        if not _contradicts(statement, passage, window):
            return window
    return None


def _windows(statement: _Statement, passage: Passage) -> Iterator[_Window]:
    """Every run of up to three sentences that mentions enough of the statement to be quoted."""
    own = [_found(statement, unit.vocabulary) for unit in passage.units]
    place = _found(statement, passage.place)
    for first in range(len(own)):
        mentioned: frozenset[int] = frozenset()
        for last in range(first, min(first + _QUOTED_UNITS, len(own))):
            mentioned |= own[last]
            if not own[first] or statement.share(mentioned) < _MINIMUM_QUOTED_SHARE:
                continue
            found = mentioned | place
            value = statement.share(found) - _UNIT_COST * (last - first)
            start, end = passage.units[first].span.start, passage.units[last].span.end
            yield _Window(start, end, found, value)


def _found(statement: _Statement, vocabulary: Vocabulary) -> frozenset[int]:
    return frozenset(index for index, term in enumerate(statement.terms) if vocabulary.has(term))


def _contradicts(statement: _Statement, passage: Passage, window: _Window) -> bool:
    if statement.denials is None:
        return False
    return not carries(passage.denials(window.start, window.end), statement.denials)


def _would_pass(statement: _Statement, passages: Sequence[Passage], config: SupportConfig) -> bool:
    """Whether only a contradiction stands between the statement and its support."""
    return any(
        statement.share(window.found) >= config.minimum_score
        for passage in passages
        for window in _windows(statement, passage)
    )

"""From what readers clicked on to how well passages answer questions."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from finetune.examples import Example
from finetune.overlap import normal_question

Thumb = Literal["up", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPassage:
    """A passage as one reader was shown it.

    Attributes:
        passage_id: The passage.
        position: Its place in the list, from 1.
        clicked: Whether the reader opened it.
        thumb: What the reader said of it, or None.
    """

    passage_id: str
    position: int
    clicked: bool
    thumb: Thumb | None = None

    @property
    def vote(self) -> int:
        """-1 for a thumb down, else 1 for a click, a thumb up or both, else 0: one reader, one vote."""
        if self.thumb == "down":
            return -1
        return int(self.clicked or self.thumb == "up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What one reader was shown for a question.

    Attributes:
        question: As it was asked.
        passages: Each passage once.
    """

    question: str
    passages: tuple[ShownPassage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickConfig:
    """How votes become a relevance; see `relevance`.

    Attributes:
        position_exponent: A reader looks at place ``r`` with probability ``r ** -position_exponent``;
            0 takes it that every place is looked at.
        doubt: Looks without a vote that every passage begins with, so that few votes prove little.
        enough: Votes from which more of them add nothing.
        least_showings: A passage that was shown less often for a question gets no relevance.
        least_relevance: What is below is no example.
    """

    position_exponent: float = 1.0
    # Chosen with benchmarks/clicks.py: with these, a single vote is never an example.
    doubt: float = 2.0
    enough: float = 10.0
    least_showings: int = 2
    least_relevance: float = 0.15

    def __post_init__(self) -> None:
        if self.position_exponent < 0 or self.doubt < 0 or self.enough <= 0:
            raise ValueError(f"need position_exponent and doubt >= 0 and enough > 0, got {self}")
        if self.least_showings < 1 or not 0 <= self.least_relevance <= 1:
            raise ValueError(f"need least_showings >= 1 and least_relevance from 0 to 1, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickRelevance:
    """How well a passage answers a question, as far as readers showed it.

    Attributes:
        question: The wording that was asked most often.
        passage_id: The passage.
        relevance: In (0, 1].
        showings: How often the passage was shown for the question.
        votes: Clicks and thumbs up, less thumbs down; above 0.
    """

    question: str
    passage_id: str
    relevance: float
    showings: int
    votes: int


@dataclass(slots=True)
class _Tally:
    """What is known of one passage for one question; ``looks`` are expected ones."""

    showings: int = 0
    looks: float = 0.0
    votes: int = 0


@dataclass(slots=True)
class _Asked:
    """One question in all its spellings, and the passages that were shown for it."""

    spellings: Counter[str] = field(default_factory=Counter)
    passages: dict[str, _Tally] = field(default_factory=dict)


def look_probability(position: int, exponent: float) -> float:
    """How likely a reader looks at a place of a list, in (0, 1].

    Args:
        position: The place, from 1.
        exponent: How fast attention falls; 0 for not at all.

    Raises:
        ValueError: If the position is below 1.

    Source: Joachims, Swaminathan & Schnabel, Unbiased Learning-to-Rank with Biased Feedback, WSDM 2017.
    """
    if position < 1:
        raise ValueError(f"a position counts from 1, got {position}")
    return float(position**-exponent)


def relevance(votes: float, looks: float, config: ClickConfig) -> float:
    """How relevant some votes make a passage: ``min(1, v / (e + doubt)) * min(1, ln(1+v) / ln(1+enough))``.

    The first factor is the share of looks that ended in a vote ("clicks over expected clicks"): a click at a
    low place counts more than one at the top, since few readers came to look there, and a passage that many
    looked at and few opened falls. The second grows with the logarithm of the votes: the tenth adds less
    than the second. Weighing each click by its inverse probability instead lets single chance clicks at
    low places outweigh everything: docs/learning.md has both, measured.

    Args:
        votes: ``v``, net; below 0 counts as 0.
        looks: ``e``, the sum of the probabilities that the passage was looked at.
        config: ``doubt`` and ``enough``.

    Returns:
        In [0, 1]; never falls with more votes at the same looks, never rises with more looks.

    Source: Zhang & Jones, Comparing Click Logs and Editorial Labels for Training Query Rewriting, WWW 2007
    workshop on query log analysis, for clicks over expected clicks; the rest is ours.
    """
    counted = max(0.0, votes)
    if not counted:
        return 0.0
    expected = looks + config.doubt
    share = 1.0 if counted >= expected else counted / expected
    return share * min(1.0, math.log1p(counted) / math.log1p(config.enough))


def estimate_relevance(showings: Iterable[Showing], config: ClickConfig) -> list[ClickRelevance]:
    """What readers' votes say of passages, question by question.

    Questions that differ in case and white space only are one question.

    Args:
        showings: What readers were shown, and what they did.
        config: The formula's numbers.

    Returns:
        Questions in the order in which they were first asked; of each, the passages at or above
        ``least_relevance``, the most relevant first, ties by id.
    """
    questions: dict[str, _Asked] = {}
    for showing in showings:
        asked = questions.setdefault(normal_question(showing.question), _Asked())
        asked.spellings[showing.question] += 1
        for passage in showing.passages:
            tally = asked.passages.setdefault(passage.passage_id, _Tally())
            tally.showings += 1
            tally.votes += passage.vote
            # who gave a thumb has looked
            tally.looks += (
                look_probability(passage.position, config.position_exponent) if passage.thumb is None else 1.0
            )
    return [found for asked in questions.values() for found in _relevant(asked, config)]


def _relevant(asked: _Asked, config: ClickConfig) -> list[ClickRelevance]:
    question = asked.spellings.most_common(1)[0][0]
    found = [
        ClickRelevance(
            question=question,
            passage_id=passage_id,
            relevance=relevance(tally.votes, tally.looks, config),
            showings=tally.showings,
            votes=tally.votes,
        )
        for passage_id, tally in asked.passages.items()
        if tally.showings >= config.least_showings and tally.votes > 0
    ]
    kept = [one for one in found if one.relevance >= config.least_relevance]
    return sorted(kept, key=lambda one: (-one.relevance, one.passage_id))


def click_examples(
    relevances: Iterable[ClickRelevance], rows: Mapping[str, int]
) -> tuple[list[Example], int]:
    """Training examples, one for each question and passage.

    Args:
        relevances: Of `estimate_relevance`.
        rows: From the id of a passage to its row in the corpus.

    Returns:
        The examples, and how many passages were skipped because the corpus does not hold them.
    """
    known = list(relevances)
    examples = [
        Example(
            id=f"click:{one.passage_id}",
            question=one.question,
            rows=(rows[one.passage_id],),
            relevance=one.relevance,
            source="click",
        )
        for one in known
        if one.passage_id in rows
    ]
    return examples, len(known) - len(examples)

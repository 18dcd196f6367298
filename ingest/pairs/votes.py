"""Threads with votes: which answer becomes the pair, and what the pair is worth."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.errors import IngestError
from ingest.pairs.drafts import Origin
from ingest.pairs.markup_text import readable_answer, readable_question, readable_text
from ingest.pairs.records import PairRecord
from ingest.pairs.rows import RowProblem

LEAST_WEIGHT = 0.05
_BASE = 0.25
_ACCEPTANCE = 0.35
_VOTES = 0.3
_FULL_VOTES = 50
_VIEWS = 0.1
_FULL_VIEWS = 10_000
_PER_VOTE_AGAINST = 0.05
_MOST_VOTES_AGAINST = 100
_OUTVOTES_BY_FACTOR = 2
_OUTVOTES_BY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a thread: its id in the file, its text or HTML, and votes for less votes against."""

    id: str
    body: str
    votes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A question and its answers.

    Attributes:
        id: Its id in the file.
        title: The question.
        body: What the asker wrote below the title, text or HTML.
        views: How often it was read.
        accepted: Id of the answer that the asker accepted, or None.
        answers: In the file's order.
        uri: Its address, or None.
        product: The product that it is about, or None.
        line: The line of the file where it starts, counted from 1.
    """

    id: str
    title: str
    body: str = ""
    views: int = 0
    accepted: str | None = None
    answers: Sequence[Answer]
    uri: str | None = None
    product: str | None = None
    line: int


def thread_weight(*, votes: int, accepted: bool, views: int) -> float:
    """What a pair from a thread is worth as a training example, in [0.05, 1].

    ``0.25 + 0.35 if accepted + 0.3 * log(1 + votes) / log(51) + 0.1 * log(1 + views) / log(10001)``,
    at most 1: an accepted answer with 50 votes and 10,000 views reaches it. Each vote below zero
    takes 0.05 off. It never falls when votes or views rise, or when the answer is accepted.

    Args:
        votes: The answer's votes for less those against.
        accepted: Whether the asker accepted it.
        views: How often the question was read; below zero counts as zero.
    """
    for_it, against = max(votes, 0), min(max(-votes, 0), _MOST_VOTES_AGAINST)
    weight = _BASE + _ACCEPTANCE * accepted - _PER_VOTE_AGAINST * against
    weight += _VOTES * math.log(1 + for_it) / math.log(1 + _FULL_VOTES)
    weight += _VIEWS * math.log(1 + max(views, 0)) / math.log(1 + _FULL_VIEWS)
    return min(1.0, max(LEAST_WEIGHT, weight))


def ranked_answers(answers: Sequence[Answer], *, accepted: str | None) -> list[Answer]:
    """Answers, the best first: the accepted one, then by votes; among equals as in the file.

    An answer that has at least twice the votes of the accepted one, and at least 5 more, goes before it.
    """
    by_votes = sorted(answers, key=lambda answer: -answer.votes)
    chosen = next((answer for answer in by_votes if answer.id == accepted), None)
    if chosen is None or _is_outvoted(chosen, by_votes[0]):
        return by_votes
    return [chosen, *(answer for answer in by_votes if answer is not chosen)]


def read_thread(thread: Thread) -> Iterator[PairRecord | RowProblem]:
    """The pair of a thread's title and its best usable answer, and what is wrong with the thread."""
    if not thread.answers:
        yield _problem(thread, "it has no answer")
        return
    if thread.accepted is not None and all(answer.id != thread.accepted for answer in thread.answers):
        yield _problem(
            thread,
            f"its accepted answer {thread.accepted} is not in the file; the best remaining one is taken",
        )
    try:
        question, context = readable_question(thread.title), readable_text(thread.body)
    except IngestError as error:
        yield _problem(thread, f"its question can't be used: {error}")
        return
    yield _best_pair(thread, question=question, context=context)


def _best_pair(thread: Thread, *, question: str, context: str) -> PairRecord | RowProblem:
    reasons: list[str] = []
    for answer in ranked_answers(thread.answers, accepted=thread.accepted):
        try:
            text = readable_answer(answer.body)
        except IngestError as error:
            reasons.append(str(error))
            continue
        is_accepted = answer.id == thread.accepted
        return PairRecord(
            question=question,
            answer=text,
            origin=Origin.COMMUNITY,
            method="thread",
            weight=thread_weight(votes=answer.votes, accepted=is_accepted, views=thread.views),
            uri=thread.uri,
            product=thread.product,
            context=context,
            attribution=_attribution(answer.votes, is_accepted=is_accepted),
            line=thread.line,
        )
    return _problem(thread, f"none of its answers can be used: {reasons[0]}")


def _is_outvoted(accepted: Answer, best: Answer) -> bool:
    return best.votes >= max(accepted.votes * _OUTVOTES_BY_FACTOR, accepted.votes + _OUTVOTES_BY)


def _attribution(votes: int, *, is_accepted: bool) -> str:
    counted = f"{votes:,} {'vote' if abs(votes) == 1 else 'votes'}"
    return f"Accepted answer, {counted}" if is_accepted else f"Answer with {counted}"


def _problem(thread: Thread, what: str) -> RowProblem:
    return RowProblem(line=thread.line, reason=f"thread {thread.id}: {what}")

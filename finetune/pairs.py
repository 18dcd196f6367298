"""QA pairs as training examples and as questions of an evaluation, from an export of the database."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from finetune.suites import GoldPassage, Question

Split = Literal["train", "dev", "test"]


class PairsInvalid(Exception):
    """A line of an export is not what it should be; the message names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Words of a document that an answer rests on."""

    uri: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPair:
    """An approved pair of one split.

    Attributes:
        id: The pair.
        question: Its question.
        answer: Its answer.
        origin: Who it comes from.
        product: The product that it is about, or None.
        weight: Its worth as an example, in (0, 1].
        split: ``train``, ``dev`` or ``test``.
        evidence: What the answer rests on; at least one piece.
    """

    id: str
    question: str
    answer: str
    origin: str
    product: str | None
    weight: float
    split: Split
    evidence: tuple[Evidence, ...]


def read_pairs(lines: Iterable[str], split: Split) -> list[ApprovedPair]:
    """The approved pairs of one split, from the lines of ``footnote qa export``.

    Splits are decided once, by document, and two pairs that ask the same share one: what is asked for in
    ``test`` is never given out for ``train``.

    Raises:
        PairsInvalid: If a line is not one of an export.
    """
    pairs = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            pair = row.get("pair")
            if pair is not None and pair["status"] == "approved" and pair["split"] == split:
                pairs.append(_as_pair(pair))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PairsInvalid(f"line {number} is not one of an export: {error!r}") from error
    return [pair for pair in pairs if pair.evidence]


def _as_pair(row: dict[str, Any]) -> ApprovedPair:
    return ApprovedPair(
        id=row["id"],
        question=row["question"],
        answer=row["answer"],
        origin=row["origin"],
        product=row["product"],
        weight=float(row["weight"]),
        split=row["split"],
        evidence=tuple(Evidence(uri=one["uri"], quote=one["quote"]) for one in row["evidence"]),
    )


def as_questions(pairs: Iterable[ApprovedPair]) -> list[Question]:
    """Pairs as questions of an evaluation: gold is what their answers rest on."""
    return [
        Question(
            id=pair.id,
            question=pair.question,
            gold_documents=tuple(dict.fromkeys(one.uri for one in pair.evidence)),
            gold_passages=tuple(
                GoldPassage(uri=one.uri, quote=one.quote) for one in pair.evidence if one.quote.strip()
            ),
            answers=(pair.answer,),
            product=pair.product,
            origin=pair.origin,
        )
        for pair in pairs
    ]

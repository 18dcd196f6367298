"""Questions that an approved pair answers already, in a person's words."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.pair_drafts import PairStatus
from app.db.pairs import EvidenceView, PairView, get_pairs
from app.db.passages import PassageView, get_passages
from app.db.session import Database
from app.searching import Found, FoundPassage
from ingest.pairs.drafts import Origin
from ingest.pairs.duplicates import same_question
from retriever.matches import QuestionMatch

AUTHORED = (Origin.ADMIN, Origin.AUTHORED)  # whose words are given out as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """A pair that answers a question.

    Attributes:
        pair: The pair.
        cosine: Of the two questions, in [-1, 1].
        evidence: What its answer rests on, each piece whole, as if it had been found.
    """

    pair: PairView
    cosine: float
    evidence: tuple[FoundPassage, ...]


def find_curated(database: Database, question: str, found: Found, *, minimum_cosine: float) -> Curated | None:
    """The approved pair of an author or administrator that asks the same as a question.

    The questions must be near, and must agree in numbers, names, negations and opposites: to a small encoder
    "How do I enable X?" and "How do I disable X?" are nearly one.

    Args:
        database: The database.
        question: As asked.
        found: What the search found, the nearest pairs among it.
        minimum_cosine: Least cosine of the two questions.
    """
    near = [match for match in found.questions if match.cosine >= minimum_cosine]
    if not near:
        return None
    with database.reading() as session:
        pairs = {pair.id: pair for pair in get_pairs(session, [match.pair_id for match in near])}
        for match in near:
            pair = pairs.get(match.pair_id)
            if pair is not None and _answers(pair, question):
                places = list(get_passages(session, match.passage_ids).values())
                if all(_inside(piece, places) for piece in pair.evidence):
                    return _curated(pair, match, places)
    return None


def _answers(pair: PairView, question: str) -> bool:
    is_curated = pair.status == PairStatus.APPROVED and pair.origin in AUTHORED and bool(pair.evidence)
    return is_curated and same_question(question, pair.question)


def _curated(pair: PairView, match: QuestionMatch, passages: Sequence[PassageView]) -> Curated:
    evidence = tuple(
        _as_found(rank, pair.id, piece, passages, match.cosine)
        for rank, piece in enumerate(pair.evidence, start=1)
    )
    return Curated(pair=pair, cosine=match.cosine, evidence=evidence)


def _inside(piece: EvidenceView, passages: Sequence[PassageView]) -> list[PassageView]:
    """The passages that a piece of evidence touches: none if it may not be shown, as of another product."""
    return [
        one
        for one in passages
        if one.document_id == piece.document_id and one.start < piece.end and piece.start < one.end
    ]


def _as_found(
    rank: int, pair_id: str, piece: EvidenceView, passages: Sequence[PassageView], cosine: float
) -> FoundPassage:
    first = min(_inside(piece, passages), key=lambda one: one.start)
    return FoundPassage(
        rank=rank,
        score=cosine,
        cosine=cosine,
        via=("qa",),
        passage_id=f"{pair_id}/{rank}",
        document_id=piece.document_id,
        document_version=piece.version,
        uri=piece.uri,
        title=piece.title,
        heading_path=first.heading_path,
        page=first.page,
        seconds=piece.seconds,
        start=piece.start,
        end=piece.end,
        text=piece.quote,
    )

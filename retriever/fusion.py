"""Several rankings become one, by rank: scores of different scales never meet."""

from collections.abc import Sequence
from dataclasses import dataclass

from retriever.errors import RepeatedItem

RANK_DAMPING = 60
"""The constant of the paper below: how slowly a place loses worth. Ranks count from 1."""


@dataclass(frozen=True, slots=True)
class FusedItem:
    """One item of a fused ranking.

    Attributes:
        item: The id.
        score: Sum of weight / (k + rank) over the rankings that name the item; larger is better.
        sources: Which rankings name it, by their position in the call.
    """

    item: str
    score: float
    sources: tuple[int, ...]


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[str]], *, k: int = RANK_DAMPING, weights: Sequence[float] | None = None
) -> list[FusedItem]:
    """Merge rankings by summed reciprocal rank.

    Args:
        rankings: One list of ids per retriever, best first, no repeats within a list.
        k: Damping constant, at least 0; larger makes the first places count less.
        weights: Non-negative worth of each ranking; all 1 where None. A ranking of weight 0 is
            ignored, and what only it names is left out.

    Returns:
        Items by falling score in (0, sum(weights) / (k + 1)]; equal scores are ordered by id.

    Raises:
        RepeatedItem: If a ranking names an item twice.
        ValueError: If there is not one non-negative weight per ranking, or k is negative.

    Source: Cormack, Clarke & Buettcher, SIGIR 2009.
    """
    worths = [1.0] * len(rankings) if weights is None else list(weights)
    if k < 0 or len(worths) != len(rankings) or any(worth < 0 for worth in worths):
        raise ValueError(f"need k >= 0 and one weight >= 0 per ranking, got {k=}, {worths}")
    scores: dict[str, float] = {}
    sources: dict[str, list[int]] = {}
    for source, (ranking, worth) in enumerate(zip(rankings, worths, strict=True)):
        for rank, item in enumerate(ranking if worth else (), start=1):
            if source in sources.setdefault(item, []):
                raise RepeatedItem(item)
            scores[item] = scores.get(item, 0.0) + worth / (k + rank)
            sources[item].append(source)
    fused = [FusedItem(item, score, tuple(sources[item])) for item, score in scores.items()]
    return sorted(fused, key=lambda found: (-found.score, found.item))

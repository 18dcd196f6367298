"""Which of several pairs with the same question stays, and which ones contradict each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.pairs.drafts import Origin
from ingest.pairs.duplicates import Related, Relation

TRUST = (Origin.ADMIN, Origin.AUTHORED, Origin.COMMUNITY, Origin.TRANSCRIPT, Origin.GENERATED)


@dataclass(slots=True)
class Merge:
    """What becomes of one new pair beside the others; places are those of the lists compared.

    Attributes:
        original: The pair that it is the same as and that stays, or None.
        conflicts: Pairs that answer its question otherwise.
        superseded: Pairs that are the same and of less trust: this one takes their place.
        split_from: The pair whose split it shares, so that no question is both trained on and tested.
    """

    original: int | None = None
    conflicts: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    split_from: int | None = None


def merge_related(
    related: Sequence[Related], origins: Sequence[str], products: Sequence[str | None]
) -> dict[int, Merge]:
    """Decide about pairs in the order of their places: the earlier one stays unless it is of less trust.

    Pairs of different products stay apart, since the same question has another answer in each; they share
    nothing but the split.

    Args:
        related: Pairs of places, the earlier first; see `ingest.pairs.duplicates.find_related`.
        origins: Who the pair at each place comes from.
        products: What the pair at each place is about.

    Returns:
        For each place that is the later one of a relation.
    """
    merges: dict[int, Merge] = {}
    for found in sorted(related, key=lambda each: (each.second, each.first)):
        earlier = merges.get(found.first)
        first = found.first if earlier is None or earlier.original is None else earlier.original
        merge = merges.setdefault(found.second, Merge())
        if merge.original is not None or first == found.second:
            continue
        if products[first] != products[found.second]:
            pass
        elif found.relation is Relation.CONFLICT:
            merge.conflicts.append(first)
        elif trust_of(origins[first]) > trust_of(origins[found.second]):
            merge.superseded.append(first)
        else:
            merge.original = first
        merge.split_from = first if merge.split_from is None else merge.split_from
    return merges


def trust_of(origin: str) -> int:
    """The place of an origin among those that are trusted, from 0 for the most."""
    return TRUST.index(Origin(origin))

"""Which of several equal pairs stays: hand-worked cases."""

from app.qa.merging import Merge, merge_related
from ingest.pairs.duplicates import Related, Relation


def same(first: int, second: int) -> Related:
    return Related(first=first, second=second, cosine=0.97, relation=Relation.SAME)


def conflict(first: int, second: int) -> Related:
    return Related(first=first, second=second, cosine=0.97, relation=Relation.CONFLICT)


def test_the_earlier_of_two_equal_pairs_stays() -> None:
    assert merge_related([same(0, 1)], ["authored", "authored"], [None] * 2) == {
        1: Merge(original=0, split_from=0)
    }


def test_a_pair_of_more_trust_takes_the_place_of_an_earlier_one() -> None:
    merges = merge_related([same(0, 1)], ["generated", "authored"], [None] * 2)
    assert merges == {1: Merge(superseded=[0], split_from=0)}


def test_duplicates_of_duplicates_point_to_the_original() -> None:
    merges = merge_related([same(0, 1), same(1, 2)], ["authored"] * 3, [None] * 3)
    assert merges[2] == Merge(original=0, split_from=0)


def test_a_conflict_keeps_both_and_shares_the_split() -> None:
    merges = merge_related([conflict(0, 1), same(0, 2)], ["authored"] * 3, [None] * 3)
    assert merges[1] == Merge(conflicts=[0], split_from=0)
    assert merges[2] == Merge(original=0, split_from=0)


def test_pairs_of_different_products_share_the_split_alone() -> None:
    merges = merge_related([same(0, 1), conflict(0, 2)], ["authored"] * 3, ["alpha", "beta", "beta"])
    assert merges == {1: Merge(split_from=0), 2: Merge(split_from=0)}

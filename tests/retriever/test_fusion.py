import pytest
from hypothesis import given
from hypothesis import strategies as st

from retriever.errors import RepeatedItem
from retriever.fusion import reciprocal_rank_fusion

RANKING = st.lists(st.sampled_from("abcdefghij"), unique=True)
RANKINGS = st.lists(RANKING, max_size=4)


def test_a_hand_worked_example() -> None:
    fused = reciprocal_rank_fusion([["a", "b", "c"], ["c", "d"]], k=60)
    assert [(item.item, item.sources) for item in fused] == [
        ("c", (0, 1)),
        ("a", (0,)),
        ("b", (0,)),
        ("d", (1,)),
    ]
    assert [item.score for item in fused] == pytest.approx([1 / 63 + 1 / 61, 1 / 61, 1 / 62, 1 / 62])


def test_weights_multiply_a_ranking() -> None:
    fused = reciprocal_rank_fusion([["a"], ["b"]], k=9, weights=[1, 3])
    assert [(item.item, item.score) for item in fused] == [("b", 0.3), ("a", 0.1)]


def test_a_ranking_of_weight_zero_is_as_if_it_were_not_there() -> None:
    fused = reciprocal_rank_fusion([["a", "b"], ["b", "c"]], weights=[1, 0])
    assert [(item.item, item.sources) for item in fused] == [("a", (0,)), ("b", (0,))]


@given(RANKINGS, st.integers(0, 100))
def test_every_item_comes_once_best_first_within_the_bounds(rankings: list[list[str]], k: int) -> None:
    fused = reciprocal_rank_fusion(rankings, k=k)
    assert {item.item for item in fused} == {item for ranking in rankings for item in ranking}
    assert len({item.item for item in fused}) == len(fused)
    assert fused == sorted(fused, key=lambda item: (-item.score, item.item))
    assert all(0 < item.score <= len(rankings) / (k + 1) + 1e-12 for item in fused)


@given(RANKING)
def test_one_ranking_keeps_its_order(ranking: list[str]) -> None:
    assert [item.item for item in reciprocal_rank_fusion([ranking])] == ranking
    assert [item.item for item in reciprocal_rank_fusion([ranking, ranking, []])] == ranking


@given(RANKING, RANKING)
def test_the_order_of_two_rankings_does_not_matter(one: list[str], other: list[str]) -> None:
    scores = [
        {item.item: item.score for item in reciprocal_rank_fusion(r)} for r in ([one, other], [other, one])
    ]
    assert scores[0] == scores[1]


@given(RANKING.filter(bool), RANKING)
def test_moving_up_in_one_ranking_never_lowers_the_score(one: list[str], other: list[str]) -> None:
    last = one[-1]
    before = {item.item: item.score for item in reciprocal_rank_fusion([one, other])}
    after = {item.item: item.score for item in reciprocal_rank_fusion([[last, *one[:-1]], other])}
    assert after[last] >= before[last]


def test_a_repeated_item_is_refused() -> None:
    with pytest.raises(RepeatedItem, match="'a' stands twice"):
        reciprocal_rank_fusion([["b"], ["a", "b", "a"]])


@pytest.mark.parametrize(("k", "weights"), [(-1, None), (60, [1.0]), (60, [1.0, -1.0])])
def test_wrong_settings_are_refused(k: int, weights: list[float] | None) -> None:
    with pytest.raises(ValueError, match="need k >= 0"):
        reciprocal_rank_fusion([["a"], ["b"]], k=k, weights=weights)

"""Grouping by meaning, beside hand-worked vectors and properties."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.qa.gaps import group_by_meaning


def unit(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_texts_join_the_nearest_leader_that_is_near_enough() -> None:
    vectors = unit(0, 90, 20, 65, 45)
    assert group_by_meaning(vectors, minimum_cosine=float(np.cos(np.radians(30)))) == [[0, 2], [1, 3], [4]]


@given(st.lists(st.floats(0, 360), min_size=1, max_size=20))
def test_every_text_is_in_one_group_and_near_its_leader(degrees: list[float]) -> None:
    vectors = unit(*degrees)
    groups = group_by_meaning(vectors, minimum_cosine=0.8)
    assert sorted(place for group in groups for place in group) == list(range(len(degrees)))
    for leader, *others in groups:
        assert all(vectors[leader] @ vectors[other] >= 0.8 for other in others)
    leaders = [group[0] for group in groups]
    for place, leader in enumerate(leaders):
        assert all(vectors[leader] @ vectors[other] < 0.8 for other in leaders[:place])

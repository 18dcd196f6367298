"""Splits are decided once, by document; no question is both trained on and tested."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.pair_drafts import SPLIT_SEED, split_of


@given(st.text(max_size=60))
def test_a_document_has_one_split(uri: str) -> None:
    assert split_of(uri) == split_of(uri, seed=SPLIT_SEED)
    assert split_of(uri) in {"train", "dev", "test"}


def test_the_shares_are_those_that_are_documented() -> None:
    counts = Counter(split_of(f"https://docs.example/{number}") for number in range(20_000))
    assert counts["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert counts["dev"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert counts["test"] / 20_000 == pytest.approx(0.1, abs=0.01)


def test_another_seed_splits_otherwise() -> None:
    uris = [f"https://docs.example/{number}" for number in range(100)]
    assert [split_of(uri) for uri in uris] != [split_of(uri, seed=1) for uri in uris]

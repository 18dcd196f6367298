import pytest
from hypothesis import given
from hypothesis import strategies as st

from retriever.mentions import find_mentions, fold_name

NAMES = {
    "press": ["Press"],
    "pro": ["Press Pro", "PP3"],
    "ray": ["ray-core", "C++ API"],
    "straße": ["Straße"],
}


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("How do I clean the press?", {"press"}),
        ("PRESS: how?", {"press"}),
        ("How do I clean the Press Pro?", {"pro"}),  # the longer name takes the words of the shorter
        ("Is the Press Pro quieter than the Press?", {"pro", "press"}),
        ("press-pro or press_pro or press   pro", {"pro"}),
        ("what is a pp3", {"pro"}),
        ("compress it, pressing on; impress", set()),
        ("PP34 and xPP3", set()),
        ("Ray Core actors", {"ray"}),
        ("the c++ api, please", {"ray"}),
        ("die STRASSE", {"straße"}),
        ("\uff30\uff30\uff13 in full width", {"pro"}),
        ("", set()),
        ("nothing of the kind", set()),
    ],
)
def test_mentions_by_hand(question: str, named: set[str]) -> None:
    assert find_mentions(question, NAMES) == named


def test_what_a_longer_name_takes_no_other_can() -> None:
    names = {"a": ["photo shop"], "b": ["shop window pro"]}
    assert find_mentions("photo shop window pro", names) == {"b"}


def test_a_name_without_letters_is_never_named() -> None:
    assert find_mentions("a - b", {"x": ["-"], "y": [" "]}) == set()


@given(st.permutations(list(NAMES)), st.sampled_from(["Press Pro and Press", "pp3 press", "ray core"]))
def test_the_order_of_products_does_not_matter(order: list[str], question: str) -> None:
    assert find_mentions(question, {one: NAMES[one] for one in order}) == find_mentions(question, NAMES)


def test_names_that_a_question_can_not_tell_apart_are_folded_alike() -> None:
    assert fold_name("Ray-Core") == fold_name(" ray  core ") == fold_name("RAY_CORE") == "ray core"
    assert fold_name("RayCore") != fold_name("Ray Core")

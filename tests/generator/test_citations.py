import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.citations import cited_sentences, stream_cited_sentences, strip_markers


def read(text: str, count: int = 5) -> list[tuple[str, tuple[int, ...]]]:
    return [(sentence.text, sentence.numbers) for sentence in cited_sentences(text, evidence_count=count)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It works [1].", [("It works.", (1,))]),
        ("It works. [1] It is fast. [2]", [("It works.", (1,)), ("It is fast.", (2,))]),
        ("It works.[1] It is fast.", [("It works.", (1,)), ("It is fast.", ())]),
        ("It works [1][2], or [3].", [("It works, or.", (1, 2, 3))]),
        ("It works [1, 3].", [("It works.", (1, 3))]),
        ("It works [2-4].", [("It works.", (2, 3, 4))]),
        ("It works【2】.", [("It works.", (2,))]),
        ("It works [Passage 2] and [Source: 3].", [("It works.", (2, 3))]),
        ("It works [^2].", [("It works.", (2,))]),
        ("It works [1](https://example.org/x).", [("It works.", (1,))]),
        ("It works [9] [0].", [("It works.", ())]),
        ("It works [3-9].", [("It works.", (3, 4, 5))]),
        ("[2] It works. It is fast.", [("It works.", (2,)), ("It is fast.", ())]),
        ("Use `rows[1]` and items[2] here [3].", [("Use `rows[1]` and items[2] here.", (3,))]),
        ("The year [2024] stays.", [("The year [2024] stays.", ())]),
        ("- One [1]\n- Two [2]", [("- One", (1,)), ("- Two", (2,))]),
        ("Do:\n```\nx = [1]\n```\n[2]\nDone.", [("Do:", ()), ("```\nx = [1]\n```", (2,)), ("Done.", ())]),
    ],
)
def test_markers_belong_to_the_sentence_before_them(
    text: str, sentences: list[tuple[str, tuple[int, ...]]]
) -> None:
    assert read(text) == sentences


def test_a_huge_range_costs_nothing() -> None:
    assert read("It works [1-999].", count=2) == [("It works.", (1, 2))]


def test_a_stream_gives_a_sentence_before_the_text_ends() -> None:
    given_pieces = []

    def pieces() -> list[str]:
        return ["It works", " well. [", "1] And it is", " very fast", " too. [2]"]

    def counted() -> object:
        for piece in pieces():
            given_pieces.append(piece)
            yield piece

    first = next(stream_cited_sentences(counted(), evidence_count=2))  # type: ignore[arg-type]
    assert (first.text, first.numbers) == ("It works well.", (1,))
    assert len(given_pieces) < len(pieces())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_the_size_of_the_pieces_does_not_matter(size: int) -> None:
    text = (
        "Use e.g. Redis 3.5 [1]. It is `a[0]` fast. [2] Steps:\n\n1. Install it [1]\n2. Run it.\n\n"
        "```sh\nrun [1]\n```\n[2]\n\nThen it is done [1, 2]. Enjoy the results of it."
    )
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(stream_cited_sentences(pieces, evidence_count=2)) == cited_sentences(text, evidence_count=2)


@given(st.text(alphabet="ab .[]12,-\n`x", max_size=80), st.integers(0, 3))
def test_no_marker_names_what_was_not_given(text: str, count: int) -> None:
    for sentence in cited_sentences(text, evidence_count=count):
        assert all(1 <= number <= count for number in sentence.numbers)
        assert len(set(sentence.numbers)) == len(sentence.numbers)


def test_markers_are_stripped_but_code_is_kept() -> None:
    assert strip_markers("See [1] and `x[1]` [2, 3].") == "See and `x[1]`."

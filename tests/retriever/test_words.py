import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retriever.words import (
    LENGTH_NORMALISATION,
    STOP_WORDS,
    TERM_SATURATION,
    WordIndex,
    open_words,
    words,
    write_words,
)

TEXTS = [
    "Use select_related to follow foreign keys in one query.",
    "prefetch_related does a separate lookup for each relationship, and joins in Python.",
    "The QuerySet API: filter(), exclude() and select_related().",
    "Run manage.py migrate --no-input in a container.",
    "",
    "Query the query: queries of a QuerySet are lazy queries.",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select_related", ["select_related", "select", "related"]),
        ("django.db.models.Model", ["django.db.models.model", "django", "db", "model"]),
        ("Model.save_base()", ["model.save_base", "model", "save_base", "save", "base"]),
        ("DataLoader", ["dataloader", "data", "loader"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("GPUs and APIs, gpus or apis", ["gpu", "api", "gpu", "api"]),
        ("--no-input", ["no-input", "no", "input"]),
        ("__init__", ["__init__", "init"]),
        ("C++ or C#", ["c++", "c", "c#", "c"]),
        ("section #3", ["section", "3"]),
        ("Python 3.11.", ["python", "3.11", "3", "11"]),
        ("What is the user's query?", ["user", "query"]),
        ("queries, classes and buses", ["query", "classe", "buse"]),
        ("class status", ["class", "statu"]),
        ("ﬁle names", ["file", "name"]),
        ("Größe", ["größe"]),
        ("how does this", []),
        ("... --- ___ ++", ["___"]),
        ("", []),
    ],
)
def test_a_text_is_found_by_these_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(), st.text())
def test_words_of_two_texts_are_the_words_of_both(one: str, other: str) -> None:
    assert words(f"{one}\n{other}") == words(one) + words(other)


@given(st.text(max_size=40))
def test_no_word_is_empty_or_a_stop_word(text: str) -> None:
    assert all(word and word not in STOP_WORDS for word in words(text))


@given(st.from_regex(r"[a-z]{2,9}(_[a-z]{2,9}){1,3}", fullmatch=True))
def test_an_identifier_is_found_whole_and_in_parts(identifier: str) -> None:
    found = set(words(identifier))
    assert identifier in found
    assert set(words(identifier.replace("_", " "))) <= found


def brute_force(texts: list[str], question: str) -> list[float]:
    """Lucene's BM25, Kamphuis et al., ECIR 2020, table 1, without the constant factor k1 + 1."""
    rows = [words(text) for text in texts]
    average = sum(map(len, rows)) / len(rows)
    scores = []
    for row in rows:
        score = 0.0
        for word in set(words(question)):
            holding = sum(word in other for other in rows)
            weight = math.log(1 + (len(rows) - holding + 0.5) / (holding + 0.5))
            length = 1 - LENGTH_NORMALISATION + LENGTH_NORMALISATION * len(row) / average
            score += weight * row.count(word) / (row.count(word) + TERM_SATURATION * length)
        scores.append(score)
    return scores


@pytest.fixture
def index(tmp_path: Path) -> WordIndex:
    write_words(tmp_path / "words", TEXTS)
    return open_words(tmp_path / "words")


@pytest.mark.parametrize("question", ["queries", "select related", "How do I query a QuerySet?", "no input"])
def test_scores_agree_with_the_formula(index: WordIndex, question: str) -> None:
    expected = brute_force(TEXTS, question)
    ranking = index.search(question, k=10)
    found = [row for row in sorted(range(len(TEXTS)), key=lambda row: (-expected[row], row)) if expected[row]]
    assert ranking.rows.tolist() == found
    np.testing.assert_allclose(ranking.scores, [expected[row] for row in found], rtol=1e-5)


@pytest.mark.parametrize("question", ["zebra", "how do I", "", "???"])
def test_a_question_without_known_words_finds_nothing(index: WordIndex, question: str) -> None:
    assert len(index.search(question, k=10)) == 0


def test_unknown_words_do_not_disturb_known_ones(index: WordIndex) -> None:
    assert index.search("zebra migrate", k=10).rows.tolist() == [3]


def test_held_back_rows_cost_no_place(index: WordIndex) -> None:
    everything = index.search("query", k=10).rows.tolist()
    allowed = np.ones(len(TEXTS), dtype=bool)
    allowed[everything[0]] = False
    assert index.search("query", k=2, allowed=allowed).rows.tolist() == everything[1:3]


def test_equal_scores_are_ordered_by_row_even_where_k_cuts_them(tmp_path: Path) -> None:
    write_words(tmp_path / "words", ["same words", "other", "same words", "same words", "same words"])
    assert open_words(tmp_path / "words").search("same", k=3).rows.tolist() == [0, 2, 3]


@pytest.mark.parametrize("texts", [[], [""], ["", "the of", "?"]])
def test_texts_without_any_word_make_a_valid_index(tmp_path: Path, texts: list[str]) -> None:
    write_words(tmp_path / "words", texts)
    index = open_words(tmp_path / "words")
    assert len(index) == len(texts)
    assert len(index.search("anything", k=5)) == 0
    assert all(index.holds(row, text) for row, text in enumerate(texts))


def test_a_row_holds_its_own_text_and_no_other(index: WordIndex) -> None:
    held = [[index.holds(row, text) for text in TEXTS if text] for row in range(len(TEXTS))]
    assert held == [[row == own for own in (0, 1, 2, 3, 5)] for row in range(len(TEXTS))]


def test_the_same_texts_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_words(tmp_path / name, TEXTS)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "other").iterdir())
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "other" / f).read_bytes() for f in files)

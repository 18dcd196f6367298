import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from app.model_folders import Model
from ingest.pairs.duplicates import (
    MINIMUM_COSINE,
    Related,
    Relation,
    compare_answers,
    find_related,
    same_question,
)
from retriever.sentence_transformer_encoder import load_encoder

ALIKE = [
    ("How do I enable caching?", "How can I enable the caching?"),
    ("How do I enable caching?", "How to enable caching"),
    ("How do I delete a user?", "What is the best way to remove a user?"),
    ("What is Celery?", "what is celery"),
    ("Why is this project called Django?", "Why is the project called Django?"),
    ("Which versions of Python does Django 5.2 support?", "What Python versions does Django 5.2 support?"),
    ("What does `select_related()` do?", "What does select_related do?"),
    ("In Django, how do I rename a field?", "How do I rename a field in Django?"),
    ("How do I install it on Windows?", "How can it be installed on Windows?"),
    ("What's the default port?", "What is the default port?"),
    ("Can I use two databases?", "Is it possible to use two databases?"),
    ("How do I stop the server?", "How do you stop the servers?"),
    ("How do I configure CSRF protection?", "how do i set up csrf protection?"),
    ("What does the 'lazy' parameter do?", "What does the `lazy` argument do?"),
    ("Does ActorPool's get_next block?", "Does get_next of ActorPool block?"),
]
DIFFERENT = [
    ("How do I enable caching?", "How do I disable caching?"),
    ("How do I add a column?", "How do I remove a column?"),
    ("How do I install Ray?", "How do I uninstall Ray?"),
    ("How do I start the server?", "How do I stop the server?"),
    ("How do I turn on logging?", "How do I turn off logging?"),
    ("What runs before the tests?", "What runs after the tests?"),
    ("How do I increase the limit?", "How do I decrease the limit?"),
    ("What is the minimum size?", "What is the maximum size?"),
    ("How do I upgrade to Django 5.1?", "How do I upgrade to Django 5.2?"),
    ("What is new in 4.2?", "What is new in 4.2.1?"),
    ("What happens on port 8000?", "What happens on port 8080?"),
    ("What can take up to 30 minutes?", "What can take up to 60 minutes?"),
    ("What does select_related do?", "What does prefetch_related do?"),
    ("What does ray.get do?", "What does ray.put do?"),
    ("What does --follow do?", "What does --force do?"),
    ("What does the `lazy` option do?", "What does the `eager` option do?"),
    ("What does ForeignKey do?", "What does OneToOneField do?"),
    ("Can I rename a field?", "How do I rename a field?"),
    ("Why do I rename a field?", "How do I rename a field?"),
    ("When should I use a signal?", "How should I use a signal?"),
    ("How long does a backup take?", "How does a backup work?"),
    ("How many workers are there?", "Where are the workers?"),
    ("How do queries work?", "How do I write queries?"),
    ("Why does it not start?", "Why does it start?"),
    ("Can I log in without a password?", "Can I log in with a password?"),
    ("Which settings can't be changed?", "Which settings can be changed?"),
    ("How do I deploy on Windows?", "How do I deploy on Linux?"),
    ("How do I deploy?", "How do I deploy on Windows?"),
    ("How do I connect to PostgreSQL?", "How do I connect to MySQL?"),
    ("how do i connect to postgresql?", "how do i connect to mysql?"),
    ("How do I add an index to a model field?", "How do I add an index to a form field?"),
    ("How do I convert JSON to CSV?", "How do I convert CSV to JSON?"),
    ("How do I decorate a method?", "How do I decorate a function?"),
    ("How do I delete a user?", "How do I delete all users?"),
    ("Should I restart the server?", "Can I restart the server?"),
    ("reset password", "How do I reset my password?"),
    ("", ""),
]


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_the_same_in_other_words(first: str, second: str) -> None:
    assert same_question(first, second)
    assert same_question(second, first)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_close_by_but_not_the_same(first: str, second: str) -> None:
    assert not same_question(first, second)
    assert not same_question(second, first)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("Set DEBUG to False.", "Set DEBUG to False.", 1.0),
        ("set debug, to false", "Set DEBUG to FALSE!", 1.0),
        ("Run the migrate command.", "Restart nginx.", 0.0),
        ("The default port is 8000.", "The default port is 9000.", 2 / 3),  # default, port of three each
        ("Restart the server.", "Restart the server, then clear the cache.", 2 / 3),  # 2 of 2 and of 4
        ("It is.", "It is.", 1.0),
        ("", "", 0.0),
        ("Yes", "", 0.0),
    ],
)
def test_agreement_of_answers_is_f1_of_their_words(first: str, second: str, wanted: float) -> None:
    assert compare_answers(first, second) == pytest.approx(wanted)
    assert compare_answers(second, first) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        ("Set DEBUG to False.", "Set DEBUG to False.", Relation.SAME),
        ("8000", "The port is 8000 by default.", Relation.SAME),
        ("Set DEBUG to False in the settings.", "In your settings, set DEBUG to False.", Relation.SAME),
        ("The default port is 8000.", "The default port is 9000.", Relation.CONFLICT),
        ("Passwords are stored in plain text.", "Passwords are not stored in plain text.", Relation.CONFLICT),
        ("30 seconds", "It is not 30 seconds.", Relation.CONFLICT),
        ("Run the migrate command.", "Restart nginx.", Relation.CONFLICT),
        ("Yes", "No", Relation.CONFLICT),
        ("", "No", Relation.CONFLICT),
    ],
)
def test_answers_agree_or_conflict(first: str, second: str, relation: Relation) -> None:
    vectors = np.array([[1, 0], [1, 0]], dtype=np.float32)
    questions = ["What is the default?"] * 2
    (pair,) = find_related(vectors, questions, [first, second], new=[1], minimum_cosine=0.9)
    assert pair == Related(first=0, second=1, cosine=1.0, relation=relation)


def clustered(count: int, seed: int) -> NDArray[np.float32]:
    """Unit rows around a few centres, so that many are near each other."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(count // 6, 16))
    rows = centres[generator.integers(len(centres), size=count)] + 0.15 * generator.normal(size=(count, 16))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("new", [range(300), range(200, 300), [7, 250, 3, 250], []])
def test_related_pairs_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, new: Sequence[int]) -> None:
    monkeypatch.setattr("ingest.pairs.duplicates._ROWS", 32)
    monkeypatch.setattr("ingest.pairs.duplicates._COLUMNS", 48)
    vectors = clustered(300, seed=1)
    questions = [f"How do I {('enable', 'disable')[row % 2]} caching?" for row in range(300)]
    answers = [f"Press key{row % 3}." for row in range(300)]
    wanted = {
        (first, second)
        for second in range(300)
        for first in range(second)
        if (first in new or second in new)
        and float(vectors[first] @ vectors[second]) >= 0.9
        and questions[first] == questions[second]
    }
    found = find_related(vectors, questions, answers, new=new, minimum_cosine=0.9)
    assert [(pair.first, pair.second) for pair in found] == sorted(wanted, key=lambda pair: pair[::-1])
    assert len(wanted) > 50 or len(new) < 5
    for pair in found:
        assert pair.cosine == pytest.approx(float(vectors[pair.first] @ vectors[pair.second]), abs=1e-5)
        assert (pair.relation is Relation.SAME) == (answers[pair.first] == answers[pair.second])


def test_only_the_nearest_fifty_of_a_crowd_are_examined() -> None:
    angles = np.linspace(0, 0.3, 200)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = find_related(vectors, ["Help?"] * 200, ["No."] * 200, new=[199], minimum_cosine=0.5)
    assert [pair.first for pair in found] == list(range(149, 199))


def test_memory_is_bounded_by_blocks() -> None:
    vectors = clustered(40_000, seed=2)
    questions = [f"What is number {row}?" for row in range(40_000)]
    tracemalloc.start()
    find_related(vectors, questions, questions, new=range(39_000, 40_000), minimum_cosine=0.999)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6  # all cosines at once are 160 MB


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="got 2, 1 and 2"):
        find_related(np.eye(2, dtype=np.float32), ["a"], ["a", "b"], new=[0], minimum_cosine=0.9)


def test_vectors_alone_would_take_many_for_the_same(encoder_model: Model) -> None:
    encoder = load_encoder(encoder_model.folder, weights_sha256=encoder_model.fingerprint)
    proposed = 0
    for pair in DIFFERENT[:-1]:
        vectors = encoder.encode_queries(pair)
        proposed += float(vectors[0] @ vectors[1]) >= MINIMUM_COSINE
        assert find_related(vectors, pair, ["Yes.", "Yes."], new=[0, 1]) == []
    assert proposed >= 5
    vectors = encoder.encode_queries(ALIKE[0])
    assert [found.relation for found in find_related(vectors, ALIKE[0], ["x", "x"], new=[1])] == [
        Relation.SAME
    ]

import pytest

from generator.polarity import Denials, contradict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SQLite supports joins.", "SQLite does not support joins."),
        ("You should store raw passwords.", "You should never store raw passwords."),
        ("It does not support joins.", "You will not need to install anything to support joins."),
        ("The task is thread safe.", "The task isn't thread safe."),
        ("The value cannot be changed.", "The value can be changed."),
    ],
)
def test_flipped_statements_contradict(one: str, other: str) -> None:
    assert contradict(Denials(one), Denials(other))
    assert contradict(Denials(other), Denials(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SQLite supports joins.", "SQLite supports all joins."),
        ("SQLite does not support joins.", "Joins are not supported by SQLite."),
        ("It can run without a server.", "No server is required to run it."),
        ("It is not only fast but also small.", "It is fast and small."),
        ("It redirects if the user is logged in.", "It redirects if the user is not logged in."),
        ("No, SQLite supports joins.", "SQLite supports joins."),
    ],
)
def test_equal_statements_do_not(one: str, other: str) -> None:
    assert not contradict(Denials(one), Denials(other))

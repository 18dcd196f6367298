import pytest

from generator.polarity import Denials, carries


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SQLite supports joins.", "SQLite does not support joins."),
        ("You should store raw passwords.", "You should never store raw passwords."),
        ("The task is thread safe.", "The task isn't thread safe."),
        ("The value cannot be changed.", "The value can be changed."),
    ],
)
def test_flipped_statements_do_not_carry_each_other(one: str, other: str) -> None:
    assert not carries(Denials(one), Denials(other))
    assert not carries(Denials(other), Denials(one))


def test_what_stands_under_a_negation_is_not_affirmed() -> None:
    evidence = Denials("Never deploy a site into production with `DEBUG` turned on.")
    assert not carries(evidence, Denials("Yes, it is safe to run with DEBUG turned on in production."))


def test_a_denial_of_something_else_carries_no_denial() -> None:
    evidence = Denials("You will not need to install anything to support SQLite.")
    assert not carries(evidence, Denials("It does not support SQLite."))


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
def test_equal_statements_carry_each_other(one: str, other: str) -> None:
    assert carries(Denials(one), Denials(other))
    assert carries(Denials(other), Denials(one))

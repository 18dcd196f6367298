import pytest

from generator.passages import read_vocabulary
from generator.words import TermKind, read_code_terms, read_terms, stem


def kinds(text: str) -> dict[str, str]:
    return {term.text: term.kind.value for term in read_terms(text)}


@pytest.mark.parametrize(
    "words",
    [
        ("migrate", "migrates", "migrated", "migration", "migrations"),
        ("configure", "configured", "configuration"),
        ("cache", "caches", "cached", "caching"),
        ("query", "queries"),
        ("class", "classes"),
        ("run", "runs", "running"),
        ("user", "users", "user's"),
    ],
)
def test_forms_of_a_word_have_one_stem(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize(("one", "other"), [("cat", "car"), ("server", "service"), ("internal", "interface")])
def test_different_words_have_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_terms_are_told_apart() -> None:
    assert kinds("Run `manage.py migrate` on Heroku with --noinput, 3 times.") == {
        "Run": "word",
        "manage.py": "identifier",
        "migrate": "identifier",
        "Heroku": "name",
        "--noinput": "identifier",
        "3": "number",
        "times": "word",
    }


def test_a_capital_at_the_start_is_no_name() -> None:
    assert kinds("Sessions expire.") == {"Sessions": "word", "expire": "word"}
    assert kinds("Run Redis first.") == {"Run": "word", "Redis": "name"}
    assert kinds("1. **Create Managers**: define them.") == {
        "Create": "word",
        "Managers": "word",
        "define": "word",
    }


@pytest.mark.parametrize(
    "token", ["null=True", "snake_case", "CamelCase", "URL", "a.b.c", "/etc/hosts", "--flag", "OAuth2"]
)
def test_code_is_an_identifier(token: str) -> None:
    assert [term.kind for term in read_terms(f"the {token} thing")] == [TermKind.IDENTIFIER]


def test_numbers_are_plain() -> None:
    assert [term.key for term in read_terms("with 1,000 rows, v5.2 and three")] == ["1000", "row", "5.2", "3"]


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("Use QuerySet.filter() here", "calls `filter`"),
        ("Use `filter`", "calls filter()"),
        ("the url", "many URLs"),
        ("takes three arguments", "has 3"),
        ("1,000 rows", "1000"),
        ("django.db.models.Model", "`models.Model`"),
        ("SchemaEditor.add_index(model)", "`SchemaEditor`"),
        ("the settings.py file", "settings.py"),
    ],
)
def test_a_text_has_a_term_however_it_is_written(text: str, statement: str) -> None:
    terms = [term for term in read_terms(statement) if term.kind is not TermKind.WORD]
    assert terms
    assert all(read_vocabulary(text).has(term) for term in terms)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("version 5.2", "version 5"),
        ("ForeignKey", "`ForeignObject`"),
        ("null=False or True", "null=True"),
        ("a/b.py", "`a/c.py`"),
    ],
)
def test_a_text_does_not_have_what_is_only_similar(text: str, statement: str) -> None:
    assert not all(read_vocabulary(text).has(term) for term in read_terms(statement))


def test_code_is_read_without_keywords_and_comments() -> None:
    code = "```python\n# a comment\nfor row in Model.objects.all():\n    print(row, 3)  # more\n```"
    assert [term.key for term in read_code_terms(code)] == ["row", "model", "object", "all", "row", "3"]

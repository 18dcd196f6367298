import pytest

from ingest.passages import contextual_text


@pytest.mark.parametrize(
    ("title", "path", "text", "expected"),
    [
        ("T", (), "x", "T\nx"),
        ("T", ("A", "B"), "x", "T > A > B\nx"),
        ("Using `git`", ("Using git", "B"), "x", "Using git > B\nx"),
        ("T", ("A", "B"), "B\n\nx", "T > A\nB\n\nx"),
        ("T", ("A", "B"), "A\n\nB\n\nx", "T\nA\n\nB\n\nx"),
        ("T", ("A", "B"), "Bx", "T > A > B\nBx"),
        ("T", ("T",), "T\n\nx", "T\n\nx"),
        ("t" * 150, ("A" * 20, "B"), "x", "A" * 20 + " > B\nx"),
        ("t" * 200, (), "x", "t" * 157 + "…\nx"),
    ],
)
def test_contextual_text(title: str, path: tuple[str, ...], text: str, expected: str) -> None:
    assert contextual_text(title, path, text) == expected

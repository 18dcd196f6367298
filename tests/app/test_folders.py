"""Walking folders: what is found, and which links are refused."""

from pathlib import Path

from app.folders import find_files


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_finds_files_sorted_and_passes_over_hidden_ones(tmp_path: Path) -> None:
    make(tmp_path, "b.md", "a/z.txt", "a/.hidden", ".git/config", "a/b/c.rst")
    found = list(find_files([tmp_path]))
    assert [file.relative for file in found] == ["a/b/c.rst", "a/z.txt", "b.md"]
    assert all(file.problem is None and not file.named for file in found)


def test_reports_links_that_leave_the_folder_or_lead_in_a_circle(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root, "in/a.md")
    make(tmp_path, "outside.md")
    (root / "out.md").symlink_to(tmp_path / "outside.md")
    (root / "in" / "loop").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    (root / "inside.md").symlink_to(root / "in" / "a.md")
    problems = {file.relative: file.problem for file in find_files([root])}
    assert problems["in/a.md"] is None
    assert "inside.md" not in problems  # found once, under its own name
    assert "out of the folder" in (problems["out.md"] or "")
    assert "circle" in (problems["in/loop"] or "")
    assert "circle" in (problems["self"] or "")


def test_reports_a_path_that_does_not_exist(tmp_path: Path) -> None:
    (missing,) = find_files([tmp_path / "missing"])
    assert missing.named
    assert "does not exist" in (missing.problem or "")


def test_a_file_that_is_named_itself_is_found(tmp_path: Path) -> None:
    make(tmp_path, "a.md")
    (found,) = find_files([tmp_path / "a.md"])
    assert (found.relative, found.named, found.problem) == ("a.md", True, None)

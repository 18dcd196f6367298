"""Finding the files below the paths that a command was given."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file to take in, or the reason why it is not taken.

    Attributes:
        path: Where it is.
        relative: Its path below the folder that was named, with forward slashes; its name for a file that
            was named itself.
        named: Whether it was named itself, rather than found in a folder.
        problem: Why it is not taken in, or None.
    """

    path: Path
    relative: str
    named: bool
    problem: str | None = None


def find_files(paths: Sequence[Path]) -> Iterator[FoundFile]:
    """Every file below these paths, sorted within each; hidden files and folders are passed over.

    Symbolic links are not followed: what one leads to inside the folder is found under its own name, and
    one that leaves the folder, leads nowhere or in a circle is reported.
    """
    for path in paths:
        if path.is_dir():
            root = path.resolve()
            yield from _walk(root, root, (root,))
        elif path.is_file():
            yield FoundFile(path=path.resolve(), relative=printable(Path(path.name)), named=True)
        else:
            problem = "it does not exist; check the path" if not path.exists() else "it is not a regular file"
            yield FoundFile(path=path, relative=printable(Path(path.name)), named=True, problem=problem)


def printable(path: Path) -> str:
    """A path as text with forward slashes; bytes of a name that are not UTF-8 become replacement signs."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def _walk(folder: Path, root: Path, above: tuple[Path, ...]) -> Iterator[FoundFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield _problem(folder, root, f"the folder can't be read: {error.strerror}")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if entry.is_symlink():
            yield from _follow(path, root, above)
        elif entry.is_dir():
            yield from _walk(path, root, (*above, path))
        elif entry.is_file():
            yield FoundFile(path=path, relative=printable(path.relative_to(root)), named=False)


def _follow(link: Path, root: Path, above: tuple[Path, ...]) -> Iterator[FoundFile]:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        yield _problem(link, root, "a symbolic link that leads nowhere or in a circle")
        return
    if not target.is_relative_to(root):
        yield _problem(link, root, "a symbolic link that leads out of the folder; name its target itself")
    elif target in above:
        yield _problem(link, root, "a symbolic link that leads in a circle")


def _problem(path: Path, root: Path, reason: str) -> FoundFile:
    return FoundFile(path=path, relative=printable(path.relative_to(root)), named=False, problem=reason)

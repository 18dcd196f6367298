"""What became of a file of pairs."""

from dataclasses import dataclass, field

from ingest.pairs.rows import RowProblem


@dataclass(slots=True, kw_only=True)
class Imported:
    """What became of a file.

    Attributes:
        rows: Rows that were taken in.
        located: Of these, how many answers stand in a document that is here.
        problems: Rows that were not, with their line and the reason.
        versions: Documents that were made, to be parsed.
        unchanged: Documents that were there already.
        removed: Documents made from an earlier state of the file that it no longer holds; they are deleted.
    """

    rows: int = 0
    located: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    versions: list[tuple[str, int]] = field(default_factory=list)
    unchanged: int = 0
    removed: int = 0

    def describe_problems(self, name: str) -> list[str]:
        """Each row that was not taken in, with file and line."""
        return [f"{name}, line {problem.line}: {problem.reason}" for problem in self.problems]

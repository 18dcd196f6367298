"""Files that ``footnote qa import`` takes in, and what is told of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.cli.output import out, print_table
from app.folders import printable
from app.qa.imported import Imported
from app.qa.importing import import_pairs
from app.uploads import UploadTooLarge
from app.wiring import Services
from ingest.errors import IngestError

SHOWN_PROBLEMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a file, and what of it was not taken in."""

    file: str
    imported: Imported
    problems: list[str]

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "file": self.file,
            "rows": self.imported.rows,
            "located": self.imported.located,
            "documents": len(self.imported.versions),
            "unchanged": self.imported.unchanged,
            "removed": self.imported.removed,
            "problems": self.problems,
        }


def import_file(services: Services, file: Path, product: str | None, address: str) -> Report:
    """Take in a file; one that can't be read at all is a problem of its report."""
    source = printable(file)
    try:
        imported = import_pairs(
            services.database,
            services.settings,
            file.read_bytes(),
            name=Path(source).name,
            source=source,
            product=product,
            address=address,
            now=datetime.now(UTC),
        )
    except (IngestError, UploadTooLarge, OSError) as error:
        return Report(file=source, imported=Imported(), problems=[f"{source}: {error}"])
    return Report(file=source, imported=imported, problems=imported.describe_problems(Path(source).name))


def add_failures(reports: Sequence[Report], failures: Sequence[dict[str, str]]) -> None:
    """Tell of documents that could not be parsed with the files that they were made from."""
    for failure in failures:
        for report in reports:
            if failure["document_id"] in {document_id for document_id, _ in report.imported.versions}:
                report.problems.append(failure["error"])


def print_imports(reports: Sequence[Report]) -> None:
    """The table of files, and what was not taken in."""
    columns = ("file", "rows", "located", "documents", "unchanged", "removed", "problems")
    shown = [report.as_json() | {"problems": len(report.problems)} for report in reports]
    print_table("Import", columns, [[row[column] for column in columns] for row in shown])
    problems = [problem for report in reports for problem in report.problems]
    for problem in problems[:SHOWN_PROBLEMS]:
        out.print(f"  {problem}", highlight=False, markup=False, soft_wrap=True)
    if len(problems) > SHOWN_PROBLEMS:
        out.print(f"  and {len(problems) - SHOWN_PROBLEMS} more; --json lists them all")

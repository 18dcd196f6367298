"""``footnote backup`` and ``footnote restore``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.backups import BackupSummary, restore_backup, write_backup
from app.cli.output import out, print_json
from app.settings import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Archive = Annotated[Path, typer.Argument(help="The backup, one tar file.")]


def backup(archive: Archive, json: AsJson = False) -> None:
    """Write database, uploaded bytes and tuned models into one file, while everything runs."""
    _print("Wrote", archive, write_backup(load_settings(), archive), json=json)


def restore(archive: Archive, json: AsJson = False) -> None:
    """Fill an empty home from a backup; then run: footnote reindex."""
    _print("Restored", archive, restore_backup(load_settings(), archive), json=json)
    if not json:
        out.print("Now run: footnote reindex", highlight=False)


def _print(done: str, archive: Path, summary: BackupSummary, *, json: bool) -> None:
    if json:
        print_json({"archive": archive, **asdict(summary)})
        return
    megabytes = summary.bytes / 1e6
    made = f"{summary.database}, made {summary.made_at} by Footnote {summary.version}"
    out.print(f"{done} {archive}: {summary.files} files, {megabytes:,.1f} MB ({made})", highlight=False)

"""What commands print: tables and progress for a person, JSON for a program."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from app.downloads import Progress as Report

out = Console()
err = Console(stderr=True)


def end_at_once(code: int) -> NoReturn:
    """End the process without waiting for its threads: jobs are durable, so being killed costs nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")
    sys.stdout.flush()  # a program that reads it may wait for it while the command goes on


def say(text: str) -> None:
    """A line on standard error of what is going to happen, for a person who waits."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on standard output; in a narrow terminal cells are folded, and none loses its end."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=column == "id", overflow="fold")  # an id is copied whole
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    out.print(table)


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Progress bars on standard error while the block runs, one per kind of work; none off a terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        tasks = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=max(total, done, 1))

        yield report

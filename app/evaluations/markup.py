"""Pieces that pages of evaluations are made of; text is escaped by whoever puts it into a cell."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from app.evaluations.plots import Bar
from app.evaluations.style import STYLE
from finetune.evaluation import Measure


def document(title: str, run_id: str, created_at: datetime, sections: Sequence[str]) -> str:
    """A whole page of one run.

    Args:
        title: Its heading.
        run_id: The run.
        created_at: When it was made.
        sections: As HTML.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p class=note>Evaluation {escape(run_id)}, made "
        f"{created_at:%Y-%m-%d %H:%M} UTC. Intervals are 95 % bootstrap intervals: of "
        f"what other questions of the same kind would give.</p>{''.join(sections)}</body></html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A section of parts that are HTML already."""
    return f"<section><h2>{escape(heading)}</h2>{''.join(parts)}</section>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], style: str = "") -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    opening = f"<table class={style}>" if style else "<table>"
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def bullets(lines: Sequence[str]) -> str:
    """A list of lines of text."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What colours mean: classes of the page's style, and the text beside each."""
    items = [
        f'<span><svg width="12" height="12"><rect class="{style}" width="12" height="12"/></svg> '
        f"{escape(text)}</span>"
        for style, text in entries
    ]
    return f"<p class=legend>{' '.join(items)}</p>"


def series_style(run: int, variant: int) -> str:
    """Classes of the page's style for a variant of a run, by their places."""
    return f"run{run % 4} variant{variant % 3}"


def as_bar(measure: Measure, style: str, note: str = "") -> Bar:
    """A measure as a bar of a plot."""
    return Bar(value=measure.mean, interval=measure.interval, style=style, note=note)

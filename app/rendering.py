"""An answer as text for a terminal: the sentences, and below them the footnotes."""

import textwrap
from collections.abc import Mapping
from typing import Any

WIDTH = 100
INDENT = "    "


def render_answer(answer: Mapping[str, Any], *, address: str | None = None) -> str:
    """An answer with its footnotes.

    Args:
        answer: As ``POST /v1/answers`` gives it.
        address: Where the server is; each footnote then gets the address that opens it.
    """
    lines = [answer["text"], ""]
    for citation in answer["citations"]:
        place = " > ".join(dict.fromkeys([citation["title"], *citation["heading_path"]]))
        page = f", page {citation['page']}" if citation["page"] is not None else ""
        lines.append(f"[{citation['n']}] {place}{page}")
        lines.append(f"{INDENT}{citation['uri']}, characters {citation['start']} to {citation['end']}")
        lines.extend(_quoted(citation["quote"]))
        if address is not None:
            lines.append(f"{INDENT}{address}{footnote_path(citation)}")
    lines.append(f"({answer['status']}, confidence {answer['confidence']:.2f}, {answer['id']})")
    return "\n".join(lines)


def _quoted(quote: str) -> list[str]:
    wrapped = textwrap.wrap(quote, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"{INDENT}| {line}" for line in wrapped]


def footnote_path(citation: Mapping[str, Any]) -> str:
    """Path and query of the page that shows a citation's characters marked in their document."""
    query = f"version={citation['document_version']}&start={citation['start']}&end={citation['end']}"
    return f"/documents/{citation['document_id']}?{query}#cited"

"""Jupyter notebooks: Markdown cells as Markdown, code cells as code, short text outputs.

The cells are read straight from the JSON: `nbformat` refuses notebooks over keys that have nothing to
do with their text, and answers malformed ones with errors of a dozen kinds.
"""

import json
from typing import Any

from ingest.document import ParsedDocument
from ingest.errors import DamagedFile
from ingest.formats.markdown import write_markdown
from ingest.formats.writer import BlockWriter
from ingest.media_types import MediaType

_LONGEST_OUTPUT = 2000  # characters; longer ones are logs and dumps


def parse_notebook(text: str, *, name: str) -> ParsedDocument:
    """Read a notebook of format 3 or later.

    Raises:
        DamagedFile: If the file is not JSON or has no list of cells.
        EmptyFile: If no cell holds any text.
    """
    writer = BlockWriter()
    for cell in _cells(text):
        source = _joined(cell.get("source") or cell.get("input"))
        kind = cell.get("cell_type")
        if kind == "code":
            writer.code(source)
            _write_outputs(writer, cell.get("outputs"))
        elif kind == "heading":  # format 3
            level = cell.get("level")
            writer.heading(level if isinstance(level, int) and level > 0 else 1, source)
        elif kind == "markdown":
            write_markdown(writer, source)
    return writer.build(media_type=MediaType.NOTEBOOK, name=name)


def _cells(text: str) -> list[dict[str, Any]]:
    notebook = _json(text)
    sheets = _dictionaries(notebook.get("worksheets"))  # format 3
    cells = sheets[0].get("cells") if sheets else notebook.get("cells")
    if not isinstance(cells, list):
        raise DamagedFile("the notebook has no list of cells; open it in Jupyter and save it again")
    return _dictionaries(cells)


def _json(text: str) -> dict[str, Any]:
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile(
            f"the notebook is not valid JSON ({error}); open it in Jupyter and save it again"
        ) from error
    if not isinstance(notebook, dict):
        raise DamagedFile("the notebook holds no JSON object; open it in Jupyter and save it again")
    return notebook


def _dictionaries(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _joined(source: Any) -> str:
    """A cell's text, which notebooks keep as a string or as a list of lines."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _write_outputs(writer: BlockWriter, outputs: Any) -> None:
    """Write what code printed or returned, where it is short text."""
    for output in _dictionaries(outputs):
        data = output.get("data")
        returned = data.get("text/plain") if isinstance(data, dict) else None
        printed = output.get("text") if output.get("name") != "stderr" else None
        text = _joined(printed or returned)
        if len(text) <= _LONGEST_OUTPUT:
            writer.code(text)

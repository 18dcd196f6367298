import json
from collections.abc import Callable
from typing import Any

import pytest

from ingest.document import ParsedDocument
from ingest.errors import DamagedFile, EmptyFile
from ingest.formats.notebook import parse_notebook

Outline = Callable[[ParsedDocument], list[str]]


def notebook(*cells: Any) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)})


def test_cells_become_blocks(outline: Outline) -> None:
    source = notebook(
        {"cell_type": "markdown", "source": ["# Batch `tuning`\n", "\n", "Some *words*.\n", "- item"]},
        {
            "cell_type": "code",
            "source": "import ray\nray.init()",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["started\n"]},
                {"output_type": "stream", "name": "stderr", "text": ["warning\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "42", "image/png": "iVBOR"}},
                {"output_type": "stream", "name": "stdout", "text": "log line\n" * 1000},
            ],
        },
        {"cell_type": "raw", "source": "raw"},
        {"cell_type": "markdown", "source": ":::{note}\nMind it.\n:::"},
        "not a cell",
        {"cell_type": "code", "source": None, "outputs": 3},
    )
    document = parse_notebook(source, name="a.ipynb")
    assert document.title == "Batch tuning"
    assert document.media_type == "application/x-ipynb+json"
    assert outline(document) == [
        "heading1: Batch `tuning`",
        "paragraph: Some words.",
        "list: - item",
        "code: import ray\nray.init()",
        "code: started",
        "code: 42",
        "paragraph: Note: Mind it.",
    ]


def test_a_notebook_of_format_three(outline: Outline) -> None:
    source = json.dumps(
        {
            "nbformat": 3,
            "worksheets": [
                {
                    "cells": [
                        {"cell_type": "heading", "level": 2, "source": "Old"},
                        {"cell_type": "code", "input": "1 + 1", "outputs": []},
                    ]
                }
            ],
        }
    )
    assert outline(parse_notebook(source, name="a.ipynb")) == ["heading2: Old", "code: 1 + 1"]


def test_half_of_a_surrogate_pair_is_left_out(outline: Outline) -> None:
    source = '{"cells": [{"cell_type": "markdown", "source": "<p>a\\ud800b</p>"}], "nbformat": 4}'
    assert outline(parse_notebook(source, name="a.ipynb")) == ["paragraph: ab"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('{"nbformat": 4, "cells": [{"cell_type"', "not valid JSON"),
        ('{"nbformat": 4, "metadata": {}}', "no list of cells"),
        ('{"nbformat": 4, "cells": 3}', "no list of cells"),
        ('["nbformat"]', "no JSON object"),
        ('{"cells":' * 20_000, "not valid JSON"),
    ],
)
def test_damaged_notebooks_are_refused(source: str, reason: str) -> None:
    with pytest.raises(DamagedFile, match=reason):
        parse_notebook(source, name="a.ipynb")


def test_a_notebook_without_text_is_empty() -> None:
    with pytest.raises(EmptyFile):
        parse_notebook(notebook({"cell_type": "code", "source": ""}), name="a.ipynb")

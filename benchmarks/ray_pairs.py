"""Pairs that a larger model wrote about ``ray_docs``, as a file for ``footnote qa import``.

    python -m benchmarks.ray_pairs path/to/ray_docs > pairs.jsonl
    FOOTNOTE_HOME=<home>/evaluations/ray footnote qa import pairs.jsonl

``questions_train.jsonl`` holds questions written by a language model from a section. They are too easy to
report on, and are used here as what they are: generated pairs. A pair's answer is the first paragraph of its
section that stands in the document word for word; questions without one are left out. The development
questions, which are reported on, were written by people and are not among them.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from app.settings import load_settings
from benchmarks.ray_suite import ADDRESS, ENDINGS
from ingest.pairs.locating import TextFinder
from ingest.parsing import parse

FEWEST_LETTERS = 40
MOST_LETTERS = 600
PARAGRAPHS_TRIED = 4


def main() -> None:
    """Write one JSON object a line: question, answer and the address of the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder ray_docs")
    data: Path = parser.parse_args().data
    if not (data / "questions_train.jsonl").is_file():
        sys.exit(
            f"error: {data} has no questions_train.jsonl; name the folder ray_docs of the benchmark data"
        )
    documents = load_settings().home / "suites" / "ray" / "documents"
    if not documents.is_dir():
        sys.exit(f"error: {documents} is missing; run first: make suite-ray DATA={data}")
    sections = {row["id"]: row["text"] for row in rows(data / "sections.jsonl")}
    finders: dict[str, tuple[str, TextFinder] | None] = {}
    written = 0
    questions = rows(data / "questions_train.jsonl")
    for row in questions:
        page = row["gold_page"]
        if page not in finders:
            finders[page] = finder(documents, page)
        found = finders[page]
        told = None if found is None else answer(sections.get(row["gold_section"], ""), found[1])
        if found is not None and told is not None:
            print(json.dumps({"question": row["question"], "answer": told, "uri": found[0]}))
            written += 1
    print(f"{written} of {len(questions)} questions have their answer in a document", file=sys.stderr)


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def finder(documents: Path, page: str) -> tuple[str, TextFinder] | None:
    """The address of a page's document in the suite, and its text to search."""
    for ending in ENDINGS:
        relative = Path(page.removeprefix(ADDRESS)).with_suffix(ending)
        path = documents / relative
        if path.is_file():
            text = parse(path.read_bytes(), name=path.name).text
            return ADDRESS + relative.as_posix(), TextFinder(text)
    return None


def answer(section: str, finder: TextFinder) -> str | None:
    """The first paragraph of a section that stands in a document, at most 600 characters of it."""
    paragraphs = [part for part in re.split(r"\n\s*\n", section) if len(part.strip()) >= FEWEST_LETTERS]
    for paragraph in paragraphs[:PARAGRAPHS_TRIED]:
        words = " ".join(paragraph.split())[:MOST_LETTERS]
        if finder.find(words) is not None:
            return words
    return None


if __name__ == "__main__":
    main()

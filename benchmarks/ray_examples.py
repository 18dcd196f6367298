"""Training examples of the ``ray_docs`` benchmark data, as a file for ``footnote tune retriever``.

    python -m benchmarks.ray_examples path/to/ray_docs > examples.jsonl
    FOOTNOTE_HOME=<home>/evaluations/ray footnote tune retriever --examples examples.jsonl

One line a question of ``questions_train.jsonl``, which a language model wrote from a section. The words
that an example points at are a paragraph of its section that stands in the document; where none does, any
passage of the page may answer. The development questions are not among them.
"""

import argparse
import json
import sys
from pathlib import Path

from app.settings import load_settings
from benchmarks.ray_pairs import answer, finder, rows


def main() -> None:
    """Write one example a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder ray_docs")
    data: Path = parser.parse_args().data
    documents = load_settings().home / "suites" / "ray" / "documents"
    for needed in (data / "questions_train.jsonl", documents):
        if not needed.exists():
            sys.exit(
                f"error: {needed} is missing; name the folder ray_docs, and make the suite: make suite-ray"
            )
    sections = {row["id"]: row["text"] for row in rows(data / "sections.jsonl")}
    asked = {" ".join(row["question"].casefold().split()) for row in rows(data / "questions_dev.jsonl")}
    pages = {}
    located, written = 0, 0
    for row in rows(data / "questions_train.jsonl"):
        page = row["gold_page"]
        if page not in pages:
            pages[page] = finder(documents, page)
        found = pages[page]
        if found is None or " ".join(row["question"].casefold().split()) in asked:
            continue
        quote = answer(sections.get(row["gold_section"], ""), found[1])
        print(
            json.dumps({"question": row["question"], "uri": found[0]} | ({"quote": quote} if quote else {}))
        )
        written += 1
        located += quote is not None
    print(f"{written} examples, {located} of them with words of their document", file=sys.stderr)


if __name__ == "__main__":
    main()

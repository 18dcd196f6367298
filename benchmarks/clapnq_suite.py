"""Make the suite ``clapnq`` from the ``clapnq`` benchmark data: general questions with people's answers.

    python -m benchmarks.clapnq_suite path/to/clapnq

Each passage of the data becomes a Markdown document under its title. Nearly every passage answers exactly one
question, so that finding it says little: the suite is for answers, citations and refusals.

A question that can be answered has the sentences that people marked as gold passages. One that can't is shown
its own passage, as in the data set: it is about the same matter, and does not answer.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.settings import load_settings
from benchmarks.ray_pairs import rows
from ingest.pairs.locating import TextFinder
from ingest.parsing import parse

ADDRESS = "https://clapnq.example/"


def main() -> None:
    """Write the suite to ``<home>/suites/clapnq``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder clapnq")
    data: Path = parser.parse_args().data
    if not (data / "passages.jsonl").is_file():
        sys.exit(f"error: {data} has no passages.jsonl; name the folder clapnq of the benchmark data")
    passages = {row["id"]: row for row in rows(data / "passages.jsonl")}
    target = load_settings().home / "suites" / "clapnq"
    shutil.rmtree(target, ignore_errors=True)
    documents = target / "documents"
    documents.mkdir(parents=True)
    for passage_id, row in passages.items():
        text = f"# {row['title']}\n\n{row['text'].strip()}\n"
        (documents / f"{passage_id}.md").write_text(text, encoding="utf-8")
    questions = [_question(row, passages) for row in rows(data / "questions_dev.jsonl")]
    lines = (json.dumps(question, ensure_ascii=False) + "\n" for question in questions)
    (target / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
    manifest = {"name": "clapnq", "documents": "documents", "uri_prefix": ADDRESS}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2))
    answerable = sum(question["answerable"] for question in questions)
    lost = _not_found(questions, documents)
    print(f"{target}: {len(passages)} documents, {len(questions)} questions, {answerable} can be answered")
    print(f"sentences that are not in their document word for word: {lost or 'none'}")


def _question(row: Mapping[str, Any], passages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A question with the sentences that any annotator marked, or with the whole passage that is shown."""
    passage = passages[row["passage"]]
    marked = sorted({place for places in row["gold_sentences"] for place in places})
    quotes = [passage["sentences"][place] for place in marked] if row["answerable"] else [passage["text"]]
    shown = "gold_passages" if row["answerable"] else "shown_passages"
    return {
        "id": row["qid"],
        "question": row["question"],
        "answers": row["answers"],
        "answerable": row["answerable"],
        shown: [{"uri": f"{ADDRESS}{row['passage']}.md", "quote": quote} for quote in quotes],
    }


def _not_found(questions: list[dict[str, Any]], documents: Path) -> list[str]:
    lost = []
    for question in questions:
        for passage in (*question.get("gold_passages", ()), *question.get("shown_passages", ())):
            document = documents / passage["uri"].removeprefix(ADDRESS)
            finder = TextFinder(parse(document.read_bytes(), name=document.name).text)
            if finder.find(passage["quote"]) is None:
                lost.append(f"{question['id']}: {passage['quote'][:40]}")
    return lost


if __name__ == "__main__":
    main()

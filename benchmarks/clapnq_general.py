"""General questions of the ``clapnq`` benchmark data, as a file for ``footnote tune retriever --general``.

    python -m benchmarks.clapnq_general path/to/clapnq > general.jsonl

Encyclopaedic questions, each with the first sentence that people marked as its answer, among the sentences
of all passages: what a tuned encoder must not forget. (Whole passages are too easy a set: any encoder
finds the right one of 307.)
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.ray_pairs import rows


def main() -> None:
    """Write one sentence a line, with its question where it has one that it answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder clapnq")
    data: Path = parser.parse_args().data
    if not (data / "passages.jsonl").is_file():
        sys.exit(f"error: {data} has no passages.jsonl; name the folder clapnq of the benchmark data")
    passages: dict[str, list[str]] = {row["id"]: row["sentences"] for row in rows(data / "passages.jsonl")}
    asked: dict[str, str] = {}
    for row in rows(data / "questions_dev.jsonl"):
        if row["answerable"]:
            first: int = row["gold_sentences"][0][0]  # of the first annotator
            asked[passages[row["passage"]][first]] = row["question"]
    for sentence, question in asked.items():
        print(json.dumps({"passage": sentence, "question": question}))
    others = dict.fromkeys(one for sentences in passages.values() for one in sentences if one not in asked)
    for sentence in others:
        print(json.dumps({"passage": sentence}))
    print(f"{len(asked)} questions, {len(others)} more sentences", file=sys.stderr)


if __name__ == "__main__":
    main()

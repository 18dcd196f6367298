"""General questions of the ``clapnq`` benchmark data, as a file for ``footnote tune retriever --general``.

    python -m benchmarks.clapnq_general path/to/clapnq > general.jsonl

Encyclopaedic questions with the passage that answers each, and passages that answer none: what a tuned
encoder must not forget.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.ray_pairs import rows


def main() -> None:
    """Write one passage a line, with its question where it has one that it answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder clapnq")
    data: Path = parser.parse_args().data
    if not (data / "passages.jsonl").is_file():
        sys.exit(f"error: {data} has no passages.jsonl; name the folder clapnq of the benchmark data")
    texts = {row["id"]: f"{row['title']}\n\n{row['text']}" for row in rows(data / "passages.jsonl")}
    answered = [row for row in rows(data / "questions_dev.jsonl") if row["answerable"]]
    for row in answered:
        print(json.dumps({"passage": texts.pop(row["passage"]), "question": row["question"]}))
    for text in texts.values():
        print(json.dumps({"passage": text}))
    print(f"{len(answered)} questions, {len(texts)} more passages", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Make the suite ``ray`` from the ``ray_docs`` benchmark data: real documentation, users' own questions.

    python -m benchmarks.ray_suite path/to/ray_docs

The documentation's source files are taken as they are. API pages, which have no source file, become one
Markdown document a page, made from the ``api`` rows of ``sections.jsonl``. Only ``questions_dev.jsonl`` is
asked: the training questions reuse the words of their section, so nothing is reported on them.
"""

import argparse
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.settings import load_settings

ADDRESS = "https://docs.ray.io/en/master/"
ENDINGS = (".rst", ".md", ".ipynb")


def main() -> None:
    """Write the suite to ``<home>/suites/ray``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder ray_docs")
    data: Path = parser.parse_args().data
    if not (data / "sections.jsonl").is_file():
        sys.exit(f"error: {data} has no sections.jsonl; name the folder ray_docs of the benchmark data")
    target = load_settings().home / "suites" / "ray"
    shutil.rmtree(target, ignore_errors=True)
    documents = target / "documents"
    shutil.copytree(data / "docs", documents)
    uris = _source_files(documents) | _write_api_pages(data, documents)
    missing = _write_questions(data / "questions_dev.jsonl", target, uris)
    manifest = {"name": "ray", "documents": "documents", "uri_prefix": ADDRESS}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2))
    print(f"{target}: {len(uris)} pages; gold pages without a document: {missing or 'none'}")


def _source_files(documents: Path) -> dict[str, str]:
    """Page address to the uri of the file that makes it."""
    uris = {}
    for path in sorted(documents.rglob("*")):
        if path.suffix in ENDINGS:
            relative = path.relative_to(documents)
            uris[ADDRESS + relative.with_suffix(".html").as_posix()] = ADDRESS + relative.as_posix()
    return uris


def _write_api_pages(data: Path, documents: Path) -> dict[str, str]:
    pages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with (data / "sections.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["kind"] == "api":
                pages[row["url"].split("#")[0]].append(row)
    uris = {}
    for page, rows in pages.items():
        relative = Path(page.removeprefix(ADDRESS)).with_suffix(".md")
        path = documents / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [f"# {rows[0]['page_title'] or rows[0]['title']}"]
        parts += [f"## {row['title']}\n\n{row['text']}" for row in rows]
        path.write_text("\n\n".join(parts), encoding="utf-8")
        uris[page] = ADDRESS + relative.as_posix()
    return uris


def _write_questions(source: Path, target: Path, uris: dict[str, str]) -> list[str]:
    """Write the questions with the uris of their gold documents; the gold pages that have none."""
    lines, missing = [], []
    for row in map(json.loads, source.read_text(encoding="utf-8").splitlines()):
        gold = uris.get(row["gold_page"])
        if gold is None:
            missing.append(row["gold_page"])
            continue
        question = {"id": row["qid"], "question": row["question"], "gold_documents": [gold]}
        lines.append(json.dumps(question, ensure_ascii=False))
    (target / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return missing


if __name__ == "__main__":
    main()

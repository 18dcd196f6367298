"""Make the suite ``ray`` from the ``ray_docs`` benchmark data: real documentation, users' own questions.

    python -m benchmarks.ray_suite path/to/ray_docs

The documentation's source files are taken as they are. API pages, which have no source file, become one
Markdown document a page, made from the ``api`` rows of ``sections.jsonl``. Only ``questions_dev.jsonl`` is
asked: the training questions reuse the words of their section, so nothing is reported on them.

A question's product is that of its gold page (`benchmarks.ray_products`), and its gold passages are the
paragraphs of its gold section that stand in the document word for word.
"""

import argparse
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.settings import load_settings
from benchmarks.ray_products import PRODUCTS, page_product
from ingest.pairs.locating import TextFinder
from ingest.parsing import parse

ADDRESS = "https://docs.ray.io/en/master/"
ENDINGS = (".rst", ".md", ".ipynb")
FEWEST_LETTERS = 40  # shorter paragraphs stand in many places


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
    sections = {row["id"]: row["text"] for row in _rows(data / "sections.jsonl")}
    asked, missing = _questions(_rows(data / "questions_dev.jsonl"), sections, uris, documents)
    lines = (json.dumps(question, ensure_ascii=False) + "\n" for question in asked)
    (target / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
    manifest = {
        "name": "ray",
        "documents": "documents",
        "uri_prefix": ADDRESS,
        "products": dict(PRODUCTS),
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2))
    located = sum("gold_passages" in question for question in asked)
    print(f"{target}: {len(uris)} pages, {len(asked)} questions, {located} of them with gold passages")
    print(f"gold pages without a document: {missing or 'none'}")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


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
    for row in _rows(data / "sections.jsonl"):
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


def _questions(
    rows: list[dict[str, Any]], sections: Mapping[str, str], uris: Mapping[str, str], documents: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    """The questions with what is known of their answers, and the gold pages that no document makes."""
    questions, missing = [], []
    for row in rows:
        uri = uris.get(row["gold_page"])
        if uri is None:
            missing.append(row["gold_page"])
            continue
        question = {"id": row["qid"], "question": row["question"], "gold_documents": [uri]}
        relative = uri.removeprefix(ADDRESS)
        quotes = _quotes(sections.get(row["gold_section"], ""), documents / relative)
        if quotes:
            question["gold_passages"] = [{"uri": uri, "quote": quote} for quote in quotes]
        product = page_product(relative)
        if product is not None:
            question["product"] = product
        questions.append(question)
    return questions, missing


def _quotes(section: str, document: Path) -> list[str]:
    """The paragraphs of a section that stand in a document, but for white space and markup."""
    paragraphs = [part for part in re.split(r"\n\s*\n", section) if len(part.strip()) >= FEWEST_LETTERS]
    if not paragraphs:
        return []
    finder = TextFinder(parse(document.read_bytes(), name=document.name).text)
    words = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return [quote for quote in words if finder.find(quote) is not None]


if __name__ == "__main__":
    main()

"""Questions with the products that they are about, as people bring them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_QUESTION = 2000
"""In characters; the longest that can be asked."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # NUL and halves of surrogate pairs; no database takes them


class LabelsInvalid(Exception):
    """Labelled questions are not what they should be; the message names the line and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductLabel:
    """A question, and what a person says that it is about.

    Attributes:
        where: The line or item that says so, for messages.
        question: The question.
        products: Names or aliases of its products; none says that it is about no product.
    """

    where: str
    question: str
    products: tuple[str, ...]


def read_labels(data: bytes) -> list[ProductLabel]:
    """Read JSON lines ``{"question", "product"}`` or ``{"question", "products": [...]}``, or a list of such.

    ``"products": []`` says that a question is about none. Empty lines are skipped.

    Args:
        data: UTF-8, with or without a byte order mark.

    Raises:
        LabelsInvalid: Names the first line or item that is wrong, or says that there is none.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LabelsInvalid(f"line {line}: it is not UTF-8; save the file as UTF-8") from error
    if text.lstrip().startswith("["):
        items = enumerate(_decode("the list", text), start=1)
        return _parse_all([(f"item {number}", item) for number, item in items])
    lines = [(f"line {number}", line) for number, line in enumerate(text.split("\n"), start=1)]
    return _parse_all([(where, _decode(where, line)) for where, line in lines if line.strip()])


def _decode(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelsInvalid(f"{where}: it is not JSON: {error}") from error


def _parse_all(rows: Sequence[tuple[str, Any]]) -> list[ProductLabel]:
    labels = [_parse(where, row) for where, row in rows]
    if not labels:
        raise LabelsInvalid("there is no labelled question; write one JSON object a line: question, product")
    return labels


def _parse(where: str, row: Any) -> ProductLabel:
    if not isinstance(row, dict) or not row.keys() <= {"question", "product", "products"}:
        raise LabelsInvalid(f"{where}: it is not an object of question and product, or question and products")
    if ("product" in row) == ("products" in row):
        raise LabelsInvalid(f"{where}: say either product, or products with a list of names")
    products = [row["product"]] if "product" in row else row["products"]
    if not isinstance(products, list) or not all(_is_text(one) for one in products):
        raise LabelsInvalid(f"{where}: a product is not a storable text with letters")
    if not _is_text(row.get("question")) or len(row["question"]) > LONGEST_QUESTION:
        raise LabelsInvalid(
            f"{where}: question is not a storable text of at most {LONGEST_QUESTION:,} characters"
        )
    return ProductLabel(where=where, question=row["question"].strip(), products=tuple(products))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not _UNSTORABLE.search(value)

"""Training examples: questions with the passages that answer them, and how sure that is."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from finetune.overlap import digest_questions, normal_question

Source = Literal["pair", "click", "file"]

LEAST_EXAMPLES = 50
"""Fewer teach an encoder nothing but themselves; a run refuses to begin."""


class ExamplesInvalid(Exception):
    """A file of examples is not what it should be; the message names the line and what is wrong."""


class TooFewExamples(Exception):
    """There is not enough to learn from.

    Args:
        found: How many examples there are.
        skipped: How many more can't be learnt.
        why: What is said of those.
        least: How many it takes.
        other_source: Where examples may come from besides pairs, as an end of the message.
    """

    def __init__(
        self,
        found: int,
        *,
        skipped: int,
        why: str = "rest on what is not here",
        least: int = LEAST_EXAMPLES,
        other_source: str = ", or name a file of examples with --examples",
    ) -> None:
        super().__init__(
            f"{found} training examples are too few, {least} is the least"
            + (f" ({skipped} more {why})" if skipped else "")
            + "; compile pairs with: footnote qa build, import some with: footnote qa import"
            + other_source
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The passages that are searched, as the encoder reads them. A row is a position in these sequences.

    Attributes:
        ids: Id of each passage.
        documents: Document of each passage.
        texts: What is encoded: the passage with title and headings.
    """

    ids: Sequence[str]
    documents: Sequence[str]
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question, and rows of a `Corpus` that answer it.

    Attributes:
        id: Where it comes from, for messages: a pair's id, or a line of a file.
        question: As a user asks it.
        rows: All passages that are known to answer it, the best first; at least one.
        relevance: How sure that is, in (0, 1]; an example counts by it.
        source: What said so.
        product: Name of the product that it is about, or None.
    """

    id: str
    question: str
    rows: tuple[int, ...]
    relevance: float
    source: Source
    product: str | None = None

    def __post_init__(self) -> None:
        if not self.rows or not 0 < self.relevance <= 1 or not self.question.strip():
            raise ValueError(f"an example needs a question, a row and a relevance in (0, 1], got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleLine:
    """A line of a file of examples: a question and words of a document that answer it.

    Attributes:
        number: The line, from 1.
        question: The question.
        uri: Address of the document.
        quote: Words of the document, or None where any of its passages will do.
        relevance: In (0, 1].
        product: Name of the product, or None.
    """

    number: int
    question: str
    uri: str
    quote: str | None
    relevance: float
    product: str | None


def read_example_lines(lines: Iterable[str]) -> list[ExampleLine]:
    """Read JSON lines ``{"question", "uri", "quote"?, "relevance"?, "product"?}``; empty ones are skipped.

    Raises:
        ExamplesInvalid: Names the first line that is wrong.
    """
    return [_parse(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _parse(number: int, line: str) -> ExampleLine:
    try:
        row = json.loads(line)
        unknown = sorted(row.keys() - {"question", "uri", "quote", "relevance", "product"})
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r}")  # noqa: TRY301 - one place words the error
        relevance = float(row.get("relevance", 1.0))
        if not 0 < relevance <= 1:
            raise ValueError(f"relevance {relevance} is not in (0, 1]")  # noqa: TRY301
        return ExampleLine(
            number=number,
            question=_text(row, "question"),
            uri=_text(row, "uri"),
            quote=_text(row, "quote") if row.get("quote") is not None else None,
            relevance=relevance,
            product=_text(row, "product") if row.get("product") is not None else None,
        )
    except KeyError as error:
        raise ExamplesInvalid(f"line {number}: the field {error} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ExamplesInvalid(f"line {number}: {error}; see docs/learning.md for the form") from error


def _text(row: dict[str, Any], field: str) -> str:
    value = row[field]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{field} is not a text with letters")
    return value


def merge_examples(examples: Iterable[Example]) -> list[Example]:
    """Each question with the same best passage once, in the order given.

    It keeps the first's id and source, the largest relevance, and a product that either has. After its own
    rows it gets those that any example of the same question has: what is known to answer is never taught as
    wrong.
    """
    merged: dict[tuple[str, int], Example] = {}
    rows: dict[str, dict[int, None]] = {}
    for example in examples:
        question = normal_question(example.question)
        rows.setdefault(question, {}).update(dict.fromkeys(example.rows))
        first = merged.setdefault((question, example.rows[0]), example)
        merged[question, example.rows[0]] = replace(
            first,
            relevance=max(first.relevance, example.relevance),
            product=first.product or example.product,
        )
    return [
        replace(example, rows=tuple(dict.fromkeys((*example.rows, *rows[question]))))
        for (question, _row), example in merged.items()
    ]


def describe_examples(examples: Sequence[Example], corpus: Corpus) -> dict[str, Any]:
    """Counts, a checksum of all that a run reads, and what tells its questions, for its manifest."""
    return {
        "examples": len(examples),
        "questions": digest_questions(example.question for example in examples),
        "passages": len({example.rows[0] for example in examples}),
        "documents": len({corpus.documents[example.rows[0]] for example in examples}),
        "by_source": dict(sorted(Counter(example.source for example in examples).items())),
        "by_product": dict(sorted(Counter(example.product or "" for example in examples).items())),
        "sha256": _checksum(examples, corpus),
    }


def _checksum(examples: Sequence[Example], corpus: Corpus) -> str:
    digest = hashlib.sha256()
    for part in _parts(examples, corpus):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(examples: Sequence[Example], corpus: Corpus) -> Iterator[str]:
    for example in examples:
        yield from (example.question, repr(example.relevance), example.product or "")
        yield from (corpus.texts[row] for row in example.rows)
    for document, text in zip(corpus.documents, corpus.texts, strict=True):
        yield from (document, text)

"""A suite: a folder with documents, and questions whose answers are known.

::

    suite/
      manifest.json      {"name": "ray", "documents": "documents", "uri_prefix": "https://docs.example/"}
      questions.jsonl    {"id": "q1", "question": "...", "gold_documents": ["https://docs.example/a.rst"]}
      documents/         files as they are ingested; a document's uri is the prefix and its path
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

MANIFEST = "manifest.json"
QUESTIONS = "questions.jsonl"


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("it holds the character NUL, which databases do not take; remove it")
    return text


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_without_nul)]
_Name = Annotated[str, StringConstraints(pattern=r"^\w[\w. -]*$", max_length=100)]  # it names a folder


class SuiteInvalid(Exception):
    """A suite's folder is not what it should be; the message names the file and the line."""


class _Row(BaseModel):
    """What stands in a file of a suite: a misspelt key must not pass in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class GoldPassage(_Row):
    """Words of a document that answer a question.

    Attributes:
        uri: The document.
        quote: Its words, in whatever white space and markup. They should be long enough to stand in it once.
    """

    uri: _Text
    quote: _Text


class Question(_Row):
    """A question with what is known of its answer.

    Attributes:
        id: Unique within the suite.
        question: As a user asks it.
        gold_documents: Uris of documents that answer it.
        gold_passages: Words in documents that answer it.
        answers: Answers as they should be.
        answerable: False if the documents do not answer it. Such a question has no gold; any other has some.
        shown_passages: Of a question that can't be answered, words in the documents that look as if they did:
            what is shown in place of gold passages.
        product: The product that it is about, or None.
        origin: Where it comes from, or None; reports are split by it.
    """

    id: _Text
    question: _Text
    gold_documents: tuple[_Text, ...] = ()
    gold_passages: tuple[GoldPassage, ...] = ()
    answers: tuple[_Text, ...] = ()
    answerable: bool = True
    shown_passages: tuple[GoldPassage, ...] = ()
    product: _Text | None = None
    origin: _Text | None = None

    @model_validator(mode="after")
    def _has_gold_if_answerable(self) -> Self:
        if self.answerable and not self.gold_uris:
            raise ValueError(
                "gold_documents and gold_passages are both empty; name one, or set answerable false"
            )
        if not self.answerable and self.gold_uris:
            raise ValueError(
                "it is not answerable, and yet has gold_documents or gold_passages; drop one of both"
            )
        if self.answerable and self.shown_passages:
            raise ValueError(
                "shown_passages are for questions that are not answerable; name what answers it gold_passages"
            )
        return self

    @property
    def gold_uris(self) -> tuple[str, ...]:
        """Documents that answer it: those named, and those of its passages; each once."""
        return tuple(dict.fromkeys((*self.gold_documents, *(gold.uri for gold in self.gold_passages))))


class Manifest(_Row):
    """What a suite says of itself.

    Attributes:
        name: Its name: letters, digits, blanks, ``.``, ``_`` and ``-``.
        documents: Folder of the documents to ingest, below the suite's.
        uri_prefix: Address of that folder.
        products: Path below the folder of documents, of a file or a folder, to the product of what is there;
            the longest path wins, and ``""`` is the folder of documents itself.
    """

    name: _Name
    documents: _Text
    uri_prefix: str
    products: dict[str, _Text] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite that was read.

    Attributes:
        manifest: What it says of itself.
        documents: Folder of the documents to ingest.
        questions: In the order of the file; at least one can be answered.
        sha256: Checksum of manifest and questions, whatever the white space in their files.
    """

    manifest: Manifest
    documents: Path
    questions: tuple[Question, ...]
    sha256: str

    def product_of(self, relative: str) -> str | None:
        """The product of a document by its path below the folder of documents, with forward slashes."""
        parts = relative.split("/")
        paths = ("/".join(parts[:length]) for length in range(len(parts), -1, -1))  # the longest first
        products = {path.strip("/"): product for path, product in self.manifest.products.items()}
        return next((products[path] for path in paths if path in products), None)


def load_suite(folder: Path) -> Suite:
    """Read a suite's manifest and questions.

    Raises:
        SuiteInvalid: Names the file, the line and what is wrong.
    """
    manifest = _read_manifest(folder / MANIFEST)
    questions = read_questions(folder / QUESTIONS)
    documents = folder / manifest.documents
    if not documents.is_dir():
        raise SuiteInvalid(f"{documents}: the folder of documents is missing")
    return Suite(
        manifest=manifest,
        documents=documents,
        questions=tuple(questions),
        sha256=questions_sha256(questions, manifest.model_dump()),
    )


def questions_sha256(questions: Sequence[Question], manifest: Mapping[str, object] | None = None) -> str:
    """A checksum over questions, with all that is known of them, and a manifest where there is one."""
    rows = [manifest or {}, *(_as_row(question) for question in questions)]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _as_row(question: Question) -> dict[str, object]:
    """A question for the checksum, which stays what it was before questions could have `shown_passages`."""
    return question.model_dump(exclude=None if question.shown_passages else {"shown_passages"})


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(_read(path))
    except ValidationError as error:
        raise SuiteInvalid(f"{path}: {_describe(error)}; see docs/evaluation.md for its form") from error


def read_questions(path: Path) -> list[Question]:
    """Read a file of questions, one JSON object a line.

    Raises:
        SuiteInvalid: Names the file, the line and what is wrong.
    """
    questions: list[Question] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            question = Question.model_validate_json(line)
        except ValidationError as error:
            raise SuiteInvalid(f"{path}, line {number}: {_describe(error)}") from error
        if question.id in lines:
            first = lines[question.id]
            raise SuiteInvalid(
                f"{path}, line {number}: the id {question.id!r} stands in line {first} already; "
                "give each question an id of its own"
            )
        lines[question.id] = number
        questions.append(question)
    if not any(question.answerable for question in questions):
        raise SuiteInvalid(f"{path}: needs at least one question that the documents answer")
    return questions


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SuiteInvalid(f"{error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SuiteInvalid(f"{path}: it is not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _describe(error: ValidationError) -> str:
    """The first thing that is wrong, and where in the row it is."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message

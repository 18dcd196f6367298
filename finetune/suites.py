"""A suite: a folder with documents, and questions whose answers are known.

::

    suite/
      manifest.json      {"name": "ray", "documents": "documents", "uri_prefix": "https://docs.example/"}
      questions.jsonl    {"id": "q1", "question": "...", "gold_documents": ["https://docs.example/a.rst"]}
      documents/         files as they are ingested; a document's uri is the prefix and its path
"""

import json
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.json"
QUESTIONS = "questions.jsonl"


class SuiteInvalid(Exception):
    """A suite's folder is not what it should be; the message names the file and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with the documents that answer it.

    Attributes:
        id: Unique within the suite.
        question: As a user asks it.
        gold_documents: Uris of documents that answer it; at least one.
    """

    id: str
    question: str
    gold_documents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite that was read.

    Attributes:
        name: Its name.
        documents: Folder of the documents to ingest.
        uri_prefix: Address of that folder.
        questions: In the order of the file.
    """

    name: str
    documents: Path
    uri_prefix: str
    questions: tuple[Question, ...]


def load_suite(folder: Path) -> Suite:
    """Read a suite's manifest and questions.

    Raises:
        SuiteInvalid: Names the file, the line and what is wrong.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        documents = folder / str(manifest["documents"])
        questions = tuple(_read_questions(folder / QUESTIONS))
        suite = Suite(
            name=str(manifest["name"]),
            documents=documents,
            uri_prefix=str(manifest["uri_prefix"]),
            questions=questions,
        )
    except OSError as error:
        raise SuiteInvalid(f"{error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SuiteInvalid(f"{folder / MANIFEST}: {error!r}; see docs/evaluation.md for its form") from error
    if not documents.is_dir():
        raise SuiteInvalid(f"{documents}: the folder of documents is missing")
    if len({question.id for question in questions}) != len(questions) or not questions:
        raise SuiteInvalid(f"{folder / QUESTIONS}: needs at least one question, and each id once")
    return suite


def _read_questions(path: Path) -> list[Question]:
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            gold = tuple(str(uri) for uri in row["gold_documents"])
            if not gold:
                raise ValueError("gold_documents is empty")  # noqa: TRY301 - one place words the error
            questions.append(Question(id=str(row["id"]), question=str(row["question"]), gold_documents=gold))
        except (ValueError, KeyError, TypeError) as error:
            raise SuiteInvalid(f"{path}, line {number}: {error!r}") from error
    return questions

"""What an evaluation asks: a suite's questions, or approved pairs, with the passages that answer them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from app.db.document_views import document_uris
from app.db.documents import get_text
from app.db.pair_evidence import evidence_passages
from app.db.pairs import PairFilter, pairs_in_records
from app.db.passages import passages_between
from app.db.session import Database
from app.qa.exporting import export_pairs
from app.settings import Settings
from finetune.pairs import as_questions, read_pairs
from finetune.suites import Question, Suite, SuiteInvalid, questions_sha256
from ingest.pairs.locating import TextFinder


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of an index.

    Attributes:
        name: The suite's name, or ``pairs`` and their split.
        sha256: Checksum of the questions.
        split: The split of the pairs that are asked, to be left out of the index; None for a suite.
        questions: Those that can be answered; at least one.
        unanswerable: Those that can't be.
        left_out: Pairs that find themselves; see `app.db.pairs.pairs_in_records`.
        gold_passages: Question to the passages that answer it, where they are known; of one that can't be
            answered, to those that are shown in their place.
        not_located: Questions of whose gold passages no words are in the documents.
        missing_documents: Gold documents that are not there, each once.
    """

    name: str
    sha256: str
    split: str | None
    questions: tuple[Question, ...]
    unanswerable: tuple[Question, ...]
    left_out: int
    gold_passages: Mapping[str, Sequence[str]]
    not_located: int
    missing_documents: tuple[str, ...]


def suite_questions(database: Database, suite: Suite) -> Asked:
    """The questions of a suite whose documents are in the database."""
    questions = tuple(question for question in suite.questions if question.answerable)
    with database.reading() as session:
        ids = {uri: document_id for document_id, uri in document_uris(session).items()}
        located = _locate(session, suite.questions, ids)
    return Asked(
        name=suite.manifest.name,
        sha256=suite.sha256,
        split=None,
        questions=questions,
        unanswerable=tuple(question for question in suite.questions if not question.answerable),
        left_out=0,
        gold_passages=located,
        not_located=sum(bool(one.gold_passages) and one.id not in located for one in questions),
        missing_documents=_missing(questions, ids),
    )


def pair_questions(database: Database, settings: Settings, split: Literal["dev", "test"]) -> Asked:
    """The approved pairs of a split, as questions, in an order that depends on their words alone.

    So the same seed draws the same of them in every home that has the same pairs.

    Raises:
        SuiteInvalid: If there is none to ask.
    """
    pairs = read_pairs(export_pairs(database, settings, PairFilter(split=split)), split)
    with database.reading() as session:
        themselves = pairs_in_records(session)
        questions = as_questions(pair for pair in pairs if pair.id not in themselves)
        if not questions:
            raise SuiteInvalid(
                f"no approved pair of the split {split!r} can be asked, and {len(pairs)} find themselves, "
                "since they come from tables or threads; footnote qa stats counts pairs, and --suite asks "
                "the questions of a file"
            )
        passages = evidence_passages(session, [question.id for question in questions])
        ids = {uri: document_id for document_id, uri in document_uris(session).items()}
    return Asked(
        name=f"pairs {split}",
        sha256=questions_sha256(questions),
        split=split,
        questions=tuple(sorted(questions, key=lambda one: (one.question, one.answers))),
        unanswerable=(),
        left_out=len(pairs) - len(questions),
        gold_passages=passages,
        not_located=0,
        missing_documents=_missing(questions, ids),
    )


def draw_questions(asked: Asked, limit: int, *, seed: int) -> Asked:
    """Some of the questions, drawn by the seed from all, in their order; all where there are not more.

    A larger draw holds all of a smaller one. What was drawn from the same questions in the same way has the
    same checksum, and no other.

    Args:
        asked: The questions.
        limit: How many, at least 1.
        seed: The same seed draws the same ones.
    """
    every = [one.id for one in (*asked.questions, *asked.unanswerable)]
    if limit >= len(every):
        return asked
    drawn = {every[place] for place in np.random.default_rng(seed).permutation(len(every))[:limit]}
    ids = "\n".join(one for one in every if one in drawn)
    return replace(
        asked,
        sha256=hashlib.sha256(f"{asked.sha256}\n{ids}".encode()).hexdigest(),
        questions=tuple(one for one in asked.questions if one.id in drawn),
        unanswerable=tuple(one for one in asked.unanswerable if one.id in drawn),
    )


def _locate(session: Session, questions: Sequence[Question], ids: Mapping[str, str]) -> dict[str, list[str]]:
    """Question to the passages that its quotes overlap; without questions whose quotes are nowhere."""
    finders: dict[str, TextFinder] = {}
    located: dict[str, dict[str, None]] = {}
    for question in questions:
        for gold in (*question.gold_passages, *question.shown_passages):
            document_id = ids.get(gold.uri)
            if document_id is None:
                continue
            if document_id not in finders:
                finders[document_id] = TextFinder(get_text(session, document_id, None)[1])
            span = finders[document_id].find(gold.quote)
            if span is not None:
                found = passages_between(session, document_id, span.start, span.end)
                located.setdefault(question.id, {}).update(dict.fromkeys(found))
    return {question_id: list(passages) for question_id, passages in located.items() if passages}


def _missing(questions: Sequence[Question], ids: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(uri for one in questions for uri in one.gold_uris if uri not in ids))

"""What a retriever shows, and what a generator makes of it."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.db.session import Database
from app.downloads import Progress, Say
from app.embedding import embed_missing
from app.evaluations.drafts import DraftStore, write_drafts
from app.evaluations.evidence import Retriever, show_questions
from app.evaluations.questions import Asked
from app.indexing import build_index_without
from app.models import Models
from app.searching import LiveIndex
from finetune.answer_drafts import Condition, ShownQuestion, build_chat
from finetune.answer_evaluation import AnswerReport, evaluate_drafts, values_by_measure
from generator.answers import AnswerConfig
from generator.models import Generator

Cell = tuple[str, Condition]
"""An encoder, as settings name it, and what was shown."""

Shown = Mapping[Cell, Sequence[ShownQuestion]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRetriever:
    """An encoder with what its search shows.

    Attributes:
        reference: As settings name it.
        fingerprint: The encoder's.
        reranker: Fingerprint of the reranker, or None.
        search: How was searched.
        shown: Condition to the questions, each with its evidence; without conditions under which no question
            can be asked.
    """

    reference: str
    fingerprint: str
    reranker: str | None
    search: Mapping[str, Any]
    shown: Mapping[Condition, Sequence[ShownQuestion]]


def collect_evidence(
    database: Database,
    asked: Asked,
    reference: str,
    models: Models,
    conditions: Sequence[Condition],
    *,
    most: int,
    progress: Progress,
) -> EvaluatedRetriever:
    """What is shown for every question with one encoder; what it searches is a temporary index.

    Args:
        database: Where the corpus is.
        asked: The questions.
        reference: How settings name the encoder.
        models: Models of settings with that encoder.
        conditions: What is wanted.
        most: Most passages shown for a question.
        progress: Told how far it is.
    """
    encoder, reranker = models.encoder, models.reranker
    embed_missing(database, encoder, report=partial(progress, f"Embedding with {reference}"))
    with tempfile.TemporaryDirectory() as folder:
        index = build_index_without(database, encoder, asked.split, Path(folder) / "index")
        none: frozenset[str] = frozenset()
        retriever = Retriever(
            live=LiveIndex(id="evaluated", index=index, hidden_documents=none, hidden_pairs=none),
            encoder=encoder,
            config=models.search_config,
            reranker=None if reranker is None else reranker.without_budget(),
        )
        shown = {one: show_questions(database, retriever, asked, one, most=most) for one in conditions}
    return EvaluatedRetriever(
        reference=reference,
        fingerprint=encoder.fingerprint,
        reranker=None if reranker is None else reranker.fingerprint,
        search=asdict(models.search_config),
        shown={condition: ones for condition, ones in shown.items() if ones},
    )


def measure_answers(
    shown: Shown,
    generator: Generator,
    config: AnswerConfig,
    drafts: DraftStore,
    *,
    progress: Progress,
    say: Say,
) -> dict[Cell, AnswerReport]:
    """What a generator's answers are worth, for each cell of questions with their evidence.

    All drafts are written first, many at a time; the same prompt in two cells is asked once.

    Args:
        shown: Questions with their evidence by cell; at least one question in each.
        generator: What writes.
        config: Budgets and thresholds of serving.
        drafts: Keeps what was written.
        progress: Told how far it is.
        say: Told how many answers will be written, and how long that takes.
    """
    chats = {
        cell: [build_chat(one, cell[1], generator.count_tokens, config) for one in questions]
        for cell, questions in shown.items()
    }
    texts = write_drafts(
        drafts,
        generator,
        [chat for asked in chats.values() for chat in asked],
        max_new_tokens=config.max_new_tokens,
        progress=partial(progress, f"Writing with {generator.name}"),
        say=say,
    )
    return {
        cell: evaluate_drafts(
            questions,
            chats[cell],
            [texts[chat] for chat in chats[cell]],
            generator=generator,
            config=config,
            condition=cell[1],
        )
        for cell, questions in shown.items()
    }


def answer_values(
    database: Database,
    retriever: Retriever,
    generator: Generator,
    asked: Asked,
    condition: Condition,
    *,
    config: AnswerConfig,
    most: int,
    drafts: DraftStore,
    progress: Progress,
    say: Say,
) -> dict[str, dict[str, float]]:
    """Each measure's value of every question that has it, for one retriever and one generator.

    Values are in [0, 1], larger is better, and which questions have a measure depends on the questions alone.

    Args:
        database: Where the corpus is.
        retriever: What finds passages.
        generator: What writes.
        asked: The questions.
        condition: Which evidence is shown.
        config: Budgets and thresholds of serving.
        most: Most passages shown for a question.
        drafts: Keeps what was written.
        progress: Told how far it is.
        say: Told how many answers will be written, and how long that takes.

    Raises:
        ValueError: If no question can be asked under this condition.
    """
    cell = ("", condition)
    shown = {cell: show_questions(database, retriever, asked, condition, most=most)}
    return values_by_measure(
        measure_answers(shown, generator, config, drafts, progress=progress, say=say)[cell]
    )

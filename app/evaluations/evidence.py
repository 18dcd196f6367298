"""What answers are written from: nothing, the passages that hold the answer, or those that search returns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.answering import as_evidence
from app.db.passages import PassageView, get_embeddings, get_passages
from app.db.products import product_names
from app.db.session import Database
from app.evaluations.questions import Asked
from app.searching import LiveIndex, find_passages
from finetune.answer_drafts import Condition, ShownQuestion
from finetune.suites import Question
from generator.evidence import Evidence
from retriever.encoder import Encoder
from retriever.reranking import TimedReranker
from retriever.search import SearchConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Retriever:
    """What finds passages.

    Attributes:
        live: The index.
        encoder: The one that it was built with.
        config: How it is searched.
        reranker: Orders the first hits anew, without a budget so that figures repeat; None to leave them.
    """

    live: LiveIndex
    encoder: Encoder
    config: SearchConfig
    reranker: TimedReranker | None


def show_questions(
    database: Database, retriever: Retriever, asked: Asked, condition: Condition, *, most: int
) -> list[ShownQuestion]:
    """The questions that can be asked under a condition, each with its evidence.

    Args:
        database: Where the passages are, with their vectors of the retriever's encoder.
        retriever: What finds passages.
        asked: The questions.
        condition: Which evidence is shown.
        most: Most passages shown for one.
    """
    if condition is Condition.NONE:
        return show_nothing(asked)
    if condition is Condition.GOLD:
        return show_gold(database, retriever.encoder, asked, most=most)
    return show_retrieved(database, retriever, (*asked.questions, *asked.unanswerable), most=most)


def show_nothing(asked: Asked) -> list[ShownQuestion]:
    """The questions whose answers from memory can be measured: those with references."""
    return [ShownQuestion(question=question) for question in asked.questions if question.answers]


def show_gold(database: Database, encoder: Encoder, asked: Asked, *, most: int) -> list[ShownQuestion]:
    """Every question of which gold passages are known, with these in the order of their document.

    Nothing is searched: the encoder only tells how near question and passage are, which serving asks before
    anything is written.

    Args:
        database: Where the passages are, with their vectors of this encoder.
        encoder: The encoder.
        asked: The questions.
        most: Most passages shown for one.
    """
    questions = [one for one in (*asked.questions, *asked.unanswerable) if one.id in asked.gold_passages]
    if not questions:
        return []
    vectors = encoder.encode_queries([question.question for question in questions])
    with database.reading() as session:
        names = product_names(session)
        shown = []
        for row, question in enumerate(questions):
            ids = asked.gold_passages[question.id][:most]
            views = get_passages(session, ids)
            found = [views[one] for one in ids if one in views]
            stored = get_embeddings(session, encoder.fingerprint, [one.embedding_sha256 for one in found])
            about = {one.product_id for one in found}
            shown.append(
                ShownQuestion(
                    question=question,
                    evidence=tuple(
                        _gold(one, np.frombuffer(stored[one.embedding_sha256], dtype="<f4") @ vectors[row])
                        for one in found
                    ),
                    subjects=tuple(known[0] for product, known in names.items() if about == {product}),
                )
            )
    return [one for one in shown if one.evidence]


def _gold(view: PassageView, cosine: np.float32) -> Evidence:
    return Evidence(
        passage_id=view.id,
        title=view.title,
        heading_path=view.heading_path,
        text=view.text,
        score=float(cosine),
    )


def show_retrieved(
    database: Database, retriever: Retriever, questions: Sequence[Question], *, most: int
) -> list[ShownQuestion]:
    """Every question with what search returns for it, as the server shows it to the generator.

    Args:
        database: Where the texts of passages are.
        retriever: What finds them.
        questions: The questions, whether they can be answered or not.
        most: Most passages shown for one.
    """
    shown = []
    for question in questions:
        found = find_passages(
            database,
            retriever.live,
            retriever.encoder,
            question.question,
            k=most,
            products=None,
            config=retriever.config,
            reranker=retriever.reranker,
        )
        shown.append(
            ShownQuestion(
                question=question,
                evidence=tuple(as_evidence(hit) for hit in found.hits),
                subjects=found.subjects,
            )
        )
    return shown

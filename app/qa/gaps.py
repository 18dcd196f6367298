"""What the documents do not answer: questions that went badly, grouped by meaning."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from app.db.interactions import FailedQuestion, failed_questions
from app.db.session import Database
from app.searching import Found
from retriever.arrays import Vectors
from retriever.encoder import Encoder

CONSIDERED = 5_000  # questions, the last asked
SAME_MEANING = 0.7  # least cosine of a question and the one that its group is named by
NEAREST_DOCUMENTS = 3
PASSAGES_ASKED = 12  # enough for three documents


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDocument:
    """A document that comes near to a gap; the cosine is that of its nearest passage."""

    document_id: str
    uri: str
    title: str
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that readers ask and the documents do not answer.

    Attributes:
        question: The wording that was asked most often.
        count: How often any of its wordings went badly.
        refused: Of these, how many were refusals.
        disliked: And how many answers got a thumb down.
        wordings: All of them, the most frequent first.
        last_asked: When one was asked last.
        documents: What comes nearest, for whoever writes the answer.
    """

    question: str
    count: int
    refused: int
    disliked: int
    wordings: tuple[str, ...]
    last_asked: datetime
    documents: tuple[NearDocument, ...]


def find_gaps(
    database: Database,
    encoder: Encoder,
    search: Callable[[str, int], Found],
    *,
    limit: int,
    allowed_products: Collection[str] | None = None,
) -> list[Gap]:
    """The largest gaps first.

    Args:
        database: Where answers and thumbs are recorded.
        encoder: Tells what questions mean.
        search: Finds passages for a question, given how many are wanted.
        limit: Most gaps wanted.
        allowed_products: Only questions whose answers were limited to none but these; None for all.
    """
    with database.reading() as session:
        asked = failed_questions(session, limit=CONSIDERED, allowed_products=allowed_products)
    failed = sorted(asked, key=lambda one: one.failed, reverse=True)
    if not failed:
        return []
    groups = group_by_meaning(
        encoder.encode_queries([one.question for one in failed]), minimum_cosine=SAME_MEANING
    )
    sized = sorted(groups, key=lambda group: -sum(failed[place].failed for place in group))
    return [_gap([failed[place] for place in group], search) for group in sized[:limit]]


def group_by_meaning(vectors: Vectors, *, minimum_cosine: float) -> list[list[int]]:
    """Leader clustering: each text joins the nearest leader that is near enough, or leads a new group.

    Args:
        vectors: (n, dimension) unit rows, the weightiest texts first: they become leaders.
        minimum_cosine: Least cosine of a text and its leader.

    Returns:
        Places by group, the leader first; every place once.
    """
    leaders: list[int] = []
    groups: list[list[int]] = []
    for place, vector in enumerate(vectors):
        cosines = vectors[leaders] @ vector  # (leaders,)
        nearest = int(np.argmax(cosines)) if leaders else -1
        if leaders and cosines[nearest] >= minimum_cosine:
            groups[nearest].append(place)
        else:
            leaders.append(place)
            groups.append([place])
    return groups


def _gap(members: Sequence[FailedQuestion], search: Callable[[str, int], Found]) -> Gap:
    question = members[0].question
    documents: dict[str, NearDocument] = {}
    for hit in search(question, PASSAGES_ASKED).hits:
        known = documents.get(hit.document_id)
        if known is None or hit.cosine > known.cosine:
            documents[hit.document_id] = NearDocument(
                document_id=hit.document_id, uri=hit.uri, title=hit.title, cosine=round(hit.cosine, 4)
            )
    return Gap(
        question=question,
        count=sum(one.failed for one in members),
        refused=sum(one.refused for one in members),
        disliked=sum(one.disliked for one in members),
        wordings=tuple(one.question for one in members),
        last_asked=max(one.last_asked for one in members),
        documents=tuple(list(documents.values())[:NEAREST_DOCUMENTS]),
    )

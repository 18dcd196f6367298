"""From approved pairs to what a generator learns: questions, answers, and the passages of a real search."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.db.pair_evidence import pair_answers, searched_pairs
from app.db.passages import get_passages
from app.db.products import product_names
from app.db.session import Database
from app.learning.retrieval import Retrieval
from finetune.answer_examples import AnsweredQuestion, choose_diverse
from generator.evidence import Evidence
from retriever.encoder import Encoder

NO_PASSAGE = "rests on passages that are not here any more"
ALIKE = "asks nearly what another asks, or was not among the most different"
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredAnswers:
    """Questions with their answers, of the splits ``train`` and ``dev``.

    Attributes:
        train: What is learnt from; the most different ones where there are too many.
        dev: What is chosen with.
        skipped: Why others were left out, and how many.
    """

    train: list[AnsweredQuestion]
    dev: list[AnsweredQuestion]
    skipped: Mapping[str, int]


def gather_answers(
    database: Database, encoder: Encoder, *, most_train: int, most_dev: int, turn: int = 0
) -> GatheredAnswers:
    """The approved pairs whose passages are live, at most so many, by their words.

    What is learnt from are those that differ most. What is chosen with stands for all: it is drawn by a
    checksum of its words, so that every home and every round has the same.

    Args:
        database: The database.
        encoder: Tells how far questions lie apart.
        most_train: Most pairs of ``train``.
        most_dev: Most pairs of ``dev``; of more these are a part.
        turn: Which ones of ``train``, from 0: after the most different ones those that differ most of what
            is left, and so on; from the beginning again where there are no more.
    """
    with database.reading() as session:
        pairs = sorted(searched_pairs(session), key=lambda pair: pair.question)
        answers = pair_answers(session)
        names = product_names(session)
    evidence = read_evidence(database, [one for pair in pairs for one in pair.passage_ids])
    skipped: Counter[str] = Counter()
    asked: dict[str, list[AnsweredQuestion]] = {"train": [], "dev": []}
    for pair in pairs:
        gold = tuple(evidence[one] for one in pair.passage_ids if one in evidence)
        if pair.split not in asked:
            continue
        if not gold:
            skipped[NO_PASSAGE] += 1
            continue
        name = names.get(pair.product_id or "", ())[:1]
        asked[pair.split].append(
            AnsweredQuestion(
                id=pair.id,
                question=pair.question,
                answer=answers[pair.id],
                gold=gold,
                weight=min(1.0, max(pair.weight, 1e-3)),
                subjects=name,
            )
        )
    train = _most_different(asked["train"], encoder, most_train, turn)
    skipped[ALIKE] += len(asked["train"]) - len(train)
    return GatheredAnswers(
        train=train,
        dev=_drawn(asked["dev"], most_dev),
        skipped={reason: count for reason, count in skipped.items() if count},
    )


def _most_different(
    asked: Sequence[AnsweredQuestion], encoder: Encoder, count: int, turn: int
) -> list[AnsweredQuestion]:
    vectors = encoder.encode_queries([one.question for one in asked])
    order = choose_diverse(vectors, [one.weight for one in asked], (turn + 1) * count)
    taken = [order[(turn * count + place) % len(order)] for place in range(min(count, len(order)))]
    return [asked[place] for place in sorted(taken)]


def _drawn(asked: Sequence[AnsweredQuestion], count: int) -> list[AnsweredQuestion]:
    by_checksum = sorted(asked, key=lambda one: hashlib.sha256(one.question.encode()).digest())
    return sorted(by_checksum[:count], key=lambda one: one.question)


def read_evidence(database: Database, ids: Sequence[str]) -> dict[str, Evidence]:
    """Passages as the generator is shown them, by id; without those that are gone."""
    found: dict[str, Evidence] = {}
    unique = list(dict.fromkeys(ids))
    with database.reading() as session:
        for begin in range(0, len(unique), BATCH):
            for passage_id, view in get_passages(session, unique[begin : begin + BATCH]).items():
                found[passage_id] = Evidence(
                    passage_id=passage_id,
                    title=view.title,
                    heading_path=view.heading_path,
                    text=view.text,
                    score=0.0,
                )
    return found


def search_evidence(
    database: Database,
    retrieval: Retrieval,
    asked: Sequence[AnsweredQuestion],
    *,
    k: int,
    report: Callable[[int, int], None],
) -> list[list[Evidence]]:
    """For each question what the search returns, best first."""
    vectors = retrieval.encoder.encode_queries([one.question for one in asked])
    found = []
    for place, one in enumerate(asked):
        report(place, len(asked))
        found.append([hit.passage_id for hit in retrieval.find(one.question, vectors[place], k=k)])
    report(len(asked), len(asked))
    evidence = read_evidence(database, [passage_id for ids in found for passage_id in ids])
    return [[evidence[one] for one in ids if one in evidence] for ids in found]

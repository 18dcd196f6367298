"""The filters that a pair goes through, in this order: well formed, answerable, found again, new, safe."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from app.db.pair_drafts import PairStatus
from app.db.pair_evidence import evidence_passages
from app.db.pair_reviews import Ruling, record_rulings
from app.db.passages import PassageView, get_passages
from app.db.session import Database
from app.db.tables import QAPair
from app.qa.merging import TRUST, Merge, merge_related
from app.qa.questions import KnownQuestions, question_vectors
from app.searching import LiveIndex
from app.settings import Settings
from generator.models import Generator
from ingest.pairs.drafts import Origin
from ingest.pairs.duplicates import find_related
from ingest.pairs.privacy_rules import PersonalKind
from ingest.pairs.reading import ReadingItem, check_answerable
from ingest.pairs.wording import judge_wording
from retriever.arrays import Vectors
from retriever.encoder import Encoder
from retriever.search import SearchConfig, search

PASSAGES_ALONE = SearchConfig(qa_weight=0.0)
_MARKER = re.compile("|".join(re.escape(f"[{kind}]") for kind in PersonalKind))
MODEL = "model"  # the method of pairs that a model wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig:
    """When a filter takes a pair out.

    Attributes:
        wording: Least score of a well-formed pair.
        answerable: Least score of the reader's answer, for pairs that a model wrote.
        found_within: A generated question must find its own evidence among so many passages.
        same_cosine: Questions nearer than this are compared as the same one.
    """

    wording: float = 0.5
    answerable: float = 0.5
    found_within: int = 10
    same_cosine: float = 0.9


@dataclass(slots=True, kw_only=True)
class _Candidate:
    """A pair on its way through the filters."""

    pair: QAPair
    passages: list[PassageView]
    scores: dict[str, float] = field(default_factory=dict)
    ruling: Ruling | None = None

    def rank_among(self, passage_ids: Sequence[str]) -> int | None:
        """The place, from 1, of the first passage that is evidence."""
        own = {view.id for view in self.passages}
        return next((rank for rank, found in enumerate(passage_ids, start=1) if found in own), None)

    def refuse(self, filter_name: str, why: str) -> None:
        """Take the pair out, visibly."""
        self.ruling = Ruling(
            pair_id=self.pair.id,
            status=PairStatus.FILTERED,
            reason=f"{filter_name}: {why}",
            scores=self.scores,
        )


class PairFilter:
    """Filters new pairs, batch by batch, against all that were taken in before.

    Args:
        database: The database.
        settings: Thresholds of approval.
        encoder: What compares questions.
        live: Gives the index that questions must find their evidence in.
        generator: Gives the reader, asked for only when a pair needs it.
        should_stop: Asked between a model's steps.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        encoder: Encoder,
        live: Callable[[], LiveIndex],
        generator: Callable[[], Generator],
        *,
        should_stop: Callable[[], bool],
        config: FilterConfig | None = None,
    ) -> None:
        self._database = database
        self._thresholds = {
            Origin.ADMIN: 0.0,
            Origin.AUTHORED: settings.approve_authored,
            Origin.COMMUNITY: settings.approve_community,
            Origin.TRANSCRIPT: settings.approve_transcript,
            Origin.GENERATED: settings.approve_generated,
        }
        self._encoder = encoder
        self._live = live
        self._generator = generator
        self._should_stop = should_stop
        self._config = config or FilterConfig()
        self._known = KnownQuestions(database, encoder)

    def filter_next(self, limit: int, *, now: datetime) -> int:
        """Filter some of the pairs that are new; how many there were, 0 when none is left."""
        candidates = self._next(limit)
        if not candidates:
            return 0
        questions = [one.pair.question for one in candidates]
        vectors = question_vectors(self._database, self._encoder, questions)
        self._judge_wording(candidates)
        self._read(candidates)
        self._find_again(candidates, vectors)
        self._compare(candidates, vectors)
        self._weigh(candidates)
        with self._database.writing() as session:
            record_rulings(session, [one.ruling for one in candidates if one.ruling], now=now)
        return len(candidates)

    def _next(self, limit: int) -> list[_Candidate]:
        """New pairs, those of more trust first, so that of two equal ones the better stays."""
        trust = case({origin.value: place for place, origin in enumerate(TRUST)}, value=QAPair.origin)
        with self._database.reading() as session:
            pairs = session.scalars(
                select(QAPair)
                .where(QAPair.status == PairStatus.NEW)
                .order_by(trust, QAPair.created_at, QAPair.id)
                .limit(limit)
            ).all()
            evidence = evidence_passages(session, [pair.id for pair in pairs])
            views = get_passages(session, [one for ids in evidence.values() for one in ids])
        return [
            _Candidate(pair=pair, passages=[views[one] for one in evidence.get(pair.id, ()) if one in views])
            for pair in pairs
        ]

    def _judge_wording(self, candidates: Sequence[_Candidate]) -> None:
        for one in candidates:
            wording = judge_wording(one.pair.question, one.pair.answer)
            one.scores["well_formed"] = round(wording.score, 4)
            if wording.score < self._config.wording:
                one.refuse("well_formed", wording.reason or "")

    def _read(self, candidates: Sequence[_Candidate]) -> None:
        """Answer what a model asked from its evidence, and compare with the stored answer."""
        asked = [one for one in _left(candidates) if one.pair.method == MODEL]
        if not asked:
            return
        items = [
            ReadingItem(
                question=one.pair.question,
                answer=one.pair.answer,
                passage_title=one.passages[0].title if one.passages else "",
                heading_path=one.passages[0].heading_path if one.passages else (),
                passage_text="\n\n".join(view.text for view in one.passages),
            )
            for one in asked
        ]
        readings = check_answerable(items, self._generator(), should_stop=self._should_stop)
        for one, reading in zip(asked, readings, strict=True):
            one.scores["answerable"] = round(reading.score, 4)
            if reading.score < self._config.answerable:
                one.refuse("answerable", f"read from its evidence, the answer is: {reading.reader_answer}")

    def _find_again(self, candidates: Sequence[_Candidate], vectors: Vectors) -> None:
        """Ask the index without other questions: by the vector, or by all means if that is better."""
        k, live = self._config.found_within, self._live()
        allowed = live.index.allowed_rows(hidden_documents=live.hidden_documents)
        rankings = live.index.vectors.search(vectors, k=k, allowed=allowed)
        for one, vector, ranking in zip(candidates, vectors, rankings, strict=True):
            if one.ruling is not None:
                continue
            rank = one.rank_among([live.index.passage_ids[row] for row in ranking.rows.tolist()])
            if rank != 1:
                fused = one.rank_among(self._search(live, one.pair.question, vector))
                rank = min((found for found in (rank, fused) if found is not None), default=None)
            one.scores["found_again"] = 0.0 if rank is None else round(1 - (rank - 1) / k, 4)
            if rank is None and one.pair.origin == Origin.GENERATED:
                one.refuse("found_again", f"its evidence is not among the first {k} passages")

    def _search(self, live: LiveIndex, question: str, vector: Vectors) -> list[str]:
        hits = search(
            live.index,
            self._encoder,
            question,
            k=self._config.found_within,
            config=PASSAGES_ALONE,
            hidden_documents=live.hidden_documents,
            query=vector[None, :],
        )
        return [hit.passage_id for hit in hits]

    def _compare(self, candidates: Sequence[_Candidate], vectors: Vectors) -> None:
        """Merge pairs that are there already; flag the same question with another answer."""
        known, before = self._known, len(self._known)
        fresh: dict[int, tuple[_Candidate, Vectors]] = {}
        for one, vector in zip(candidates, vectors, strict=True):
            if one.ruling is None:
                fresh[len(known)] = (one, vector)
                known.add(one.pair, vector)
        related = find_related(
            known.vectors,
            known.questions,
            known.answers,
            new=list(fresh),
            minimum_cosine=self._config.same_cosine,
        )
        merges = merge_related(related, known.origins, known.products)
        ids, splits = list(known.ids), list(known.splits)
        known.forget_after(before)
        for place, (one, vector) in fresh.items():
            merge = merges.get(place, Merge())
            if merge.split_from is not None:
                splits[place] = one.pair.split = splits[merge.split_from]
            one.scores["new"] = 1.0 if merge.original is None else 0.0
            one.ruling = _merged(one, merge, ids)
            if merge.original is None:
                known.add(one.pair, vector)

    def _weigh(self, candidates: Sequence[_Candidate]) -> None:
        """Approve, or leave to a person: what a person wrote about people always is."""
        for one in candidates:
            if one.ruling is None or one.ruling.status is not PairStatus.NEW:
                continue
            removed = len(_MARKER.findall(f"{one.pair.question}\n{one.pair.answer}"))
            one.scores["safe"] = round(1 / (1 + removed), 4)
            quality = quality_of(one.scores)
            threshold = self._thresholds[Origin(one.pair.origin)]
            reason = None
            if removed:
                reason = f"safe: personal data was removed in {removed} places"
            elif one.ruling.conflicts_with:
                reason = "new: another pair answers the same question otherwise"
            elif quality < threshold:
                reason = f"quality {quality:.2f} is below {threshold:.2f}"
            one.ruling = replace(
                one.ruling,
                status=PairStatus.APPROVED if reason is None else PairStatus.PENDING,
                reason=reason,
                quality=round(quality, 4),
            )


def _left(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    return [one for one in candidates if one.ruling is None]


def _merged(one: _Candidate, merge: Merge, ids: Sequence[str]) -> Ruling:
    """The ruling after comparing with other pairs: a duplicate, or still open."""
    original = None if merge.original is None else ids[merge.original]
    return Ruling(
        pair_id=one.pair.id,
        status=PairStatus.NEW if original is None else PairStatus.DUPLICATE,
        reason=None if original is None else f"new: the same as {original}",
        scores=one.scores,
        duplicate_of=original,
        conflicts_with=tuple(ids[place] for place in merge.conflicts),
        supersedes=tuple(ids[place] for place in merge.superseded),
        split=one.pair.split,
    )


def quality_of(scores: Mapping[str, float]) -> float:
    """A pair's worth in [0, 1]: the geometric mean of how well formed, answerable and findable it is."""
    judged = [scores[name] for name in ("well_formed", "answerable", "found_again") if name in scores]
    product = 1.0
    for score in judged:
        product *= max(score, 0.01)  # an unfound question must not make a pair worthless
    return float(product ** (1 / len(judged))) if judged else 0.0


def count_new(session: Session) -> int:
    """How many pairs wait for the filters."""
    waiting = select(func.count()).select_from(QAPair).where(QAPair.status == PairStatus.NEW)
    return session.scalar(waiting) or 0

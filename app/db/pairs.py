"""QA pairs as the API and the command line show them."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.db.tables import Document, DocumentVersion, Product, QAEvidence, QAPair
from ingest.media_types import MediaType


class PairNotFound(Exception):
    """No QA pair has this id."""

    def __init__(self, pair_id: str) -> None:
        super().__init__(f"no QA pair {pair_id!r}; GET /v1/qa-pairs lists them")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """What a pair's answer rests on: ``quote`` is exactly ``start`` to ``end`` of that version's text."""

    document_id: str
    version: int
    uri: str
    title: str
    start: int
    end: int
    seconds: tuple[float, float] | None
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """A QA pair as the API shows it."""

    id: str
    question: str
    answer: str
    origin: str
    method: str
    status: str
    reason: str | None
    scores: dict[str, float]
    quality: float | None
    weight: float
    product: str | None
    split: str
    split_seed: int
    duplicate_of: str | None
    conflicts_with: tuple[str, ...]
    created_at: datetime
    changed_at: datetime
    approved_at: datetime | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    evidence: tuple[EvidenceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFilter:
    """Which pairs a list shows; None leaves a field open.

    Attributes:
        status: One of `app.db.pair_drafts.PairStatus`.
        origin: One of `ingest.pairs.drafts.Origin`.
        product: Name of the product.
        document_id: A document that the pair's evidence is in.
        split: ``train``, ``dev`` or ``test``.
        text: Letters that the question or the answer holds, in any case.
        conflicting: Whether another pair gives the same question another answer.
        allowed_products: Ids of the only products that may be seen.
    """

    status: str | None = None
    origin: str | None = None
    product: str | None = None
    document_id: str | None = None
    split: str | None = None
    text: str | None = None
    conflicting: bool | None = None
    allowed_products: Collection[str] | None = None


def list_pairs(
    session: Session, wanted: PairFilter, *, after: str | None = None, limit: int
) -> list[PairView]:
    """Pairs by id, beginning after the id ``after``."""
    query = select(QAPair).where(*_conditions(wanted)).order_by(QAPair.id).limit(limit)
    if after is not None:
        query = query.where(QAPair.id > after)
    return _views(session, session.scalars(query).all(), wanted.allowed_products)


def _conditions(wanted: PairFilter) -> list[ColumnElement[bool]]:
    columns = {QAPair.status: wanted.status, QAPair.origin: wanted.origin, QAPair.split: wanted.split}
    conditions = [column == value for column, value in columns.items() if value is not None]
    if wanted.product is not None:
        named = select(Product.id).where(Product.name == wanted.product)
        conditions.append(QAPair.product_id.in_(named))
    if wanted.document_id is not None:
        rests = exists().where(QAEvidence.pair_id == QAPair.id, QAEvidence.document_id == wanted.document_id)
        conditions.append(rests)
    if wanted.text is not None:
        either = QAPair.question + "\n" + QAPair.answer
        conditions.append(either.icontains(wanted.text, autoescape=True))
    if wanted.conflicting is not None:
        some = func.json_array_length(QAPair.conflicts_with) > 0
        conditions.append(some if wanted.conflicting else ~some)
    if wanted.allowed_products is not None:
        conditions.append(_is_of(wanted.allowed_products))
    return conditions


def _is_of(products: Collection[str]) -> ColumnElement[bool]:
    """A pair is of products if it is about one of them and rests on documents of theirs alone."""
    of_another = or_(Document.product_id.is_(None), Document.product_id.not_in(products))
    rests_elsewhere = (
        select(QAEvidence.pair_id)
        .join(Document, Document.id == QAEvidence.document_id)
        .where(QAEvidence.pair_id == QAPair.id, of_another)
        .exists()
    )
    return and_(QAPair.product_id.in_(products), ~rests_elsewhere)


def pairs_of_products(
    session: Session, ids: Collection[str], allowed_products: Collection[str]
) -> frozenset[str]:
    """Which of these pairs are about one of these products and rest on documents of theirs alone."""
    return frozenset(session.scalars(select(QAPair.id).where(QAPair.id.in_(ids), _is_of(allowed_products))))


def get_pairs(
    session: Session, ids: Sequence[str], *, allowed_products: Collection[str] | None = None
) -> list[PairView]:
    """Pairs of these ids that are there and may be seen, by id; None allows all products."""
    query = select(QAPair).where(QAPair.id.in_(ids)).order_by(QAPair.id)
    if allowed_products is not None:
        query = query.where(_is_of(allowed_products))
    return _views(session, session.scalars(query).all(), allowed_products)


def get_pair(session: Session, pair_id: str, *, allowed_products: Collection[str] | None = None) -> PairView:
    """One pair.

    Raises:
        PairNotFound: If there is none of this id, or it may not be seen.
    """
    found = get_pairs(session, [pair_id], allowed_products=allowed_products)
    if not found:
        raise PairNotFound(pair_id)
    return found[0]


def _views(
    session: Session, rows: Sequence[QAPair], allowed_products: Collection[str] | None
) -> list[PairView]:
    evidence = _evidence(session, [row.id for row in rows])
    hidden: set[str] = set()
    if allowed_products is not None:
        related = {one for row in rows for one in (*row.conflicts_with, row.duplicate_of) if one is not None}
        hidden = related - pairs_of_products(session, related, allowed_products)
    products = {row.id: row.name for row in session.execute(select(Product.id, Product.name))}
    return [
        PairView(
            id=row.id,
            question=row.question,
            answer=row.answer,
            origin=row.origin,
            method=row.method,
            status=row.status,
            reason=row.reason,
            scores=row.scores,
            quality=row.quality,
            weight=row.weight,
            product=None if row.product_id is None else products[row.product_id],
            split=row.split,
            split_seed=row.split_seed,
            duplicate_of=None if row.duplicate_of in hidden else row.duplicate_of,
            conflicts_with=tuple(one for one in row.conflicts_with if one not in hidden),
            created_at=row.created_at,
            changed_at=row.changed_at,
            approved_at=row.approved_at,
            reviewed_at=row.reviewed_at,
            reviewed_by=row.reviewed_by,
            evidence=tuple(evidence.get(row.id, ())),
        )
        for row in rows
    ]


def _evidence(session: Session, ids: Sequence[str]) -> dict[str, list[EvidenceView]]:
    """Evidence by pair; without that of deleted documents."""
    quote = func.substr(DocumentVersion.text, QAEvidence.start + 1, QAEvidence.end - QAEvidence.start)
    title = func.coalesce(DocumentVersion.given_title, DocumentVersion.title, DocumentVersion.name)
    rows = session.execute(
        select(QAEvidence, Document.uri, title, quote)
        .join(Document, and_(Document.id == QAEvidence.document_id, Document.deleted_at.is_(None)))
        .join(
            DocumentVersion,
            and_(
                DocumentVersion.document_id == QAEvidence.document_id,
                DocumentVersion.version == QAEvidence.version,
            ),
        )
        .where(QAEvidence.pair_id.in_(ids))
        .order_by(QAEvidence.pair_id, QAEvidence.ordinal)
    )
    found: dict[str, list[EvidenceView]] = {}
    for at, uri, name, text in rows:
        seconds = None if at.seconds_start is None else (at.seconds_start, at.seconds_end)
        found.setdefault(at.pair_id, []).append(
            EvidenceView(
                document_id=at.document_id,
                version=at.version,
                uri=uri,
                title=name,
                start=at.start,
                end=at.end,
                seconds=seconds,
                quote=text or "",
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatistics:
    """How many pairs there are.

    Attributes:
        by_origin: Origin to status to count.
        by_method: Method to status to count.
        filtered_by: Origin to the filter that took them out, to count.
        approved_by_split: Approved pairs in ``train``, ``dev`` and ``test``.
        conflicting: Pairs whose question another pair answers otherwise.
        waiting: Pairs that wait for a person: pending and stale ones.
    """

    by_origin: dict[str, dict[str, int]]
    by_method: dict[str, dict[str, int]]
    filtered_by: dict[str, dict[str, int]]
    approved_by_split: dict[str, int]
    conflicting: int
    waiting: int


def count_pairs(session: Session, *, allowed_products: Collection[str] | None = None) -> PairStatistics:
    """Counts over all pairs, or over those of these products."""
    counted = _conditions(PairFilter(allowed_products=allowed_products))
    rows = session.execute(
        select(QAPair.origin, QAPair.method, QAPair.status, QAPair.reason, QAPair.split).where(*counted)
    )
    origins: dict[str, Counter[str]] = {}
    methods: dict[str, Counter[str]] = {}
    filters: dict[str, Counter[str]] = {}
    splits: Counter[str] = Counter()
    waiting = 0
    for origin, method, status, reason, split in rows:
        origins.setdefault(origin, Counter())[status] += 1
        methods.setdefault(method, Counter())[status] += 1
        waiting += status in ("pending", "stale")
        if status == "filtered":
            filters.setdefault(origin, Counter())[(reason or "").split(":")[0]] += 1
        if status == "approved":
            splits[split] += 1
    some = func.json_array_length(QAPair.conflicts_with) > 0
    conflicting = session.scalar(select(func.count()).select_from(QAPair).where(some, *counted)) or 0
    return PairStatistics(
        by_origin={key: dict(count) for key, count in origins.items()},
        by_method={key: dict(count) for key, count in methods.items()},
        filtered_by={key: dict(count) for key, count in filters.items()},
        approved_by_split=dict(splits),
        conflicting=conflicting,
        waiting=waiting,
    )


def pairs_in_records(session: Session) -> frozenset[str]:
    """Pairs with evidence in a document that was made from a table or a thread.

    Such a document holds its pairs' questions as headings, so these pairs find themselves.
    """
    return frozenset(
        session.scalars(
            select(QAEvidence.pair_id)
            .join(
                DocumentVersion,
                and_(
                    DocumentVersion.document_id == QAEvidence.document_id,
                    DocumentVersion.version == QAEvidence.version,
                ),
            )
            .where(DocumentVersion.media_type == MediaType.PAIRS)
            .distinct()
        )
    )

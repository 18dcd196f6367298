"""Rows that hold something of deleted documents: counted and removed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db.answers import REMOVED, redacted
from app.db.deletions import DeletionView, Place, name_sha256, scrubbed_address
from app.db.pair_drafts import question_sha256
from app.db.pair_evidence import remove_document_evidence, remove_pairs
from app.db.pair_work import version_subject
from app.db.passages import LIVE_PASSAGE, LOOKUP_SIZE
from app.db.products import labelled_questions
from app.db.tables import (
    Answer,
    Document,
    DocumentVersion,
    Embedding,
    EvaluationRun,
    Interaction,
    NearDuplicate,
    Passage,
    QAEvent,
    QAEvidence,
    QAPair,
    QAWork,
    Search,
)

SHOWN = "deleted"  # stands for a purged passage among those that a search showed: places stay as they were

Found = dict[Place, Counter[str]]
"""Place to deletion to how much of its document is there."""


@dataclass(slots=True)
class Sought:
    """What is looked for: each id or checksum with the deletions that it belongs to."""

    documents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bytes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    texts: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    passages: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    pairs: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def seek(session: Session, deletions: Iterable[DeletionView]) -> Sought:
    """What to look for to find anything of these deletions' documents.

    An address that another document has by now is not looked for, nor a pair that was restored from an export
    and rests on another document.
    """
    sought = Sought()
    for deletion in deletions:
        sought.documents[deletion.document_id].append(deletion.id)
        for kind in ("bytes", "texts", "passages", "pairs", "names"):
            for value in getattr(deletion.fingerprints, kind):
                getattr(sought, kind)[value].append(deletion.id)
    for uri in session.scalars(select(Document.uri).where(Document.deleted_at.is_(None))):
        sought.names.pop(name_sha256(uri), None)
    on_live = (
        select(QAEvidence.pair_id)
        .join(Document, Document.id == QAEvidence.document_id)
        .where(Document.deleted_at.is_(None))
    )
    for pairs in _parts(sought.pairs):
        for pair_id in session.scalars(on_live.where(QAEvidence.pair_id.in_(pairs))):
            sought.pairs.pop(pair_id, None)
    return sought


def owners(found: Iterable[str], of: Mapping[str, Sequence[str]]) -> Counter[str]:
    """How often each deletion was found, by what was found of it."""
    return Counter(deletion for one in found for deletion in of.get(one, ()))


def count_rows(session: Session, sought: Sought) -> Found:
    """How many rows of each place hold something of the documents."""
    return {
        Place.PAIRS: owners(_column(session, QAEvidence.document_id, sought.documents), sought.documents)
        + owners(_column(session, QAPair.id, sought.pairs), sought.pairs),
        Place.PAIR_EVENTS: owners(_column(session, QAEvent.pair_id, sought.pairs), sought.pairs),
        Place.NEAR_DUPLICATES: owners(
            [
                *_column(session, NearDuplicate.first_id, sought.documents),
                *_column(session, NearDuplicate.second_id, sought.documents),
            ],
            sought.documents,
        ),
        Place.ADDRESS: owners(_unscrubbed(session, sought), sought.documents),
        Place.TEXTS: owners(
            _column(session, DocumentVersion.document_id, sought.documents), sought.documents
        ),
        Place.PASSAGES: owners(_column(session, Passage.document_id, sought.documents), sought.documents),
        Place.EMBEDDINGS: owners(
            _column(session, Embedding.text_sha256, _unused(session, sought)), sought.texts
        ),
        Place.PAIR_WORK: _count_work(session, sought),
        Place.SEARCHES: owners(
            (one for _, shown in _searches(session, sought) for one in set(shown)), sought.passages
        ),
        Place.INTERACTIONS: owners(
            _column(session, Interaction.passage_id, sought.passages), sought.passages
        ),
        Place.ANSWERS: Counter(one for _, found, _ in _answers(session, sought) for one in found),
        Place.EVALUATIONS: Counter(
            one for row in _reports(session) for one in set(_in_report(row.report, sought)[1])
        ),
    }


def bytes_in_use(session: Session, sha256s: Collection[str]) -> set[str]:
    """Those of some checksums that a document which is not deleted has too."""
    live = Document.deleted_at.is_(None)
    query = select(DocumentVersion.sha256).join(Document, Document.id == DocumentVersion.document_id)
    return {
        sha256
        for part in _parts(sha256s)
        for sha256 in session.scalars(query.where(live, DocumentVersion.sha256.in_(part)))
    }


def _parts(values: Iterable[str]) -> Iterator[list[str]]:
    listed = list(values)
    for begin in range(0, len(listed), LOOKUP_SIZE):
        yield listed[begin : begin + LOOKUP_SIZE]


def _column(session: Session, column: InstrumentedAttribute[Any], wanted: Iterable[str]) -> list[str]:
    """The values of a column that are among those wanted, one for each row."""
    return [one for part in _parts(wanted) for one in session.scalars(select(column).where(column.in_(part)))]


def _unscrubbed(session: Session, sought: Sought) -> list[str]:
    rows = [
        row
        for part in _parts(sought.documents)
        for row in session.execute(select(Document.id, Document.uri).where(Document.id.in_(part)))
    ]
    return [row.id for row in rows if row.uri != scrubbed_address(row.id)]


def _unused(session: Session, sought: Sought) -> list[str]:
    """Those of the checksums of texts that nothing which is still here needs."""
    needed = {question_sha256(question) for question, _ in labelled_questions(session)}
    for part in _parts(sought.texts):
        live = select(Passage.embedding_sha256).join(Document, LIVE_PASSAGE)
        needed.update(session.scalars(live.where(Passage.embedding_sha256.in_(part)).distinct()))
        asked = select(QAPair.question_sha256).where(QAPair.question_sha256.in_(part))
        needed.update(session.scalars(asked.distinct()))
    return [one for one in sought.texts if one not in needed]


def _count_work(session: Session, sought: Sought) -> Counter[str]:
    found = owners(_column(session, QAWork.subject, _unused(session, sought)), sought.texts)
    for document_id, deletions in sought.documents.items():
        about = _about_document(document_id)
        rows = len(session.scalars(select(QAWork.subject).where(about)).all())
        found.update(dict.fromkeys(deletions, rows))
    return found


def _about_document(document_id: str) -> ColumnElement[bool]:
    return QAWork.subject.startswith(version_subject(document_id, 0)[:-1], autoescape=True)


def _searches(session: Session, sought: Sought) -> Iterator[tuple[str, list[str]]]:
    """Id of every search that showed a passage, and what it showed of them."""
    if not sought.passages:
        return
    for row in session.execute(select(Search.id, Search.shown).execution_options(yield_per=LOOKUP_SIZE)):
        shown = [one for one in row.shown if one in sought.passages]
        if shown:
            yield row.id, shown


def _answers(session: Session, sought: Sought) -> Iterator[tuple[str, set[str], str]]:
    """Id of every answer that rests on one of the documents, the deletions, and its words."""
    rows = session.execute(
        select(Answer.id, Answer.response, Answer.asked).execution_options(yield_per=LOOKUP_SIZE)
    )
    for row in rows:
        found: set[str] = set()
        for citation in row.response["citations"]:
            found.update(sought.documents.get(citation["document_id"], ()))
        for one in row.asked.get("evidence", []):
            found.update(sought.passages.get(one["passage_id"], ()))
        found.update(sought.pairs.get(row.asked.get("pair") or "", ()))
        if found:
            words = row.response["text"] if row.response["status"] == "answered" else ""
            yield row.id, found, words


def _quoting(session: Session, words: Collection[str]) -> list[str]:
    """Ids of answers in whose conversation one of these answers was given back."""
    if not words:
        return []
    rows = session.execute(select(Answer.id, Answer.asked).execution_options(yield_per=LOOKUP_SIZE))
    return [
        row.id for row in rows if any(turn["answer"] in words for turn in row.asked.get("conversation", []))
    ]


def _reports(session: Session) -> Iterator[EvaluationRun]:
    query = select(EvaluationRun).order_by(EvaluationRun.id)
    yield from session.scalars(query.execution_options(yield_per=1))


def _blank(value: Any) -> Any:
    """What stands for a purged value: of the same type, so that reports can still be read."""
    if isinstance(value, str):
        return REMOVED
    return [] if isinstance(value, list) else value


def _in_report(report: Any, sought: Sought) -> tuple[Any, list[str]]:
    """A report without the questions of pairs and the places of passages, and whose they were."""
    if isinstance(report, str):
        found = sought.names.get(name_sha256(report), ())
        return (REMOVED if found else report), list(found)
    if isinstance(report, list):
        items = [_in_report(one, sought) for one in report]
        return [one for one, _ in items], [each for _, found in items for each in found]
    if not isinstance(report, dict):
        return report, []
    mine = [*sought.passages.get(report.get("passage_id", ""), ())]
    if "question" in report and report["question"] != REMOVED:
        mine += sought.pairs.get(report.get("id", ""), ())
    members = {name: _in_report(value, sought) for name, value in report.items()}
    clean = {name: value for name, (value, _) in members.items()}
    inner = [each for _, found in members.values() for each in found]
    if report.get("passage_id") in sought.passages:
        clean = {name: _blank(value) for name, value in clean.items()}
    elif (mine or inner) and "question" in report:
        clean["question"] = REMOVED
    return clean, [*mine, *inner]


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Ids of the records that showed or quote the documents."""

    searches: tuple[str, ...]
    answers: tuple[str, ...]
    evaluations: tuple[str, ...]


def find_records(session: Session, sought: Sought) -> Records:
    """What `remove_rows` rewrites; found before, since reading every record takes a while."""
    resting = list(_answers(session, sought))
    quoting = _quoting(session, {words for _, _, words in resting if words})
    return Records(
        searches=tuple(search_id for search_id, _ in _searches(session, sought)),
        answers=tuple(dict.fromkeys([*(answer_id for answer_id, _, _ in resting), *quoting])),
        evaluations=tuple(row.id for row in _reports(session) if _in_report(row.report, sought)[1]),
    )


def remove_rows(session: Session, sought: Sought, records: Records) -> None:
    """Remove all that `count_rows` finds, in one transaction; safe to repeat."""
    for document_id in sought.documents:
        remove_document_evidence(session, document_id)
        session.execute(delete(QAWork).where(_about_document(document_id)))
        session.execute(
            update(Document).where(Document.id == document_id).values(uri=scrubbed_address(document_id))
        )
    remove_pairs(session, list(sought.pairs))
    for documents in _parts(sought.documents):
        either = or_(NearDuplicate.first_id.in_(documents), NearDuplicate.second_id.in_(documents))
        session.execute(delete(NearDuplicate).where(either))
        session.execute(delete(Passage).where(Passage.document_id.in_(documents)))
        session.execute(delete(DocumentVersion).where(DocumentVersion.document_id.in_(documents)))
    for passages in _parts(sought.passages):
        session.execute(delete(Interaction).where(Interaction.passage_id.in_(passages)))
    for texts in _parts(_unused(session, sought)):
        session.execute(delete(Embedding).where(Embedding.text_sha256.in_(texts)))
        session.execute(delete(QAWork).where(QAWork.subject.in_(texts)))
    _rewrite(session, sought, records)


def _rewrite(session: Session, sought: Sought, records: Records) -> None:
    for searches in _parts(records.searches):
        for search in session.scalars(select(Search).where(Search.id.in_(searches)).with_for_update()):
            search.shown = [SHOWN if one in sought.passages else one for one in search.shown]
    for answers in _parts(records.answers):
        for answer in session.scalars(select(Answer).where(Answer.id.in_(answers)).with_for_update()):
            answer.response, answer.asked = redacted(answer.response, answer.asked)
    for run_id in records.evaluations:
        run = session.get_one(EvaluationRun, run_id)
        run.report = _in_report(run.report, sought)[0]
        session.flush()

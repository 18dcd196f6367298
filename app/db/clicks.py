"""What readers were shown and what they did about it, read back to learn from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.db.answers import cited_passages
from app.db.interactions import Thumb
from app.db.passages import LOOKUP_SIZE
from app.db.tables import Answer, Document, Interaction, Passage, Search
from finetune.clicks import Showing, ShownPassage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickLog:
    """Showings of passages as they are now.

    Attributes:
        showings: Of searches and answers that a reader did something about, searches first, oldest first.
        gone: Passages with a click or thumb whose text is in no live document any more; they are left out.
    """

    showings: tuple[Showing, ...]
    gone: int


@dataclass(slots=True)
class _Done:
    """What a reader did about one search or answer; the last thumb counts, None stands for the whole."""

    clicked: set[str] = field(default_factory=set)
    thumbs: dict[str | None, Thumb | None] = field(default_factory=dict)

    def shown(self, passage_id: str, position: int) -> ShownPassage:
        return ShownPassage(
            passage_id=passage_id,
            position=position,
            clicked=passage_id in self.clicked,
            thumb=self.thumbs.get(passage_id, self.thumbs.get(None)),
        )


def read_clicks(session: Session) -> ClickLog:
    """What readers were shown and did, with passages named by their ids of today.

    A search that nobody did anything about is no showing: a program may have asked, and such searches are
    not kept. Of an answer, the passages behind its footnotes were shown, at the place of the footnote; a
    thumb up for it is one for each of them, and a thumb down leaves the whole answer out, since it does not
    say what was wrong. So are answers within a conversation, whose questions mean little alone.

    A passage of an older version of a document is followed to the passage of the current version that
    reads the same, with the same title and headings.
    """
    raw = [*_of_searches(session), *_of_answers(session)]
    shown = {passage.passage_id for showing in raw for passage in showing.passages}
    today = _follow(session, sorted(shown))
    touched = {
        passage.passage_id
        for showing in raw
        for passage in showing.passages
        if passage.clicked or passage.thumb is not None
    }
    showings = tuple(
        Showing(question=showing.question, passages=_renamed(showing.passages, today)) for showing in raw
    )
    return ClickLog(
        showings=tuple(showing for showing in showings if showing.passages),
        gone=len(touched - today.keys()),
    )


def _of_searches(session: Session) -> Iterator[Showing]:
    done: dict[str, _Done] = {}
    for row in session.execute(
        select(Interaction.search_id, Interaction.passage_id, Interaction.thumb)
        .where(Interaction.search_id.is_not(None), Interaction.passage_id.is_not(None))
        .order_by(Interaction.created_at, Interaction.id)
    ):
        _note(done.setdefault(row.search_id, _Done()), row.passage_id, row.thumb)
    searches = session.scalars(
        select(Search)
        .where(Search.id.in_(select(Interaction.search_id)))
        .order_by(Search.created_at, Search.id)
        .execution_options(yield_per=LOOKUP_SIZE)
    )
    for search in searches:
        did = done.get(search.id)
        if did is None:  # the first interaction with it came in between
            continue
        passages = (did.shown(one, place) for place, one in enumerate(search.shown, start=1))
        yield Showing(question=search.question, passages=tuple(passages))


def _of_answers(session: Session) -> Iterator[Showing]:
    done: dict[str, _Done] = {}
    for row in session.execute(
        select(Interaction.answer_id, Interaction.passage_id, Interaction.thumb)
        .where(Interaction.answer_id.is_not(None))
        .order_by(Interaction.created_at, Interaction.id)
    ):
        _note(done.setdefault(row.answer_id, _Done()), row.passage_id, row.thumb)
    answers = session.scalars(
        select(Answer)
        .where(Answer.id.in_(select(Interaction.answer_id)))
        .order_by(Answer.created_at, Answer.id)
    )
    for answer in answers:
        did = done.get(answer.id)
        if did is None or did.thumbs.get(None) == "down" or answer.asked.get("conversation"):
            continue
        places: dict[str, int] = {}
        for number, passage_id in sorted(cited_passages(session, answer).items()):
            places.setdefault(passage_id, number)
        passages = (did.shown(one, place) for one, place in places.items())
        yield Showing(question=answer.question, passages=tuple(passages))


def _note(done: _Done, passage_id: str | None, thumb: Thumb | None) -> None:
    if thumb is None and passage_id is not None:
        done.clicked.add(passage_id)
    else:
        done.thumbs[passage_id] = thumb


def _follow(session: Session, ids: Sequence[str]) -> dict[str, str]:
    """From passages of any version to the live ones that read the same; others are left out."""
    live = aliased(Passage)
    found: dict[str, str] = {}
    for begin in range(0, len(ids), LOOKUP_SIZE):
        rows = session.execute(
            select(Passage.id, live.id.label("live_id"))
            .join(Document, Document.id == Passage.document_id)
            .join(live, live.document_id == Document.id)
            .where(
                Passage.id.in_(ids[begin : begin + LOOKUP_SIZE]),
                Document.deleted_at.is_(None),
                live.version == Document.current_version,
                live.embedding_sha256 == Passage.embedding_sha256,
            )
            .order_by(live.ordinal)
        )
        for row in rows:
            if row.live_id == row.id or row.id not in found:
                found[row.id] = row.live_id
    return found


def _renamed(passages: Sequence[ShownPassage], today: Mapping[str, str]) -> tuple[ShownPassage, ...]:
    """Each live passage once: where two became one, at the higher place, with what was done about either."""
    merged: dict[str, ShownPassage] = {}
    for passage in passages:
        name = today.get(passage.passage_id)
        if name is None:
            continue
        first = merged.get(name)
        merged[name] = ShownPassage(
            passage_id=name,
            position=passage.position if first is None else min(first.position, passage.position),
            clicked=passage.clicked or (first is not None and first.clicked),
            thumb=passage.thumb or (first.thumb if first is not None else None),
        )
    return tuple(merged.values())

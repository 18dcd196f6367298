"""Clicks read back: followed to the passages of today, left out where those are no more."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.db.answers import add_answer
from app.db.clicks import ClickLog, read_clicks
from app.db.documents import delete_document
from app.db.interactions import click_citation, click_hit, rate_answer, rate_hit
from app.db.searches import SearchRecord, add_searches
from app.db.session import Database, migrate, open_engine
from app.db.tables import Document, DocumentVersion, Passage
from app.settings import Settings
from finetune.clicks import ClickConfig, Showing, ShownPassage, estimate_relevance

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    engine = open_engine(settings.database)
    migrate(engine, settings.home)
    database = Database(engine)
    with database.writing() as session:
        yield session
        session.rollback()
    database.close()


def store(session: Session, document: str, version: int, *sections: str) -> list[str]:
    """A version of a document, whose passages are its sections; it becomes the current one."""
    row = session.get(Document, document)
    if row is None:
        row = Document(id=document, uri=f"https://docs.example/{document}", created_at=NOW)
        session.add(row)
        session.flush()
    text = "".join(sections)
    session.add(
        DocumentVersion(
            document_id=document,
            version=version,
            name="a.md",
            sha256="0" * 64,
            size_bytes=1,
            state="ready",
            text=text,
            created_at=NOW,
        )
    )
    ids, start = [], 0
    for ordinal, section in enumerate(sections):
        ids.append(f"{document}.{version}.{ordinal}")
        passage = Passage(
            id=ids[-1],
            document_id=document,
            version=version,
            ordinal=ordinal,
            heading_path=[],
            start=start,
            end=start + len(section),
            embedding_sha256=section.ljust(64, "-"),
        )
        session.add(passage)
        start += len(section)
    row.current_version = version
    session.flush()
    return ids


def searched(session: Session, number: int, question: str, *shown: str) -> str:
    record = SearchRecord(
        id=f"srch_{number}",
        created_at=NOW + timedelta(seconds=number),
        question=question,
        index_version="idx_1",
        shown=shown,
    )
    add_searches(session, [record])
    session.flush()
    return record.id


def answered(
    session: Session,
    number: int,
    *citations: tuple[str, int, int],
    evidence: tuple[str, ...] = (),
    conversation: tuple[str, ...] = (),
) -> str:
    """An answer with footnotes, each to some characters of version 1 of a document."""
    response: dict[str, Any] = {
        "id": f"ans_{number}",
        "status": "answered",
        "citations": [
            {"n": n, "document_id": document, "document_version": 1, "start": start, "end": end}
            for n, (document, start, end) in enumerate(citations, start=1)
        ],
    }
    asked = {"evidence": [{"passage_id": one} for one in evidence], "conversation": list(conversation)}
    add_answer(session, question="What?", response=response, asked=asked, now=NOW + timedelta(seconds=number))
    session.flush()
    return f"ans_{number}"


def shown(passage_id: str, position: int, clicked: bool = False, thumb: Any = None) -> ShownPassage:  # noqa: FBT001, FBT002
    return ShownPassage(passage_id=passage_id, position=position, clicked=clicked, thumb=thumb)


def test_searches_that_somebody_did_something_about_are_showings(session: Session) -> None:
    a, b = store(session, "doc", 1, "one", "two")
    searched(session, 1, "nobody cared", a, b)
    first = searched(session, 2, "How long?", a, b)
    second = searched(session, 3, "How wide?", b, a)
    click_hit(session, second, a, now=NOW)
    click_hit(session, first, b, now=NOW)
    rate_hit(session, first, a, "up", None, now=NOW)
    rate_hit(session, first, a, "down", None, now=NOW + timedelta(seconds=1))
    assert read_clicks(session) == ClickLog(
        showings=(
            Showing(question="How long?", passages=(shown(a, 1, thumb="down"), shown(b, 2, clicked=True))),
            Showing(question="How wide?", passages=(shown(b, 1), shown(a, 2, clicked=True))),
        ),
        gone=0,
    )


def test_a_passage_is_followed_into_the_current_version_and_counted_where_it_is_gone(
    session: Session,
) -> None:
    kept, changed, unseen = store(session, "doc", 1, "kept", "changed", "unseen")
    (deleted,) = store(session, "old", 1, "text")
    search = searched(session, 1, "q", changed, kept, deleted, unseen)
    for passage in (changed, kept, deleted):
        click_hit(session, search, passage, now=NOW)
    new, moved = store(session, "doc", 2, "new", "kept")
    delete_document(session, "old", now=NOW)
    (showing,) = (log := read_clicks(session)).showings
    assert showing.passages == (shown(moved, 2, clicked=True),)
    assert log.gone == 2  # what nobody did anything about is not counted
    assert new not in {passage.passage_id for passage in showing.passages}


def test_a_passage_that_is_still_there_is_not_mistaken_for_one_that_reads_the_same(session: Session) -> None:
    first, second = store(session, "doc", 1, "same", "same")
    search = searched(session, 1, "q", second, first)
    click_hit(session, search, second, now=NOW)
    (showing,) = read_clicks(session).showings
    assert showing.passages == (shown(second, 1, clicked=True), shown(first, 2))
    (merged,) = store(session, "doc", 2, "same")
    (showing,) = read_clicks(session).showings
    assert showing.passages == (shown(merged, 1, clicked=True),)


def test_a_thumb_up_is_one_for_each_cited_passage_and_a_thumb_down_none(session: Session) -> None:
    a, b, c = store(session, "doc", 1, "aaaa", "bbbb", "cccc")
    liked = answered(session, 1, ("doc", 4, 6), ("doc", 0, 4), ("doc", 6, 8), evidence=(a, b, c))
    clicked = answered(session, 2, ("doc", 0, 2), ("doc", 8, 12))
    disliked = answered(session, 3, ("doc", 0, 2))
    answered(session, 4, ("doc", 0, 2))
    rate_answer(session, liked, "up", None, now=NOW)
    click_citation(session, clicked, 2, now=NOW)
    click_citation(session, disliked, 1, now=NOW)
    rate_answer(session, disliked, "down", "Wrong.", now=NOW)
    assert [showing.passages for showing in read_clicks(session).showings] == [
        (shown(b, 1, thumb="up"), shown(a, 2, thumb="up")),
        (shown(a, 1), shown(c, 2, clicked=True)),
    ]


def test_an_answer_within_a_conversation_teaches_nothing(session: Session) -> None:
    store(session, "doc", 1, "aaaa")
    answer = answered(session, 1, ("doc", 0, 2), conversation=("before",))
    rate_answer(session, answer, "up", None, now=NOW)
    assert read_clicks(session).showings == ()


def test_a_footnote_leads_to_the_passage_that_was_shown_else_to_the_one_with_most_of_its_words(
    session: Session,
) -> None:
    a, b = store(session, "doc", 1, "aaaaaa", "bbbbbb")
    for number, (evidence, expected) in enumerate((((), b), ((a,), a))):
        answer = answered(session, number, ("doc", 4, 12), evidence=evidence)
        click_citation(session, answer, 1, now=NOW)
        assert read_clicks(session).showings[-1].passages == (shown(expected, 1, clicked=True),)


def test_from_clicks_to_relevances(session: Session) -> None:
    a, b = store(session, "doc", 1, "one", "two")
    for number in range(6):
        search = searched(session, number, " How LONG? " if number % 2 else "How long?", a, b)
        click_hit(session, search, a if number == 0 else b, now=NOW)
    store(session, "doc", 2, "new", "one", "two")
    (found,) = estimate_relevance(read_clicks(session).showings, ClickConfig())
    assert (found.passage_id, found.showings, found.votes) == ("doc.2.2", 6, 5)

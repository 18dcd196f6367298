import io
import itertools
import json
import tracemalloc
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import DamagedFile
from ingest.pairs.drafts import Origin
from ingest.pairs.records import PairRecord
from ingest.pairs.rows import RowProblem
from ingest.pairs.threads import read_threads
from ingest.pairs.votes import Answer, ranked_answers, thread_weight

HEADER = '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'


def row(**attributes: object) -> str:
    written = " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items())
    return f"  <row {written} />\n"


def question(post_id: int, **others: object) -> str:
    return row(Id=post_id, PostTypeId=1, **{"Title": f"Question {post_id}?", "Body": "<p>Body</p>", **others})


def answer(post_id: int, parent: int, score: int, **others: object) -> str:
    return row(
        Id=post_id,
        PostTypeId=2,
        ParentId=parent,
        Score=score,
        **{"Body": f"<p>Answer {post_id}</p>", **others},
    )


def posts(*rows: str) -> bytes:
    return f"{HEADER}{''.join(rows)}</posts>\n".encode()


def read(data: bytes, **options: str) -> tuple[list[PairRecord], list[RowProblem]]:
    found = list(read_threads(data, name="upload", **options))
    return (
        [each for each in found if isinstance(each, PairRecord)],
        [each for each in found if isinstance(each, RowProblem)],
    )


def thread(**fields: Any) -> bytes:
    answers = [{"id": 2, "body": "Two", "votes": 3}, {"id": 3, "body": "Three", "votes": 1}]
    return json.dumps({"id": 1, "title": "Why?", "answers": answers, **fields}).encode() + b"\n"


def test_a_dump_gives_the_best_answer_of_each_question() -> None:
    found, reported = read(
        posts(
            question(1, AcceptedAnswerId=4, ViewCount=99, Body="<p>I <b>tried</b></p><pre>x &lt; y</pre>"),
            answer(3, 1, 12),
            question(2),
            row(Id=9, PostTypeId=5, Body="a wiki of a tag"),
            answer(5, 2, 1),
            answer(6, 2, 7),
            answer(4, 1, 8, Body="<p>Best &amp; <i>first</i>: a &lt; b</p><ul><li>x</li></ul>"),
        ),
        address="https://forum.example.org/questions/",
    )
    assert not reported
    first, second = found
    assert first == PairRecord(
        question="Question 1?",
        answer="Best & first: a < b\n\n- x",
        origin=Origin.COMMUNITY,
        method="thread",
        weight=thread_weight(votes=8, accepted=True, views=99),
        uri="https://forum.example.org/questions/1",
        context="I tried\n\n```\nx < y\n```",
        attribution="Accepted answer, 8 votes",
        line=3,
    )
    assert (second.answer, second.attribution, second.line) == ("Answer 6", "Answer with 7 votes", 5)
    assert second.weight == thread_weight(votes=7, accepted=False, views=0)


def test_without_an_address_there_is_none() -> None:
    assert read(posts(question(1), answer(2, 1, 1)))[0][0].uri is None


def test_what_is_wrong_in_a_dump_is_reported_with_its_line() -> None:
    found, reported = read(
        posts(
            question(1),
            question(2, AcceptedAnswerId=77),
            answer(3, 2, 1),
            answer(4, 99, 1),
            answer(5, 2, 50).replace('"50"', '"many"'),
            question(6, Title=" "),
            answer(7, 6, 1),
            question(8),
            answer(9, 8, 9, Body="<p> </p>"),
            question(10, ViewCount="1e3"),
            question(11),
            answer(12, 11, 2, Body=f"<p>{'x' * 20_001}</p>"),
            answer(13, 11, 1),
        )
    )
    assert [(each.question, each.answer) for each in found] == [
        ("Question 2?", "Answer 3"),
        ("Question 11?", "Answer 13"),
    ]
    assert [(each.line, each.reason.split(";")[0]) for each in reported] == [
        (7, "post 5: its Score is 'many', not a whole number"),
        (3, "thread 1: it has no answer"),
        (4, "thread 2: its accepted answer 77 is not in the file"),
        (8, "thread 6: its question can't be used: the question is empty"),
        (10, "thread 8: none of its answers can be used: the answer is empty"),
        (12, "post 10: its ViewCount is '1e3', not a whole number"),
        (6, "it answers question 99, which is not in the file"),
    ]


def test_a_row_of_several_lines_counts_from_its_first() -> None:
    data = posts(question(1).replace(" PostTypeId", "\n PostTypeId"), "\n", answer(2, 1, 1), question(3))
    found, reported = read(data)
    assert [each.line for each in found] == [3]
    assert [each.line for each in reported] == [7]


def test_a_dump_that_breaks_off_gives_the_threads_above() -> None:
    data = posts(question(1), answer(2, 1, 1), question(3), answer(4, 3, 1))
    found, reported = read(data[: data.index(b'Id="4"')])
    assert [each.question for each in found] == ["Question 1?"]
    assert (6, True) in [(each.line, "broken" in each.reason) for each in reported]


def laughs() -> str:
    return "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!-- a comment -->", "\n" * 500])
def test_entities_that_expand_are_refused(before: str, encoding: str) -> None:
    declared = f'<?xml version="1.0"?>{before}<!DOCTYPE posts [{laughs()}]>'
    text = f'{declared}\n<posts><row Id="1" Title="&l9;"/></posts>'
    with pytest.raises(DamagedFile):
        read_threads(text.encode(encoding), name="Posts.xml")
    if encoding == "utf-8":
        with pytest.raises(DamagedFile, match="declares a document type or entities"):
            read_threads(text.encode(), name="Posts.xml")


def test_a_declaration_behind_a_long_comment_is_refused() -> None:
    text = f"<!--{'x' * 100_000}--><!DOCTYPE posts [{laughs()}]><posts/>"
    with pytest.raises(DamagedFile, match="begin with <posts>"):
        read_threads(text.encode(), name="Posts.xml")


def test_outside_files_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    for declared in (f'[<!ENTITY e SYSTEM "{secret.as_uri()}">]', f'SYSTEM "{secret.as_uri()}"'):
        text = f'<?xml version="1.0"?><!DOCTYPE posts {declared}>' + posts(
            question(1, Title="PLACE"), answer(2, 1, 1)
        ).decode().removeprefix(HEADER.partition("\n")[0]).replace("PLACE", "&e;")
        with pytest.raises(DamagedFile, match="declares"):
            read_threads(text.encode(), name="Posts.xml")


def test_an_entity_that_nothing_declares_breaks_the_file_off() -> None:
    found, reported = read(
        posts(question(1), answer(2, 1, 1), question(3, Title="PLACE")).replace(b"PLACE", b"&e;")
    )
    assert [each.question for each in found] == ["Question 1?"]
    assert [each.line for each in reported] == [5]


@pytest.mark.parametrize("data", [b"<users><row Id='1'/></users>", b"<posts", b"<", b"\x00<posts>"])
def test_other_xml_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedFile, match="begin with <posts>"):
        read_threads(data, name="Posts.xml")


def test_a_dump_takes_memory_for_numbers_and_one_thread_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.pairs.stack_exchange._SPOOLED_IN_MEMORY_BYTES", 1000)
    body = "<p>" + "some words of an answer " * 100 + "</p>"
    count = 1_200
    questions = (question(n, Body=body) for n in range(1, count + 1))
    answers = (answer(count + n, n, 1, Body=f"{body}<p>for {n}</p>") for n in range(1, count + 1))
    stream = io.BytesIO(posts(*questions, *answers))
    size = len(stream.getvalue())
    tracemalloc.start()
    found = 0
    for number, each in enumerate(read_threads(stream, name="Posts.xml"), 1):
        assert isinstance(each, PairRecord)
        assert each.answer.endswith(f"for {number}")
        found += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == count
    assert peak < size / 3


def test_json_lines_of_threads() -> None:
    body = "I tried `a<b>`\n\nTwice."
    found, reported = read(
        b"\xef\xbb\xbf"
        + thread(accepted=3, url="https://example.org/t/1", body=body, views=10, product="Harbour")
        + b"\n"
        + thread(
            id="x", answers=[{"id": "a", "body": "A"}, {"id": "b", "body": "<b>B</b>", "accepted": True}]
        ),
        address="https://example.org/",
    )
    assert not reported
    first, second = found
    assert first == PairRecord(
        question="Why?",
        answer="Three",
        origin=Origin.COMMUNITY,
        method="thread",
        weight=thread_weight(votes=1, accepted=True, views=10),
        uri="https://example.org/t/1",
        product="Harbour",
        context=body,
        attribution="Accepted answer, 1 vote",
        line=1,
    )
    assert (second.answer, second.uri, second.line) == ("B", "https://example.org/x", 3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not valid JSON"),
        (thread(answers=None), "answers"),
        (thread(answers={}), "answers"),
        (thread(answers=["yes"]), "answers"),
        (thread(answers=[]), "no answer"),
        (thread(answers=[{"id": 1}]), "none of its answers"),
        (thread(answers=[{"id": 1, "body": "x", "votes": "3"}]), "votes"),
        (thread(answers=[{"id": True, "body": "x"}]), "id"),
        (thread(title=None), "question is empty"),
        (thread(title=7), "title"),
        (thread(views=True), "views"),
        (thread(title="x" * 1001), "1,001"),
        (thread(body="<div>" * 1500 + "</div>" * 1500), "nest"),
    ],
)
def test_broken_threads_are_reported_and_the_others_read(line: bytes, reason: str) -> None:
    found, reported = read(thread() + line.rstrip() + b"\n" + thread())
    assert [each.line for each in found] == [1, 3]
    (problem,) = reported
    assert problem.line == 2
    assert reason in problem.reason


def test_a_missing_accepted_answer_is_reported_and_the_best_other_one_taken() -> None:
    found, reported = read(thread(accepted=99))
    assert [(each.answer, each.attribution) for each in found] == [("Two", "Answer with 3 votes")]
    assert "accepted answer 99 is not in the file" in reported[0].reason


@pytest.mark.parametrize(
    ("accepted_votes", "other_votes", "first"),
    [
        (10, 19, "accepted"),  # not twice
        (10, 20, "other"),
        (3, 7, "accepted"),  # twice, but only 4 more
        (3, 8, "other"),
        (0, 4, "accepted"),
        (0, 5, "other"),
        (-3, 1, "accepted"),
        (-3, 2, "other"),
        (5, 5, "accepted"),
    ],
)
def test_an_accepted_answer_stands_unless_clearly_outvoted(
    accepted_votes: int, other_votes: int, first: str
) -> None:
    answers = [
        Answer(id="last", body="", votes=-50),
        Answer(id="other", body="", votes=other_votes),
        Answer(id="accepted", body="", votes=accepted_votes),
    ]
    ranked = [each.id for each in ranked_answers(answers, accepted="accepted")]
    assert ranked[0] == first
    assert ranked[2] == "last"


def test_equal_votes_keep_the_order_of_the_file() -> None:
    answers = [Answer(id=name, body="", votes=votes) for name, votes in [("a", 1), ("b", 2), ("c", 2)]]
    assert [each.id for each in ranked_answers(answers, accepted=None)] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("votes", "accepted", "views", "weight"),
    [
        (0, False, 0, 0.25),
        (0, True, 0, 0.6),
        (50, False, 0, 0.55),
        (50, True, 10_000, 1.0),
        (0, False, 10_000, 0.35),
        (2600, False, 0, 0.85),  # 2601 is 51 * 51
        (0, False, 99, 0.3),  # log 100 is half of log 10,000, or nearly so of log 10,001
        (-1, False, 0, 0.2),
        (-1, True, 0, 0.55),
        (-4, False, 0, 0.05),
        (-1000, False, 10_000, 0.05),
        (10**400, True, 10**400, 1.0),
        (-(10**400), True, -5, 0.05),
    ],
)
def test_weights_worked_by_hand(votes: int, accepted: bool, views: int, weight: float) -> None:  # noqa: FBT001
    assert thread_weight(votes=votes, accepted=accepted, views=views) == pytest.approx(weight, abs=1e-5)


@given(st.integers(-30, 5000), st.integers(-5, 10**6), st.integers(0, 100), st.integers(0, 10**5))
def test_more_votes_views_or_acceptance_never_weigh_less(
    votes: int, views: int, more_votes: int, more_views: int
) -> None:
    for accepted, more_accepted in itertools.combinations_with_replacement((False, True), 2):
        less = thread_weight(votes=votes, accepted=accepted, views=views)
        more = thread_weight(votes=votes + more_votes, accepted=more_accepted, views=views + more_views)
        assert 0.05 <= less <= more <= 1

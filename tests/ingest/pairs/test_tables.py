import csv
import io
import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Sequence

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import DamagedFile, EmptyFile, UnpacksTooLarge, UnsupportedType
from ingest.pairs.drafts import Origin
from ingest.pairs.pair_files import read_pair_file
from ingest.pairs.records import PairRecord
from ingest.pairs.rows import Row, RowProblem, read_delimited
from ingest.pairs.tables import ColumnsMissing, read_table


def read(data: bytes | str, name: str = "faq.csv") -> list[PairRecord | RowProblem]:
    return list(read_table(data.encode() if isinstance(data, str) else data, name=name))


def pairs(found: Iterable[PairRecord | RowProblem]) -> list[tuple[int, str, str]]:
    return [(each.line, each.question, each.answer) for each in found if isinstance(each, PairRecord)]


def problems(found: Iterable[PairRecord | RowProblem]) -> list[tuple[int, str]]:
    """Line and first words of each problem."""
    return [(each.line, each.reason) for each in found if isinstance(each, RowProblem)]


def workbook(*sheets: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, change(content) if entry.filename == name else content)
    return stream.getvalue()


def test_all_columns_are_read_whatever_their_order_and_case() -> None:
    (found,) = read(
        "Product, WEIGHT ,origin,Answer,URL,Question\n"
        "Harbour,0.5,admin,It is.,https://example.org/a,What  is it?\n"
    )
    assert found == PairRecord(
        question="What is it?",
        answer="It is.",
        origin=Origin.AUTHORED,
        method="table",
        weight=0.5,
        uri="https://example.org/a",
        product="Harbour",
        line=2,
    )


@pytest.mark.parametrize("header", ["q,a", "prompt,response", "Question,Answer", "QUESTION,a"])
def test_synonyms_name_columns(header: str) -> None:
    assert pairs(read(f"{header}\nx,y\n")) == [(2, "x", "y")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_columns(delimiter: str) -> None:
    others = "".join(mark for mark in ",;\t|" if mark != delimiter)
    rows = [["question", f"note {others}", "answer"], ["a?", "", f"b {others} c"]]
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    assert pairs(read(stream.getvalue())) == [(2, "a?", f"b {others} c")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_encodings_and_byte_order_marks(encoding: str) -> None:
    text = "question,answer\r\nWie groß ist die Überraschung für Käufer?,Sehr groß natürlich\r\n"
    assert pairs(read(text.encode(encoding))) == [
        (2, "Wie groß ist die Überraschung für Käufer?", "Sehr groß natürlich")
    ]


def test_a_broken_byte_costs_one_row() -> None:
    good = "Käse?,Schön grün für Hüte\n".encode()
    found = read(b"question,answer\n" + good * 3 + b"x,\xff\xfe\n" + good)
    assert [line for line, *_ in pairs(found)] == [2, 3, 4, 6]
    assert [line for line, _ in problems(found)] == [5]
    assert "UTF-8" in problems(found)[0][1]


def test_quotes_and_line_breaks_inside_of_fields() -> None:
    found = read('question,answer\r\n"a, ""b""?","one\r\n\r\ntwo"\r\nc?,d\r\n\r\n,\r\ne?, "f"\r\n')
    assert pairs(found) == [(2, 'a, "b"?', "one\n\ntwo"), (5, "c?", "d"), (8, "e?", "f")]
    assert len(found) == 3


def test_a_quote_that_is_not_closed_costs_one_row() -> None:
    found = read('question,answer\na,b\nc,"d\ne,f\ng,h\n')
    assert pairs(found) == [(2, "a", "b"), (4, "e", "f"), (5, "g", "h")]
    ((line, reason),) = problems(found)
    assert line == 3
    assert "not closed" in reason


def test_a_quote_that_the_next_row_would_close_costs_one_row() -> None:
    found = read('"question","answer"\n"a","b\n"c","d"\n"e","f"\n')
    assert pairs(found) == [(3, "c", "d"), (4, "e", "f")]
    assert [line for line, _ in problems(found)] == [2]


def test_the_line_of_the_quote_is_told_where_a_row_has_several_lines() -> None:
    found = read('question,answer,note\n"a\nb",c,"d\ne,f,\n')
    assert [line for line, _ in problems(found)] == [3]
    assert pairs(found) == [(4, "e", "f")]


def test_quotes_that_never_close_do_not_take_the_time_of_the_whole_file_each() -> None:
    rows = '",a,"\n' * 3_000
    start = time.perf_counter()
    found = read(f'question,answer\nx,"\n{rows}')
    assert time.perf_counter() - start < 20
    assert not pairs(found)


CELLS = st.text(st.sampled_from('ab",;\n \t|'), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=5), st.sampled_from(",;\t|"))
def test_rows_are_those_of_the_standard_library(rows: list[list[str]], delimiter: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    expected = []
    reader = csv.reader(io.StringIO(stream.getvalue(), newline=""), delimiter=delimiter)
    end = 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            expected.append(Row(end + 1, cells))
        end = reader.line_num
    assert list(read_delimited(stream.getvalue(), delimiter=delimiter)) == expected


@given(st.text(st.sampled_from('ab",\n '), max_size=60))
def test_every_line_of_any_text_is_read_or_reported(text: str) -> None:
    """Letters are never lost: each stands in a row, or in the lines of a problem."""
    found = list(read_delimited(text, delimiter=","))
    lines = [each.line for each in found]
    assert lines == sorted(set(lines))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)
    if not any(isinstance(each, RowProblem) for each in found):
        kept = "".join(str(cell) for row in found if isinstance(row, Row) for cell in row.cells)
        assert [c for c in kept if c.isalpha()] == [c for c in text if c.isalpha()]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a", "answer is empty"),
        ("a,", "answer is empty"),
        (",b", "question is empty"),
        ("a, b, c", "more cells"),
        (f"{'a' * 1001},b", "1,001 characters"),
        (f"a,{'b' * 20_001}", "20,001 characters"),
        ("a,<script>x=1</script><br>", "answer is empty"),
        (f"a,{'<div>' * 1500}x{'</div>' * 1500}", "nest"),
    ],
)
def test_broken_rows_are_reported_and_the_others_read(row: str, reason: str) -> None:
    found = read(f"question,answer\nx,y\n{row}\nz,w\n")
    assert pairs(found) == [(2, "x", "y"), (4, "z", "w")]
    ((line, told),) = problems(found)
    assert line == 3
    assert reason in told


def test_the_longest_texts_are_read() -> None:
    assert len(pairs(read(f"question,answer\n{'a' * 1000},{'b' * 20_000}\n"))) == 1


@pytest.mark.parametrize("weight", ["0", "-1", "1.01", "nan", "inf", "much"])
def test_a_weight_is_above_0_and_at_most_1(weight: str) -> None:
    ((line, reason),) = problems(read(f"question,answer,weight\na,b,{weight}\n"))
    assert line == 2
    assert weight in reason


@pytest.mark.parametrize(
    ("data", "name", "found"),
    [
        (b"title,body\na,b\n", "a.csv", "title, body"),
        (b"question\nwhat?\n", "a.csv", "question"),
        (b"", "a.csv", "none"),
        (b'{"title": "a", "body": "b"}\n', "a.jsonl", "title, body"),
        (b"not json", "a.jsonl", "none"),
        (workbook([["Name", "Text"]], [["Size"]]), "a.xlsx", "name, text, size"),
    ],
)
def test_missing_columns_are_named(data: bytes, name: str, found: str) -> None:
    with pytest.raises(ColumnsMissing, match=f"found are {found};.*question.*answer") as error:
        read_table(data, name=name)
    assert error.value.reason == "columns_missing"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("if a < b and c > d", "if a < b and c > d"),
        ("List<String> and <me@example.org>", "List<String> and <me@example.org>"),
        ("Use `<b>x</b>` for bold.", "Use `<b>x</b>` for bold."),
        ("<p>One &amp; two</p><script>alert(1)</script><p>a < b</p>", "One & two\n\na < b"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<p>Run</p><pre><code>x = 1\n  y</code></pre>", "Run\n\n```\nx = 1\n  y\n```"),
        ("one<br/>two", "one\ntwo"),
        ("A <b>bold</b> line\nnext\n\nnew List<int> `<i>`", "A bold line\nnext\n\nnew List<int> `<i>`"),
        ("See <b>it</b>:\n```\n<b>code</b>\n```\nend", "See it:\n\n```\n<b>code</b>\n```\n\nend"),
        ('<a href="x">link</a> text', "link text"),
    ],
)
def test_html_in_answers_becomes_text_and_text_stays(written: str, read_as: str) -> None:
    data = json.dumps({"question": "q", "answer": written}).encode()
    assert pairs(read(data, "a.jsonl")) == [(1, "q", read_as)]


def test_json_lines() -> None:
    lines = [
        '{"id": 1, "Question": "a?", "ANSWER": "one\u2028two", "weight": 0.25, "url": null}',
        "",
        '{"question": "b?", "answer": ',
        '["question", "answer"]',
        '{"question": "c?"}',
        '{"question": ["d?"], "answer": "x"}',
        '{"q": "e?", "a": 42.0}',
        "[" * 100_000,
    ]
    found = read("\ufeff" + "\n".join(lines), "x")
    assert pairs(found) == [(1, "a?", "one\ntwo"), (7, "e?", "42")]
    assert [line for line, _ in problems(found)] == [3, 4, 5, 6, 8]
    assert found[0].weight == 0.25 if isinstance(found[0], PairRecord) else False


def test_a_line_of_json_that_is_not_utf8_costs_one_row() -> None:
    found = read(b'{"q": "a", "a": "b"}\n{"q": "\xff", "a": "b"}\n{"q": "c", "a": "d"}\n', "a.jsonl")
    assert [line for line, *_ in pairs(found)] == [1, 3]
    assert [line for line, _ in problems(found)] == [2]


def test_a_workbook_is_read_from_the_first_sheet_with_the_columns() -> None:
    data = workbook(
        [["Notes"], ["nothing"]],
        [
            [],
            ["Question", "Answer", None, "Product"],
            ["a?", 3.0],
            [None, None],
            [None, "b"],
            ["c?", True, None, "X"],
        ],
        [["question", "answer"], ["other", "sheet"]],
    )
    found = read(data, "faq.xlsx")
    assert pairs(found) == [(3, "a?", "3"), (6, "c?", "True")]
    assert [line for line, _ in problems(found)] == [5]


def test_a_formula_gives_the_value_that_excel_stored() -> None:
    data = workbook([["question", "answer"], ["a?", '="b"&"c"'], ["d?", '="e"']])
    formula = b'<c r="B2"><f>"b"&amp;"c"</f><v></v></c>'
    stored = with_part(
        data,
        "xl/worksheets/sheet1.xml",
        lambda xml: _replaced(xml, formula, b'<c r="B2" t="str"><f>"b"&amp;"c"</f><v>bc</v></c>'),
    )
    found = read(stored, "faq.xlsx")
    assert pairs(found) == [(2, "a?", "bc")]
    assert [line for line, _ in problems(found)] == [3]


def _replaced(xml: bytes, old: bytes, new: bytes) -> bytes:
    plain = xml.replace(b"<v />", b"<v></v>").replace(b"<v/>", b"<v></v>")
    assert old in plain, plain
    return plain.replace(old, new)


@pytest.mark.parametrize("dimension", [b"A1", b"A1:B1048576", b"A1:XFD9"])
def test_the_size_that_a_sheet_states_is_not_believed(dimension: bytes) -> None:
    data = workbook([["question", "answer"], ["a?", "b"], ["c?", "d"]])
    lying = with_part(
        data,
        "xl/worksheets/sheet1.xml",
        lambda xml: _replaced(xml, b'ref="A1:B3"', b'ref="' + dimension + b'"'),
    )
    assert pairs(read(lying, "a.xlsx")) == [(2, "a?", "b"), (3, "c?", "d")]


def test_a_row_far_below_does_not_cost_a_billion_blank_ones() -> None:
    data = workbook([["question", "answer"], ["a?", "b"], ["c?", "d"]])
    far = with_part(
        data, "xl/worksheets/sheet1.xml", lambda xml: _replaced(xml, b'<row r="3"', b'<row r="9000000000"')
    )
    assert pairs(read(far, "a.xlsx"))[0] == (2, "a?", "b")


def test_a_sheet_that_breaks_off_gives_the_rows_above() -> None:
    data = workbook([["question", "answer"], *[[f"q{n}", "a"] for n in range(2_000)]])
    cut = with_part(data, "xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2])
    found = read(cut, "a.xlsx")
    assert len(pairs(found)) > 100
    ((line, reason),) = problems(found)
    assert line == len(pairs(found)) + 2
    assert "damaged" in reason


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_a_workbook_that_is_cut_short_is_damaged(part: float) -> None:
    data = workbook([["question", "answer"], *[[f"question {n}", f"answer {n}"] for n in range(500)]])
    with pytest.raises(DamagedFile, match="cut short"):
        read(data[: int(len(data) * part)], "a.xlsx")


def test_entities_in_a_workbook_are_refused() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    data = with_part(
        workbook([["question", "answer"], ["a", "b"]]),
        "xl/worksheets/sheet1.xml",
        lambda xml: f"<!DOCTYPE worksheet [{laughs}]>".encode() + xml.replace(b">b<", b">&l9;<"),
    )
    with pytest.raises(DamagedFile, match="entities"):
        read(data, "a.xlsx")


def test_a_bomb_is_refused_and_one_that_lies_is_not_unpacked() -> None:
    data = with_part(
        workbook([["question", "answer"], ["a", "b"]]),
        "xl/styles.xml",
        lambda xml: xml + b" " * 200_000_000,
    )
    with pytest.raises(UnpacksTooLarge, match="unpacks to"):
        read(data, "a.xlsx")
    stated = next(e.file_size for e in zipfile.ZipFile(io.BytesIO(data)).infolist() if e.file_size > 1e8)
    tracemalloc.start()
    with pytest.raises(DamagedFile):
        read(data.replace(struct.pack("<I", stated), struct.pack("<I", 2_000)), "a.xlsx")
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_a_hundred_thousand_rows_of_csv_take_seconds_and_flat_memory() -> None:
    rows = "".join(
        f'"question {n}, number?","answer\n{n} ""quoted"""\nplain {n},other\n' for n in range(50_000)
    )
    data = f"question,answer\n{rows}".encode()
    start = time.perf_counter()
    assert sum(isinstance(each, PairRecord) for each in read_table(data, name="a.csv")) == 100_000
    assert time.perf_counter() - start < 30


def test_memory_is_that_of_the_text_and_one_row() -> None:
    row = "What is number {}?,It is a number that comes after the one before it\n" * 1_000
    data = f"question,answer\n{row * 20}".encode()
    assert _peak(data) < 2.5 * len(data)


def _peak(data: bytes) -> int:
    tracemalloc.start()
    for _ in read_table(data, name="a.csv"):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_many_rows_of_a_workbook() -> None:
    data = workbook([["question", "answer"], *[[f"question {n}", "always the same"] for n in range(10_000)]])
    assert len(pairs(read(data, "a.xlsx"))) == 10_000


def test_files_of_pairs_are_told_by_their_content() -> None:
    csv_data, book = b"question,answer\na,b\n", workbook([["question", "answer"], ["a", "b"]])
    thread = b'{"id": 1, "title": "a", "answers": [{"id": 2, "body": "b", "votes": 1}]}\n'
    asked = b'<row Id="1" PostTypeId="1" Title="a"/>'
    posts = b"<posts>" + asked + b'<row Id="2" PostTypeId="2" ParentId="1" Body="b"/></posts>'
    for data in (csv_data, book, thread, posts, b'{"q": "a", "a": "b"}'):
        assert [(q, a) for _, q, a in pairs(read_pair_file(data, name="upload"))] == [("a", "b")]
        assert [(q, a) for _, q, a in pairs(read_pair_file(io.BytesIO(data), name="upload"))] == [("a", "b")]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EmptyFile),
        (b"\xef\xbb\xbf \n", EmptyFile),
        (b"<html><body>question,answer</body></html>", UnsupportedType),
        (b'<?xml version="1.0"?><users><row Id="1"/></users>', UnsupportedType),
        (b'[{"question": "a", "answer": "b"}]', UnsupportedType),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), UnsupportedType),
        (b"%PDF-1.7 question,answer", UnsupportedType),
        (bytes(range(256)) * 9, UnsupportedType),
        (b"PK\x03\x04 cut short", UnsupportedType),
        (b"name,size\na,1\n", ColumnsMissing),
    ],
)
def test_other_files_are_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_pair_file(data, name="upload.pdf")

"""Suites: what is read, what is refused and by which words, and which product a document gets."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.suites import GoldPassage, Question, SuiteInvalid, load_suite, questions_sha256

GOOD = {"id": "q1", "question": "How?", "gold_documents": ["https://d/a.md"]}
MANIFEST = {"name": "tiny", "documents": "documents", "uri_prefix": "https://d/"}


def write_suite(folder: Path, *lines: object, manifest: object | None = None) -> Path:
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest or MANIFEST))
    rows = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "questions.jsonl").write_text("\n".join(rows))
    return folder


def test_a_suite_is_read(tmp_path: Path) -> None:
    rich = {
        "id": "q2",
        "question": " Where? ",
        "gold_passages": [{"uri": "https://d/b.md", "quote": "in room 7"}],
        "answers": ["In room 7."],
        "product": "Pump",
        "origin": "users",
    }
    near = [{"uri": "https://d/c.md", "quote": "because of the rain"}]
    hopeless = {"id": "q3", "question": "Why?", "answerable": False, "shown_passages": near}
    suite = load_suite(write_suite(tmp_path / "s", GOOD, "", rich, hopeless))
    assert (suite.manifest.name, suite.manifest.uri_prefix, len(suite.questions)) == ("tiny", "https://d/", 3)
    first, second, third = suite.questions
    assert first.gold_uris == ("https://d/a.md",)
    assert second.question == "Where?"
    assert second.gold_passages == (GoldPassage(uri="https://d/b.md", quote="in room 7"),)
    assert second.gold_uris == ("https://d/b.md",)
    assert (second.answers, second.product, second.origin) == (("In room 7.",), "Pump", "users")
    assert (third.answerable, third.gold_uris) == (False, ())
    assert third.shown_passages == (GoldPassage(uri="https://d/c.md", quote="because of the rain"),)


@pytest.mark.parametrize(
    ("lines", "manifest", "message"),
    [
        ([GOOD, "{broken"], None, r"questions\.jsonl, line 2: Invalid JSON"),
        ([GOOD, {**GOOD, "id": "q2", "gold_documents": []}], None, "line 2: gold_documents .* empty"),
        ([GOOD, {**GOOD, "id": "q2", "answerable": False}], None, "line 2: it is not answerable, and yet"),
        (
            [{**GOOD, "shown_passages": [{"uri": "a", "quote": "b"}]}],
            None,
            "line 1: shown_passages are for questions that are not answerable",
        ),
        ([GOOD, {"id": "q2", "gold_documents": ["a"]}], None, "line 2: question: Field required"),
        ([GOOD, {**GOOD, "id": "q2", "question": "  "}], None, "line 2: question: .*at least 1 character"),
        ([GOOD, {**GOOD, "id": "q\x002"}], None, "line 2: id: it holds the character NUL"),
        ([GOOD, {**GOOD, "id": "q\ud800"}], None, "line 2: Invalid JSON"),
        ([GOOD, {**GOOD, "id": "q2", "gold_document": "a"}], None, "line 2: gold_document: Extra"),
        ([{**GOOD, "gold_passages": [{"uri": "a"}]}], None, r"line 1: gold_passages\.0\.quote"),
        ([GOOD, "", GOOD], None, "line 3: the id 'q1' stands in line 1"),
        ([], None, "at least one question that the documents answer"),
        ([{"id": "q", "question": "Why?", "answerable": False}], None, "that the documents answer"),
        ([GOOD], {"name": "x"}, r"manifest\.json: documents: Field required"),
        ([GOOD], {**MANIFEST, "documents": "none"}, "folder of documents is missing"),
        ([GOOD], {**MANIFEST, "name": "../elsewhere"}, "name: String should match pattern"),
        ([GOOD], {**MANIFEST, "product": "x"}, "product: Extra inputs"),
        ([GOOD], [1], r"manifest\.json: Input should be an object"),
    ],
)
def test_what_is_wrong_with_a_suite_is_named(
    tmp_path: Path, lines: list[object], manifest: object | None, message: str
) -> None:
    with pytest.raises(SuiteInvalid, match=message):
        load_suite(write_suite(tmp_path / "s", *lines, manifest=manifest))


def test_a_missing_folder_and_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match=r"nowhere.*No such file"):
        load_suite(tmp_path / "nowhere")
    folder = write_suite(tmp_path / "s", GOOD)
    (folder / "questions.jsonl").write_bytes(b'{"id": "\xff"}')
    with pytest.raises(SuiteInvalid, match=r"questions\.jsonl: it is not UTF-8 at byte 8"):
        load_suite(folder)


def test_separators_inside_a_question_do_not_end_its_line(tmp_path: Path) -> None:
    line = json.dumps({**GOOD, "question": "one\u2028two"}, ensure_ascii=False)
    folder = write_suite(tmp_path / "s")
    (folder / "questions.jsonl").write_text(f"\ufeff{line}\r\n", encoding="utf-8")
    assert load_suite(folder).questions[0].question == "one\u2028two"


def test_the_checksum_moves_with_every_field_and_with_nothing_else(tmp_path: Path) -> None:
    base = load_suite(write_suite(tmp_path / "a", GOOD)).sha256
    spaced = json.dumps(GOOD, indent=None, separators=(" , ", " : "))
    assert load_suite(write_suite(tmp_path / "b", spaced, "")).sha256 == base
    others = (
        {"question": "How so?"},
        {"gold_documents": ["https://d/b.md"]},
        {"gold_passages": [{"uri": "https://d/a.md", "quote": "x"}]},
        {"answers": ["So."]},
        {"product": "Pump"},
    )
    found = {load_suite(write_suite(tmp_path / "c", {**GOOD, **other})).sha256 for other in others}
    found.add(load_suite(write_suite(tmp_path / "d", GOOD, manifest={**MANIFEST, "name": "other"})).sha256)
    assert len(found | {base}) == len(others) + 2
    assert base == "fde04d61ac37449d3cb9dd782d2acc77022e463fe6e975218e0cdc43882b7242", (
        "runs that were stored before can still be compared"
    )
    unanswered = Question(id="1", question="?", answerable=False)
    passage = GoldPassage(uri="https://d/a.md", quote="x")
    shown = unanswered.model_copy(update={"shown_passages": (passage,)})
    assert questions_sha256([unanswered]) != questions_sha256([shown])
    assert questions_sha256([]) != questions_sha256([Question(id="1", question="?", answerable=False)])


def test_the_longest_path_names_the_product(tmp_path: Path) -> None:
    products = {"": "Everything", "ray": "Core", "ray/train/": "Train", "ray/train/odd.md": "Odd"}
    suite = load_suite(write_suite(tmp_path / "s", GOOD, manifest={**MANIFEST, "products": products}))
    expected = {
        "index.md": "Everything",
        "ray/a.md": "Core",
        "rayon/a.md": "Everything",
        "ray/train/a/b.md": "Train",
        "ray/train/odd.md": "Odd",
    }
    assert {path: suite.product_of(path) for path in expected} == expected


PART = st.text("ab", min_size=1, max_size=2)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)


@given(paths=st.sets(PATH, max_size=6), document=PATH)
def test_products_are_those_of_brute_force(
    paths: set[str], document: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    manifest = {**MANIFEST, "products": {path: f"of {path}" for path in paths}}
    suite = load_suite(write_suite(tmp_path_factory.mktemp("suites"), GOOD, manifest=manifest))
    above = [path for path in paths if f"{document}/".startswith(f"{path}/")]
    assert suite.product_of(document) == (f"of {max(above, key=len)}" if above else None)

"""Suites and the measuring of retrieval, against hand-worked values."""

import json
from pathlib import Path

import pytest

from finetune.evaluation import evaluate_retrieval
from finetune.suites import Question, SuiteInvalid, load_suite


def question(number: int, *gold: str) -> Question:
    return Question(id=f"q{number}", question=f"question {number}", gold_documents=gold)


def test_measures_are_those_of_a_hand_worked_table() -> None:
    rankings = {
        "question 1": ["a", "b", "c"],  # gold at 1
        "question 2": ["b", "c", "d", "a"],  # gold at 4
        "question 3": ["x"],  # missed
        "question 4": [*"bcdefghi", "j", "a"],  # gold at 10
    }
    questions = [question(1, "a"), question(2, "a"), question(3, "a", "z"), question(4, "a")]
    report = evaluate_retrieval(questions, lambda text: rankings[text])
    means = {name: measure.mean for name, measure in report.measures.items()}
    assert means == pytest.approx(
        {"hit@1": 1 / 4, "hit@5": 2 / 4, "hit@10": 3 / 4, "mrr@10": (1 + 1 / 4 + 0 + 1 / 10) / 4}
    )
    assert [miss.id for miss in report.misses] == ["q3"]
    assert report.misses[0].found == ("x",)
    assert all(measure.low <= measure.mean <= measure.high for measure in report.measures.values())
    assert report.milliseconds["p50"] <= report.milliseconds["p95"]


def write_suite(folder: Path, *lines: object, manifest: object | None = None) -> Path:
    (folder / "documents").mkdir(parents=True)
    default = {"name": "tiny", "documents": "documents", "uri_prefix": "https://d/"}
    (folder / "manifest.json").write_text(json.dumps(manifest or default))
    rows = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "questions.jsonl").write_text("\n".join(rows))
    return folder


GOOD = {"id": "q1", "question": "How?", "gold_documents": ["https://d/a.md"]}


def test_a_suite_is_read(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "s", GOOD, "", {**GOOD, "id": "q2"}))
    assert (suite.name, suite.uri_prefix, len(suite.questions)) == ("tiny", "https://d/", 2)
    assert suite.questions[0].gold_documents == ("https://d/a.md",)


@pytest.mark.parametrize(
    ("lines", "manifest", "message"),
    [
        ([GOOD, "{broken"], None, r"questions\.jsonl, line 2"),
        ([GOOD, {**GOOD, "id": "q2", "gold_documents": []}], None, "line 2.*gold_documents"),
        ([GOOD, {"id": "q2", "gold_documents": ["a"]}], None, "line 2.*question"),
        ([GOOD, GOOD], None, "each id once"),
        ([], None, "at least one question"),
        ([GOOD], {"name": "x"}, r"manifest\.json.*documents"),
        ([GOOD], {"name": "x", "documents": "none", "uri_prefix": ""}, "folder of documents is missing"),
    ],
)
def test_what_is_wrong_with_a_suite_is_named(
    tmp_path: Path, lines: list[object], manifest: object | None, message: str
) -> None:
    with pytest.raises(SuiteInvalid, match=message):
        load_suite(write_suite(tmp_path / "s", *lines, manifest=manifest))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match=r"nowhere.*No such file"):
        load_suite(tmp_path / "nowhere")

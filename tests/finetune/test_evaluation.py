"""The measuring of retrieval, against hand-worked values and another implementation of the metrics."""

from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np
import pytest

from finetune.evaluation import FoundPassage, evaluate_retrieval
from finetune.suites import Question


def question(number: int, *gold: str, product: str | None = None, origin: str | None = None) -> Question:
    return Question(
        id=f"q{number}",
        question=f"question {number}",
        gold_documents=gold,
        product=product,
        origin=origin,
    )


def passages(*names: str) -> list[FoundPassage]:
    """Passages named document-ordinal."""
    return [
        FoundPassage(passage_id=name, uri=name.split("-")[0], title=f"Title {name}", heading_path=("H", name))
        for name in names
    ]


FOUND: Mapping[str, Sequence[FoundPassage]] = {
    "question 1": passages("a-1", "a-2", "b-1"),  # gold at 1
    "question 2": passages("b-1", "b-2", "c-1", "d-1", "a-1"),  # gold at 4 of documents, 5 of passages
    "question 3": passages("x-1"),  # missed
    "question 4": passages(*(f"b-{n}" for n in range(9)), *(f"{d}-1" for d in "cdefghij"), "a-1"),  # at 10
    "question 5": passages(*(f"{d}-1" for d in "bcdefghijkl"), "a-1"),  # gold at 12
}


def test_measures_are_those_of_a_hand_worked_table() -> None:
    questions = [
        question(1, "a"),
        question(2, "a", "c"),  # c at 2, a at 4
        question(3, "a", "z"),
        question(4, "a"),
        question(5, "a"),
    ]
    report = evaluate_retrieval(
        questions, FOUND.__getitem__, {"q1": ["a-2"], "q2": ["a-1", "a-7"], "q3": ["a-1"]}
    )
    log = np.log2
    ideal = 1 + 1 / log(3)
    expected = {
        "hit@1": 1 / 5,
        "hit@5": 2 / 5,
        "hit@10": 3 / 5,
        "recall@10": (1 + 1 + 0 + 1 + 0) / 5,
        "mrr@10": (1 + 1 / 2 + 0 + 1 / 10 + 0) / 5,
        "ndcg@10": (1 + (1 / log(3) + 1 / log(5)) / ideal + 0 + 1 / log(11) + 0) / 5,
        "page@9": 2 / 5,
        "passage hit@10": 2 / 3,
        "passage mrr@10": (1 / 2 + 1 / 5 + 0) / 3,
    }
    ranks = {"q1": 1, "q2": 2, "q3": None, "q4": 10, "q5": 12}
    assert {outcome.id: outcome.rank for outcome in report.outcomes} == ranks
    assert {outcome.id: outcome.passage_rank for outcome in report.outcomes} == {
        "q1": 2,
        "q2": 5,
        "q3": None,
        "q4": None,
        "q5": None,
    }
    means = {name: measure.mean for name, measure in report.measures.items()}
    assert list(means) == list(expected)
    assert means == pytest.approx(expected)
    assert all(measure.interval is None for measure in report.measures.values()), "too few questions"
    assert "passage hit@10" not in report.outcomes[3].values
    assert report.milliseconds["p50"] <= report.milliseconds["p95"]


def test_the_worst_come_first_with_what_was_found_instead() -> None:
    questions = [question(n, "a") for n in (1, 2, 3, 4, 5)]
    report = evaluate_retrieval(questions, FOUND.__getitem__)
    assert [(miss.id, miss.rank) for miss in report.worst] == [
        ("q3", None),
        ("q5", 12),
        ("q4", 10),
        ("q2", 4),
    ]
    assert [passage.passage_id for passage in report.worst[2].found] == ["b-0", "c-1", "d-1"]
    many = [question(3, "a").model_copy(update={"id": f"m{n:02}"}) for n in range(30)]
    assert [miss.id for miss in evaluate_retrieval(many, FOUND.__getitem__).worst] == [
        f"m{n:02}" for n in range(20)
    ]


def test_measures_agree_with_ir_measures() -> None:
    generator = np.random.default_rng(7)
    names = [f"{document}-{n}" for document in "abcdefghijklmnopqrst" for n in range(4)]
    found = {f"question {n}": passages(*generator.permutation(names)[:60]) for n in range(50)}
    questions = [
        question(n, *sorted({str(one).split("-")[0] for one in generator.permutation(names)[:2]}))
        for n in range(50)
    ]
    report = evaluate_retrieval(questions, found.__getitem__)
    judged = [ir_measures.Qrel(one.id, uri, 1) for one in questions for uri in one.gold_documents]
    run = []
    for one in questions:
        documents: dict[str, int] = {}
        for place, passage in enumerate(found[one.question]):
            documents.setdefault(passage.uri, place)
        run += [ir_measures.ScoredDoc(one.id, uri, -float(place)) for uri, place in documents.items()]
    theirs = {
        "Success@1": "hit@1",
        "Success@5": "hit@5",
        "Success@10": "hit@10",
        "R@10": "recall@10",
        "RR@10": "mrr@10",
        "nDCG@10": "ndcg@10",
    }
    metrics = [ir_measures.parse_measure(name) for name in theirs]
    expected = ir_measures.calc_aggregate(metrics, judged, run)
    for metric in metrics:
        mine = report.measures[theirs[str(metric)]]
        assert mine.mean == pytest.approx(expected[metric]), metric
        assert mine.interval is not None
        assert mine.interval[0] <= mine.mean <= mine.interval[1]


def test_groups_hold_their_own_questions_and_small_ones_have_no_interval() -> None:
    questions = [
        *(question(1, "a", product="Pump").model_copy(update={"id": f"p{n}"}) for n in range(10)),
        question(3, "a", product="Hose", origin="users"),
        question(2, "a"),
    ]
    report = evaluate_retrieval(questions, FOUND.__getitem__)
    assert {name: group.questions for name, group in report.by_product.items()} == {"Hose": 1, "Pump": 10}
    assert report.by_product["Pump"].measures["mrr@10"].mean == 1
    assert report.by_product["Pump"].measures["mrr@10"].interval == (1, 1)
    assert report.by_product["Hose"].measures["mrr@10"].mean == 0
    assert report.by_product["Hose"].measures["mrr@10"].interval is None
    assert list(report.by_origin) == ["users"]


def test_questions_without_an_answer_are_refused() -> None:
    hopeless = Question(id="q", question="?", answerable=False)
    for questions in ([], [hopeless]):
        with pytest.raises(ValueError, match="can be answered"):
            evaluate_retrieval(questions, FOUND.__getitem__)

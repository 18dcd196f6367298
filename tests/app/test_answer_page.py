"""The page of an evaluation of answers: what it shows, and that nothing of a document can act in it."""

from datetime import UTC, datetime

from lxml import html

from app.evaluations.answer_page import SHOWN, render_answer_page
from app.evaluations.answer_reports import AnswerEvaluation, AnswerRun, AnswerSubject
from app.evaluations.answer_runs import compare_answers
from app.evaluations.reports import AskedQuestion
from finetune.answer_drafts import Condition, ShownQuestion, build_chat
from finetune.answer_evaluation import evaluate_drafts
from finetune.suites import Question
from generator.answers import AnswerConfig
from generator.evidence import Evidence
from tests.generator.conftest import ScriptedGenerator

HOSTILE = "</title></svg><script>alert(1)</script><img src=x onerror='alert(2)'>\"&amp;"
COUNT = 12


def make_run(name: str, drafts: list[str], text: str = "plain", *against: AnswerRun) -> AnswerRun:
    """A run of questions on one passage; ``text`` stands wherever text can, every third can't be answered."""
    evidence = Evidence(
        passage_id="p", title=text, heading_path=(text,), text=f"Oil the pump daily. {text}", score=0.9
    )
    questions = [
        Question(
            id=f"q{number}",
            question=f"How often do I oil the pump? {text} {number}",
            gold_documents=("d",) if number % 3 else (),
            answers=(f"daily {text}",),
            answerable=bool(number % 3),
            product=f"{text} {number % 2}",
        )
        for number in range(COUNT)
    ]
    shown = [ShownQuestion(question=one, evidence=(evidence,)) for one in questions]
    generator, config = ScriptedGenerator(""), AnswerConfig()
    reports = {
        condition: evaluate_drafts(
            shown,
            [build_chat(one, condition, generator.count_tokens, config) for one in shown],
            [drafts[number % len(drafts)] for number in range(COUNT)],
            generator=generator,
            config=config,
            condition=condition,
        )
        for condition in Condition
    }
    subject = AnswerSubject(
        kind="answers",
        encoder=f"{text} encoder",
        encoder_fingerprint=text,
        reranker=None,
        generator=name,
        generator_fingerprint=text,
        prompt="1",
        corpus_sha256=name,
        settings={},
        versions={text: "1"},
    )
    report = AnswerEvaluation(
        suite_sha256="s",
        asked=tuple(
            AskedQuestion(
                id=one.id, question=one.question, product=None, origin=None, gold_documents=one.gold_uris
            )
            for one in questions
        ),
        unanswerable=4,
        left_out=0,
        without_passages=0,
        without_references=0,
        conditions=reports,
        summary={},
    )
    comparisons = tuple(compare_answers(first, subject, report) for first in against)
    return AnswerRun(
        id=name,
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        suite=text,
        subject=subject,
        report=report.model_copy(update={"comparisons": comparisons}),
    )


def test_nothing_of_a_document_or_of_an_answer_becomes_markup() -> None:
    first = make_run("evl_1", [f"Oil it. {HOSTILE}"], HOSTILE)
    second = make_run("evl_2", ["Oil the pump daily. [1]", HOSTILE], HOSTILE, first)
    page = render_answer_page([first, second])
    root = html.fromstring(page)
    tags = {element.tag for element in root.iter() if isinstance(element.tag, str)}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "a", "link", "base"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "style")]
    assert root.text_content().count(HOSTILE) > 20, "it is shown as it is written"
    assert "http" not in page.replace(HOSTILE, ""), "nothing is fetched from anywhere"


def test_the_page_tells_figures_comparison_and_the_worst_answers() -> None:
    first = make_run("weak", ["The documents do not answer this question."])
    second = make_run("strong", ["Oil the pump daily. [1]"], "plain", first)
    root = html.fromstring(render_answer_page([first, second]))
    headings = [heading.text_content() for heading in root.iter("h2")]
    assert headings == [
        "What was asked, and of what",
        *SHOWN.values(),
        "Against plain encoder + weak",
        "By product",
        *(f"The worst answers. {shown}" for shown in SHOWN.values()),
    ]
    text = root.text_content()
    assert "12 questions were asked" in text
    assert "4 questions can't be answered from the documents" in text
    assert "Documents or pairs changed between the two runs" in text
    assert "+1.000 (8 up, 0 down)" in text, "citation recall, of the eight that can be answered"
    gold = root.xpath(f"//section[h2='{SHOWN[Condition.GOLD]}']//tbody/tr")
    cells = {row[0].text_content(): [cell.text_content()[:5] for cell in row[1:]] for row in gold}
    assert cells["citation recall"] == ["0.000", "1.000"]
    assert cells["refusal recall"] == ["1.000", "0.000"]
    worst = root.xpath(f"//section[h2='The worst answers. {SHOWN[Condition.GOLD]}']//tbody/tr")
    assert len(worst) == 12, "each answer lacks something"
    assert worst[0][1].text_content() == "can't be answered"
    assert worst[0][2].text_content() == "Oil the pump daily. [1]"

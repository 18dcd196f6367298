"""An evaluation of answers as one HTML page, made as `app.evaluations.page` is."""

from collections.abc import Mapping, Sequence
from html import escape

from app.evaluations.answer_reports import AnswerComparison, AnswerRun
from app.evaluations.markup import as_bar, bullets, document, legend, section, series_style, table
from app.evaluations.plots import Bar, bar_chart, difference_chart
from finetune.answer_drafts import Condition
from finetune.answer_evaluation import PoorAnswer
from finetune.evaluation import Group, Measure

SHOWN = {
    Condition.NONE: "Without evidence, from memory",
    Condition.GOLD: "With the passages that answer",
    Condition.RETRIEVED: "With the passages that search returns",
}
GROUP_MEASURES = ("token recall", "citation recall")


def render_answer_page(runs: Sequence[AnswerRun]) -> str:
    """The last run as a page, with the others beside it in the table and in every plot.

    Args:
        runs: Runs of the same questions, at least one; those that the last was compared with come first.
    """
    run = runs[-1]
    main = main_condition(run)
    sections = [
        section("What was asked, and of what", _facts(runs)),
        *[section(SHOWN[condition], _measures(runs, condition)) for condition in run.report.conditions],
        *[
            section(f"Against {other.name}", _comparison(other, len(runs) - 1))
            for other in run.report.comparisons
        ],
        *_groups("product", main, [_by_product(one, main) for one in runs]),
        *_groups("origin", main, [_by_origin(one, main) for one in runs]),
        *[
            section(f"The worst answers. {SHOWN[condition]}", _worst(run, report.worst))
            for condition, report in run.report.conditions.items()
        ],
    ]
    return document(f"{run.suite}: answers of {run.subject.name}", run.id, run.created_at, sections)


def main_condition(run: AnswerRun) -> Condition:
    """The condition nearest to serving that a run has."""
    order = (Condition.RETRIEVED, Condition.GOLD, Condition.NONE)
    return next(one for one in order if one in run.report.conditions)


def _facts(runs: Sequence[AnswerRun]) -> str:
    rows = []
    for run in runs:
        subject = run.subject
        cells = (
            run.id,
            f"{run.created_at:%Y-%m-%d %H:%M}",
            f"{subject.encoder} ({subject.encoder_fingerprint[:12]})",
            f"{subject.generator} ({subject.generator_fingerprint[:12]})",
        )
        rows.append([escape(cell) for cell in cells])
    notes = [f"{len(runs[-1].report.asked):,} questions were asked", *runs[-1].notes()]
    versions = ", ".join(f"{name} {number}" for name, number in runs[-1].subject.versions.items())
    return (
        bullets(notes)
        + table(("run", "made (UTC)", "encoder", "generator"), rows)
        + f"<p class=note>Made with {escape(versions)}.</p>"
    )


def _measures(runs: Sequence[AnswerRun], condition: Condition) -> str:
    """Every measure of each retriever and generator that were shown this evidence."""
    shown = [(number, run) for number, run in enumerate(runs) if condition in run.report.conditions]
    reports = [run.report.conditions[condition] for _, run in shown]
    names = dict.fromkeys(name for report in reports for name in report.measures)
    rows = [[escape(name), *(_cell(report.measures.get(name)) for report in reports)] for name in names]
    rows.append(["questions", *(str(report.questions) for report in reports)])
    rows.append(["sentences written", *(f"{report.written:.1f}" for report in reports)])
    rows.append(["sentences served", *(f"{report.served:.1f}" for report in reports)])
    bars = [
        (
            name,
            [
                as_bar(report.measures[name], series_style(number, 0))
                for (number, _), report in zip(shown, reports, strict=True)
                if name in report.measures
            ],
        )
        for name in names
    ]
    return (
        legend([(series_style(number, 0), run.subject.name) for number, run in shown])
        + bar_chart(f"{SHOWN[condition]}: measures", bars)
        + table(("", *(run.subject.name for _, run in shown)), rows)
    )


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return ""
    interval = (
        "" if measure.interval is None else "<br><small>{:.2f}-{:.2f}</small>".format(*measure.interval)
    )
    return f"{measure.mean:.3f}{interval}"


def _comparison(comparison: AnswerComparison, number: int) -> str:
    text = (
        f"Paired differences question by question, this run minus {comparison.run}; right of zero this run "
        "is better."
    )
    if not comparison.same_corpus:
        text += " Documents or pairs changed between the two runs."
    parts = [f"<p>{escape(text)}</p>"]
    for condition, differences in comparison.conditions.items():
        groups = [
            (
                name,
                [
                    Bar(
                        value=found.mean,
                        interval=found.interval,
                        style=series_style(number, 0),
                        note=f"({found.better} up, {found.worse} down)",
                    )
                ],
            )
            for name, found in differences.items()
        ]
        title = f"{SHOWN[condition]}: differences from {comparison.name}"
        parts.append(f"<h3>{SHOWN[condition]}</h3>" + difference_chart(title, groups))
    return "".join(parts)


def _by_product(run: AnswerRun, condition: Condition) -> Mapping[str, Group]:
    report = run.report.conditions.get(condition)
    return {} if report is None else report.by_product


def _by_origin(run: AnswerRun, condition: Condition) -> Mapping[str, Group]:
    report = run.report.conditions.get(condition)
    return {} if report is None else report.by_origin


def _groups(what: str, condition: Condition, grouped: Sequence[Mapping[str, Group]]) -> list[str]:
    """The section of products or origins; none where there are fewer than two."""
    names = sorted(grouped[-1])
    if len(names) < 2:  # noqa: PLR2004
        return []
    parts = []
    for measure in GROUP_MEASURES:
        groups = [
            (
                f"{name} ({grouped[-1][name].questions})",
                [
                    as_bar(groups[name].measures[measure], series_style(number, 0))
                    for number, groups in enumerate(grouped)
                    if name in groups and measure in groups[name].measures
                ],
            )
            for name in names
        ]
        parts.append(f"<h3>{measure}</h3>" + bar_chart(f"{measure} by {what}", groups))
    text = f"<p>{SHOWN[condition]}; the number of questions stands in parentheses.</p>"
    return [section(f"By {what}", text, *parts)]


def _worst(run: AnswerRun, worst: Sequence[PoorAnswer]) -> str:
    questions = {question.id: question.question for question in run.report.asked}
    rows = [
        [
            f"{escape(questions[one.id])}<br><small>{escape(one.id)}</small>",
            "<br>".join(escape(text) for text in one.references)
            if one.answerable
            else "<small>can't be answered</small>",
            escape(one.draft),
            escape(one.served),
            f"<ol>{''.join(f'<li><small>{escape(title)}</small></li>' for title in one.shown)}</ol>",
        ]
        for one in worst
    ]
    if not rows:
        return "<p>Every answer was perfect.</p>"
    return table(("question", "reference", "written", "served", "shown"), rows)

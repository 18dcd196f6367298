"""Evaluations of answers as tables that a person can read."""

from collections.abc import Mapping, Sequence

from app.cli.output import out, print_table
from app.evaluations.answer_reports import AnswerComparison, AnswerRun
from finetune.answer_drafts import Condition
from finetune.comparison import Difference
from finetune.evaluation import Group, Measure

GROUP_MEASURES = ("token recall", "citation recall", "refusal right")
EVIDENCE = {
    Condition.NONE: "no evidence, from memory",
    Condition.GOLD: "gold evidence",
    Condition.RETRIEVED: "retrieved evidence",
}
COUNTS = ("questions", "sentences written", "sentences served")


def print_answer_runs(runs: Sequence[AnswerRun]) -> None:
    """The figures of several runs of the same questions, side by side for each evidence.

    Args:
        runs: At least one.
    """
    last = runs[-1]
    _line(f"\nAnswers to {last.suite}, {len(last.report.asked)} questions")
    for note in last.notes():
        _line(f"  {note}")
    letters = [chr(ord("A") + number) for number in range(len(runs))]
    for letter, run in zip(letters, runs, strict=True):
        _line(f"  {letter}: {run.subject.name} ({run.id})")
    for condition in Condition:
        shown = [
            (letter, run.report.conditions[condition])
            for letter, run in zip(letters, runs, strict=True)
            if condition in run.report.conditions
        ]
        names = dict.fromkeys(name for _, report in shown for name in report.measures)
        rows = [(name, *(_cell(report.measures.get(name)) for _, report in shown)) for name in names]
        counts = [(report.questions, f"{report.written:.1f}", f"{report.served:.1f}") for _, report in shown]
        rows += [(name, *(str(count[row]) for count in counts)) for row, name in enumerate(COUNTS)]
        if shown:
            title = f"With {EVIDENCE[condition]}; 95 % intervals"
            print_table(title, ("", *(letter for letter, _ in shown)), rows)
    for run in runs:
        _print_groups(run)
        for comparison in run.report.comparisons:
            print_answer_comparison(run, comparison)


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return ""
    if measure.interval is None:
        return f"{measure.mean:.3f}"
    low, high = measure.interval
    return f"{measure.mean:.3f} [{low:.2f}-{high:.2f}]"


def _print_groups(run: AnswerRun) -> None:
    for condition, report in run.report.conditions.items():
        for what, groups in (("product", report.by_product), ("origin", report.by_origin)):
            if len(groups) > 1:  # one group alone says nothing new
                title = f"{run.subject.name} by {what}, {EVIDENCE[condition]}"
                print_table(title, (what, "questions", *GROUP_MEASURES), _group_rows(groups))


def _group_rows(groups: Mapping[str, Group]) -> list[tuple[str, ...]]:
    return [
        (name, str(group.questions), *(_cell(group.measures.get(measure)) for measure in GROUP_MEASURES))
        for name, group in groups.items()
    ]


def print_answer_comparison(run: AnswerRun, comparison: AnswerComparison) -> None:
    """Paired differences by evidence and measure."""
    rows = [
        (condition.value, name, *_difference(found))
        for condition, differences in comparison.conditions.items()
        for name, found in differences.items()
    ]
    title = f"{run.subject.name} ({run.id}) minus {comparison.name} ({comparison.run})"
    columns = ("", "", "difference, 95 % interval", "better / worse / equal")
    print_table(title, columns, rows)
    if not comparison.same_corpus:
        _line("  documents or pairs changed between the two runs")


def _difference(found: Difference) -> tuple[str, str]:
    interval = "" if found.interval is None else "[{:+.3f}, {:+.3f}]".format(*found.interval)
    return f"{found.mean:+.3f} {interval}", f"{found.better} / {found.worse} / {found.equal}"


def print_poor_answers(run: AnswerRun, most: int) -> None:
    """The worst answers for each evidence, with what was written and what would be served."""
    questions = {question.id: question.question for question in run.report.asked}
    for condition, report in run.report.conditions.items():
        for poor in report.worst[:most]:
            _line(f"\n{poor.id}, {EVIDENCE[condition]}: {questions[poor.id]}")
            if not poor.answerable:
                _line("   can't be answered from the documents")
            for reference in poor.references:
                _line(f"   reference: {reference}")
            for title in poor.shown:
                _line(f"   shown: {title}")
            _line(f"   written: {poor.draft}")
            if poor.served:
                _line(f"   served: {poor.served}")


def _line(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)

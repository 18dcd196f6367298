"""Evaluations as tables that a person can read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from app.cli.answer_tables import print_answer_runs, print_poor_answers
from app.cli.output import err, out, print_json, print_table
from app.db.evaluation_runs import EvaluationSummary
from app.evaluations.answer_reports import AnswerRun
from app.evaluations.reports import MAIN_VARIANT, EvaluationRun, RunComparison
from app.evaluations.stored_runs import AnyRun
from finetune.answer_drafts import Condition
from finetune.comparison import Change
from finetune.evaluation import Group, Measure

HEADLINES = ["hit@10", "mrr@10"]
GROUP_MEASURES = HEADLINES
ANSWER_HEADLINES = ["draft token recall", "citation recall", "supported", "refusal f1"]
SHOWN_CHANGES = 5


def print_list(found: Sequence[EvaluationSummary], *, as_json: bool) -> None:
    """Runs with their headline figures."""
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        err.print("no evaluation was made so far; footnote evaluate makes one")
    for one in found:  # lines, not a table: a narrow terminal would cut the ids, which are there to be copied
        _line(
            f"{one.id}  {one.created_at:%Y-%m-%d %H:%M}  {_figures(one)}  {one.suite} "
            f"({one.summary['questions']} questions), {_name(one)}"
        )


def _figures(one: EvaluationSummary) -> str:
    """The headline figures: of search as it is served, or of answers with the evidence nearest to serving."""
    main, headlines = MAIN_VARIANT, HEADLINES
    if one.subject.get("kind") == "answers":
        main, headlines = (
            next(shown for shown in reversed(Condition) if shown in one.summary),
            ANSWER_HEADLINES,
        )
    means = one.summary[main]
    return ", ".join(f"{name} {means[name]:.3f}" for name in headlines if name in means)


def _name(one: EvaluationSummary) -> str:
    return " + ".join(one.subject[part] for part in ("encoder", "generator") if part in one.subject)


def print_runs(runs: Sequence[AnyRun], worst: int) -> None:
    """Runs of one kind, with the worst questions of each."""
    answers = [run for run in runs if isinstance(run, AnswerRun)]
    if answers:
        print_answer_runs(answers)
    for answered in answers:
        print_poor_answers(answered, worst)
    for run in runs:
        if isinstance(run, EvaluationRun):
            print_run(run)
            print_worst(run, worst)


def print_run(run: EvaluationRun) -> None:
    """A run's figures by variant, by product and origin, and its comparisons."""
    index, report = run.subject.index, run.report
    _line(
        f"\n{run.id}: {run.suite}, {len(report.asked)} questions, encoder {run.subject.encoder}; "
        f"{index.documents} documents, {index.passages} passages, {index.questions} questions of pairs"
    )
    for note in run.notes():
        _line(f"  {note}")
    names = list(next(iter(report.variants.values())).measures)
    rows = [
        (name, *(_cell(variant.measures[name]) for variant in report.variants.values())) for name in names
    ]
    times = [
        f"{one.milliseconds['p50']:.0f} / {one.milliseconds['p95']:.0f}" for one in report.variants.values()
    ]
    rows.append(("ms p50 / p95", *times))
    print_table("Retrieval, with 95 % intervals", ("", *report.variants), rows)
    main = report.variants[MAIN_VARIANT]
    _print_groups("product", main.by_product)
    _print_groups("origin", main.by_origin)
    for comparison in report.comparisons:
        print_comparison(run, comparison)


def _cell(measure: Measure) -> str:
    if measure.interval is None:
        return f"{measure.mean:.3f}"
    low, high = measure.interval
    return f"{measure.mean:.3f} [{low:.2f}-{high:.2f}]"


def _print_groups(what: str, groups: Mapping[str, Group]) -> None:
    """Figures of several groups; one group alone says nothing new."""
    if len(groups) < 2:  # noqa: PLR2004
        return
    rows = [
        (name, group.questions, *(_cell(group.measures[measure]) for measure in GROUP_MEASURES))
        for name, group in groups.items()
    ]
    print_table(f"By {what}, {MAIN_VARIANT}", (what, "questions", *GROUP_MEASURES), rows)


def print_comparison(run: EvaluationRun, comparison: RunComparison) -> None:
    """Paired differences by measure, and the questions that changed most."""
    rows = []
    for variant, compared in comparison.variants.items():
        for name, difference in compared.differences.items():
            interval = (
                "" if difference.interval is None else "[{:+.3f}, {:+.3f}]".format(*difference.interval)
            )
            counts = f"{difference.better} / {difference.worse} / {difference.equal}"
            rows.append((variant, name, f"{difference.mean:+.3f} {interval}", counts))
    title = f"{run.subject.encoder} ({run.id}) minus {comparison.encoder} ({comparison.run})"
    columns = ("", "", "difference, 95 % interval", "better / worse / equal")
    print_table(title, columns, rows)
    if not comparison.same_corpus:
        _line("  documents or pairs changed between the two runs")
    questions = {question.id: question.question for question in run.report.asked}
    main = comparison.variants[MAIN_VARIANT]
    for heading, changes in (("rose most", main.improved), ("fell most", main.worsened)):
        for change in changes[:SHOWN_CHANGES]:
            _line(f"  {heading}: {_ranks(change)}  {questions[change.id]}")


def _ranks(change: Change) -> str:
    return f"{change.first_rank or 'none'} -> {change.second_rank or 'none'}"


def print_worst(run: EvaluationRun, most: int) -> None:
    """The worst questions with what was found instead."""
    questions = {question.id: question for question in run.report.asked}
    for miss in run.report.variants[MAIN_VARIANT].worst[:most]:
        question = questions[miss.id]
        place = "not among the documents found" if miss.rank is None else f"at place {miss.rank}"
        _line(f"\n{miss.id}: {question.question}\n   gold {', '.join(question.gold_documents)}, {place}")
        for passage in miss.found:
            heading = " > ".join(dict.fromkeys((passage.title, *passage.heading_path)))
            _line(f"   found {passage.uri}  ({heading})")


def _line(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)

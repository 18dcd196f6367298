"""An evaluation as one HTML page: no script, nothing fetched, all that comes from documents escaped."""

from collections.abc import Mapping, Sequence
from html import escape

from app.evaluations.markup import as_bar, bullets, document, legend, section, series_style, table
from app.evaluations.plots import Bar, bar_chart, difference_chart, histogram
from app.evaluations.reports import MAIN_VARIANT, EvaluationRun, RunComparison
from finetune.comparison import Change
from finetune.evaluation import Group, Outcome

GROUP_MEASURE = "hit@10"
RANKS = (
    ("1", 1),
    ("2", 2),
    ("3", 3),
    ("4-5", 5),
    ("6-10", 10),
    ("11-20", 20),
    ("21-50", 50),
    ("51+", 100_000),
)
NOT_FOUND = "not found"


def render_page(runs: Sequence[EvaluationRun]) -> str:
    """The last run as a page, with the others beside it in every plot.

    Args:
        runs: Runs of the same questions, at least one; those that the last was compared with come first.
    """
    run = runs[-1]
    title = f"{run.suite}: {run.subject.encoder}"
    sections = [
        section("What was asked, and of what", _facts(runs)),
        section("Measures", _legend(runs), _measures(runs), _times(runs)),
        *[
            section(f"Against {other.encoder}", _comparison(run, other, len(runs) - 1))
            for other in run.report.comparisons
        ],
        section("Where the gold document stood", _ranks(runs)),
        *_groups("product", [one.report.variants[MAIN_VARIANT].by_product for one in runs]),
        *_groups("origin", [one.report.variants[MAIN_VARIANT].by_origin for one in runs]),
        section("The worst questions", _worst(run)),
    ]
    return document(title, run.id, run.created_at, sections)


def _facts(runs: Sequence[EvaluationRun]) -> str:
    rows = []
    for run in runs:
        index = run.subject.index
        cells = (
            run.id,
            f"{run.created_at:%Y-%m-%d %H:%M}",
            f"{run.subject.encoder} ({run.subject.encoder_fingerprint[:12]})",
            *(f"{count:,}" for count in (index.documents, index.passages, index.questions)),
        )
        rows.append([escape(cell) for cell in cells])
    columns = ("run", "made (UTC)", "encoder", "documents", "passages", "questions of pairs")
    notes = [f"{len(runs[-1].report.asked):,} questions were asked", *runs[-1].notes()]
    versions = ", ".join(f"{name} {number}" for name, number in runs[-1].subject.versions.items())
    return bullets(notes) + table(columns, rows) + f"<p class=note>Made with {escape(versions)}.</p>"


def _legend(runs: Sequence[EvaluationRun]) -> str:
    return legend(
        [
            (series_style(number, row), f"{run.subject.encoder}, {variant}")
            for number, run in enumerate(runs)
            for row, variant in enumerate(run.report.variants)
        ]
    )


def _measures(runs: Sequence[EvaluationRun]) -> str:
    names = list(runs[-1].report.variants[MAIN_VARIANT].measures)
    groups = [
        (
            name,
            [
                as_bar(report.measures[name], series_style(number, row))
                for number, run in enumerate(runs)
                for row, report in enumerate(run.report.variants.values())
                if name in report.measures
            ],
        )
        for name in names
    ]
    return bar_chart("Measures of each encoder and way of searching, with 95 % intervals", groups)


def _times(runs: Sequence[EvaluationRun]) -> str:
    rows = [
        [
            escape(run.subject.encoder),
            escape(name),
            *(f"{report.milliseconds[p]:.0f}" for p in ("p50", "p95")),
        ]
        for run in runs
        for name, report in run.report.variants.items()
    ]
    return table(("encoder", "search", "p50, ms", "p95, ms"), rows)


def _comparison(run: EvaluationRun, comparison: RunComparison, number: int) -> str:
    names = list(comparison.variants[MAIN_VARIANT].differences)
    places = {variant: place for place, variant in enumerate(run.report.variants)}
    groups = []
    for name in names:
        bars = []
        for variant, compared in comparison.variants.items():
            found = compared.differences[name]
            note = f"({found.better} up, {found.worse} down)"
            style = series_style(number, places[variant])
            bars.append(Bar(value=found.mean, interval=found.interval, style=style, note=note))
        groups.append((name, bars))
    main = comparison.variants[MAIN_VARIANT]
    text = (
        f"Paired differences over {main.questions:,} questions, this run minus {comparison.run}; right of "
        f"zero this run is better. From top to bottom: {', '.join(comparison.variants)}."
    )
    if not comparison.same_corpus:
        text += " Documents or pairs changed between the two runs."
    return (
        f"<p>{escape(text)}</p>"
        + difference_chart(f"Differences from {comparison.encoder}, with 95 % intervals", groups)
        + _changes(run, "Rose most", main.improved)
        + _changes(run, "Fell most", main.worsened)
    )


def _changes(run: EvaluationRun, heading: str, changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    questions = {question.id: question.question for question in run.report.asked}
    rows = [
        [escape(questions[one.id]), str(one.first_rank or NOT_FOUND), str(one.second_rank or NOT_FOUND)]
        for one in changes
    ]
    return f"<h3>{escape(heading)}</h3>" + table(("question", "place before", "place now"), rows)


def _ranks(runs: Sequence[EvaluationRun]) -> str:
    bins = [label for label, _ in RANKS] + [NOT_FOUND]
    series = [
        (series_style(number, 0), _count_ranks(run.report.variants[MAIN_VARIANT].outcomes))
        for number, run in enumerate(runs)
    ]
    text = f"How many questions found their first gold document at which place ({MAIN_VARIANT})."
    return f"<p>{text}</p>" + histogram("Questions by the place of their gold document", bins, series)


def _count_ranks(outcomes: Sequence[Outcome]) -> list[int]:
    counts = [0] * (len(RANKS) + 1)
    for outcome in outcomes:
        found = [place for place, (_, last) in enumerate(RANKS) if outcome.rank and outcome.rank <= last]
        counts[found[0] if found else -1] += 1
    return counts


def _groups(what: str, grouped: Sequence[Mapping[str, Group]]) -> list[str]:
    """The section of products or origins; none where there are fewer than two."""
    names = sorted(grouped[-1])
    if len(names) < 2:  # noqa: PLR2004
        return []
    groups = [
        (
            f"{name} ({grouped[-1][name].questions})",
            [
                as_bar(groups[name].measures[GROUP_MEASURE], series_style(number, 0))
                for number, groups in enumerate(grouped)
                if name in groups
            ],
        )
        for name in names
    ]
    text = f"<p>{GROUP_MEASURE}, {MAIN_VARIANT}; the number of questions stands in parentheses.</p>"
    return [section(f"By {what}", text, bar_chart(f"{GROUP_MEASURE} by {what}", groups))]


def _worst(run: EvaluationRun) -> str:
    questions = {question.id: question for question in run.report.asked}
    rows = []
    for miss in run.report.variants[MAIN_VARIANT].worst:
        question = questions[miss.id]
        instead = [
            f"<li>{escape(' > '.join(dict.fromkeys((one.title, *one.heading_path))))}"
            f"<br><small>{escape(one.uri)}</small></li>"
            for one in miss.found
        ]
        gold = "<br>".join(f"<small>{escape(uri)}</small>" for uri in question.gold_documents)
        rows.append(
            [
                f"{escape(question.question)}<br><small>{escape(miss.id)}</small>",
                str(miss.rank or NOT_FOUND),
                gold,
                f"<ol>{''.join(instead)}</ol>",
            ]
        )
    if not rows:
        return "<p>Every gold document was found first.</p>"
    return table(("question", "place", "gold", "found instead"), rows, style="worst")

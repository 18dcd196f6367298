"""How good a generator's answers are, on questions whose answers are known.

What the model wrote (the draft) and what is served of it are measured apart: only sentences that evidence
carries are ever served, so that citations and support say something of the model in its draft alone.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finetune.answer_drafts import Chat, Condition, ShownQuestion, serve_draft
from finetune.answer_metrics import (
    check_citations,
    citation_precision,
    citation_recall,
    k_precision,
    refusal_measures,
    token_recall,
)
from finetune.evaluation import WORST, Group, Measure, groups_of, measures_of
from generator.answers import Answer, AnswerConfig, AnswerOrigin
from generator.attribution import Attributor
from generator.citations import CitedSentence, cited_sentences, strip_markers
from generator.evidence import Evidence
from generator.models import Generator
from generator.passages import read_passage, read_vocabulary
from generator.phrasing import clean_statement, is_refusal
from generator.prompt import fit_evidence
from generator.sentences import SpanKind
from generator.support import check_support

_ANY_NUMBER = 999  # the largest number that a marker can name, so that one that was not shown is seen


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOutcome:
    """What became of one question.

    Attributes:
        id: The question.
        origin: Where the sentences of the served answer come from; none where it was refused.
        written: Sentences of the draft, without headings and refusals.
        served: Sentences of the served answer.
        values: Each measure's value in [0, 1]; see `evaluate_drafts`.
    """

    id: str
    origin: AnswerOrigin
    written: int
    served: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoorAnswer:
    """A question that went badly, with all that it takes to see why.

    Attributes:
        id: The question.
        answerable: Whether it can be answered.
        references: Answers as they should be.
        shown: Titles and headings of the passages that were shown, in their order.
        draft: What the generator wrote.
        served: The answer that would be served, with its markers, or the refusal; empty where nothing would.
    """

    id: str
    answerable: bool
    references: tuple[str, ...]
    shown: tuple[str, ...]
    draft: str
    served: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReport:
    """What a generator's answers were worth under one condition.

    Attributes:
        questions: How many were asked.
        measures: Means over the questions that have them, and of refusals; see `evaluate_drafts`.
        origins: How many answers were written, quoted, or refused (none).
        written: Mean number of sentences of a draft.
        served: Mean number of sentences of a served answer, refusals counted with none.
        by_product: The measures of the questions of each product, without those of refusals.
        by_origin: The same for those of each origin.
        outcomes: Every question, in the order asked.
        worst: The questions with the lowest mean of their values, lowest first, none of them perfect.
    """

    questions: int
    measures: Mapping[str, Measure]
    origins: Mapping[str, int]
    written: float
    served: float
    by_product: Mapping[str, Group]
    by_origin: Mapping[str, Group]
    outcomes: tuple[AnswerOutcome, ...]
    worst: tuple[PoorAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graded:
    outcome: AnswerOutcome
    poor: PoorAnswer


def evaluate_drafts(
    shown: Sequence[ShownQuestion],
    chats: Sequence[Chat],
    drafts: Sequence[str],
    *,
    generator: Generator,
    config: AnswerConfig,
    condition: Condition,
) -> AnswerReport:
    """Measure what a generator wrote, and what would be served of it.

    Args:
        shown: Questions and their evidence, at least one.
        chats: For each what the generator was asked; see `finetune.answer_drafts.build_chat`.
        drafts: For each what it wrote.
        generator: Counts tokens; writes nothing.
        config: Budgets and thresholds of serving.
        condition: Which evidence was shown.

    Returns:
        A report whose measures are, of questions that can be answered:

        - of the draft: ``draft token recall``, ``citation recall``, ``citation precision``, ``supported``;
        - of what is served: ``token recall``, ``k-precision``, ``answered``;

        and of all questions ``refusal right``, 1 where a question that can be answered was and another was
        not; and ``refusal precision``, ``refusal recall`` and ``refusal f1``. Token recall is of questions
        with references only. A draft that refuses what can be answered counts as 0 in the draft's measures,
        a refusal that is served as 0 in those of what is served. In `Condition.NONE` there is only ``draft
        token recall``, since nothing is served without evidence.

    Raises:
        ValueError: If there is no question.
    """
    if not shown:
        raise ValueError("need at least one question")
    graded = [
        _grade_from_memory(one, draft)
        if condition is Condition.NONE
        else _grade(one, chat, draft, generator, config)
        for one, chat, draft in zip(shown, chats, drafts, strict=True)
    ]
    outcomes = [one.outcome for one in graded]
    values = [outcome.values for outcome in outcomes]
    asked = [one.question for one in shown]
    refusals = refusal_measures(
        [outcome.origin is AnswerOrigin.NONE for outcome in outcomes],
        [question.answerable for question in asked],
    )
    return AnswerReport(
        questions=len(shown),
        measures=measures_of(values) | ({} if condition is Condition.NONE else refusals),
        origins=Counter(outcome.origin.value for outcome in outcomes),
        written=sum(outcome.written for outcome in outcomes) / len(outcomes),
        served=sum(outcome.served for outcome in outcomes) / len(outcomes),
        by_product=groups_of([question.product for question in asked], values),
        by_origin=groups_of([question.origin for question in asked], values),
        outcomes=tuple(outcomes),
        worst=_worst(graded),
    )


def values_by_measure(report: AnswerReport) -> dict[str, dict[str, float]]:
    """Each measure's values by question, over the questions that have it."""
    names = dict.fromkeys(name for outcome in report.outcomes for name in outcome.values)
    return {
        name: {one.id: one.values[name] for one in report.outcomes if name in one.values} for name in names
    }


def _grade_from_memory(shown: ShownQuestion, draft: str) -> _Graded:
    references = shown.question.answers
    recall = {"draft token recall": token_recall(draft, references)} if references else {}
    return _graded(shown, draft, None, len(_statements(draft)), recall)


def _grade(
    shown: ShownQuestion, chat: Chat, draft: str, generator: Generator, config: AnswerConfig
) -> _Graded:
    question = shown.question
    answer = serve_draft(shown, chat, draft, generator, config)
    statements = _statements(draft)
    answered = answer.origin is not AnswerOrigin.NONE
    values = {"refusal right": float(answered == question.answerable)}
    if question.answerable:
        evidence = fit_evidence(shown.evidence, generator.count_tokens, budget=config.prompt_tokens)
        served = " ".join(answer.text[one.start : one.end] for one in answer.sentences)
        seen = [" ".join((one.title, *one.heading_path, one.text)) for one in evidence]
        values |= _recalls(served, draft, question.answers)
        values |= {"k-precision": k_precision(served, seen), "answered": float(answered)}
        values |= _citation_values(shown, evidence, statements, config)
    return _graded(shown, draft, answer, len(statements), values)


def _recalls(served: str, draft: str, references: Sequence[str]) -> dict[str, float]:
    if not references:
        return {}
    return {
        "token recall": token_recall(served, references),
        "draft token recall": token_recall(strip_markers(draft), references),
    }


def _statements(draft: str) -> list[CitedSentence]:
    """The sentences of a draft that state something; a number that was not shown stays among theirs."""
    return [
        sentence
        for sentence in cited_sentences(draft, evidence_count=_ANY_NUMBER)
        if sentence.kind is not SpanKind.HEADING
        and any(character.isalnum() for character in sentence.text)
        and not is_refusal(sentence.text)
    ]


def _citation_values(
    shown: ShownQuestion,
    evidence: Sequence[Evidence],
    statements: Sequence[CitedSentence],
    config: AnswerConfig,
) -> dict[str, float]:
    """What a draft's citations are worth, and which share of its sentences the shown passages carry."""
    passages = [read_passage(one, subjects=shown.subjects) for one in evidence]
    asked = read_vocabulary(shown.question.question)
    attributor = Attributor(
        passages, question=asked, config=config.support, max_citations=config.max_citations
    )
    checks, supported = [], 0
    for one in statements:
        text = _as_checked(one)

        def carries(numbers: Sequence[int], text: str = text, kind: SpanKind = one.kind) -> bool:
            cited = [passages[number - 1] for number in numbers]
            return check_support(text, cited, kind=kind, question=asked, config=config.support).supported

        checks.append(check_citations(one.numbers, carries, shown=len(passages)))
        named = [number for number in one.numbers if number <= len(passages)]
        supported += attributor.attribute(text, one.kind, named).support.supported
    return {
        "citation recall": citation_recall(checks),
        "citation precision": citation_precision(checks),
        "supported": supported / len(statements) if statements else 0.0,
    }


def _as_checked(sentence: CitedSentence) -> str:
    """A sentence as serving checks it: on one line, without preamble; whole where nothing else is left."""
    if sentence.kind is SpanKind.CODE:
        return sentence.text
    line = " ".join(sentence.text.split())
    return clean_statement(line) or line


def _graded(
    shown: ShownQuestion, draft: str, answer: Answer | None, written: int, values: Mapping[str, float]
) -> _Graded:
    question = shown.question
    return _Graded(
        outcome=AnswerOutcome(
            id=question.id,
            origin=AnswerOrigin.NONE if answer is None else answer.origin,
            written=written,
            served=0 if answer is None else len(answer.sentences),
            values=values,
        ),
        poor=PoorAnswer(
            id=question.id,
            answerable=question.answerable,
            references=question.answers,
            shown=tuple(" > ".join((one.title, *one.heading_path)) for one in shown.evidence),
            draft=draft,
            served="" if answer is None else answer.text,
        ),
    )


def _worst(graded: Sequence[_Graded]) -> tuple[PoorAnswer, ...]:
    means = [sum(one.outcome.values.values()) / max(len(one.outcome.values), 1) for one in graded]
    rows = [row for row, one in enumerate(graded) if one.outcome.values and means[row] < 1]
    rows.sort(key=lambda row: means[row])
    return tuple(graded[row].poor for row in rows[:WORST])

"""What a generator learns to write: a question with shuffled evidence, and a cited answer or a refusal."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from finetune.configuration import AnswerExampleConfig
from finetune.overlap import digest_questions
from generator.attribution import Attributor
from generator.evidence import Evidence
from generator.models import Message
from generator.passages import read_passage, read_vocabulary
from generator.phrasing import clean_statement, is_refusal, leans_back
from generator.prompt import REFUSAL, build_messages, fit_evidence
from generator.sentences import SpanKind, split_sentences
from retriever.arrays import Vectors

MOST_CITATIONS = 2
SAME_QUESTION = 0.97  # cosine from which two questions teach the same


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """A question, its answer, and the passages that hold it.

    Attributes:
        id: Where it comes from.
        question: As a user asks it.
        answer: In words that its passages carry.
        gold: Passages that answer it; at least one.
        weight: How sure that is, in (0, 1].
        subjects: What all its evidence is about without saying so, such as its product.
    """

    id: str
    question: str
    answer: str
    gold: tuple[Evidence, ...]
    weight: float
    subjects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.gold or not 0 < self.weight <= 1 or not self.question.strip():
            raise ValueError(f"need a question, a passage and a weight in (0, 1], got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerExample:
    """What the generator is shown, and what it is to write.

    Attributes:
        id: Of the question that it was made of.
        messages: Byte for byte what serving would send for this evidence.
        target: The message to write.
        weight: How much it counts, in (0, 1].
        refuses: Whether no passage answers, and the target says so.
        question: The question.
        evidence: The passages that are shown, in the order of their numbers.
        subjects: See `AnsweredQuestion`.
    """

    id: str
    messages: tuple[Message, ...]
    target: str
    weight: float
    refuses: bool
    question: str
    evidence: tuple[Evidence, ...]
    subjects: tuple[str, ...]


def compose_examples(
    asked: Sequence[AnsweredQuestion],
    found: Sequence[Sequence[Evidence]],
    count_tokens: Callable[[str], int],
    config: AnswerExampleConfig,
    *,
    seed: int,
) -> tuple[list[AnswerExample], int]:
    """Turn questions into examples; a share of them, drawn by the seed, without the passages that answer.

    Args:
        asked: Questions with their answers.
        found: For each, what the search returns, best first; gold may be among it.
        count_tokens: Of the generator that is tuned.
        config: How.
        seed: Decides which questions lose their gold, how many distractors there are, and every order.

    Returns:
        The examples in the order given, and how many questions were left out because no sentence of
        their answer is carried by what is shown: learning such answers teaches a model to invent
        (Gekhman et al., 2405.05904).
    """
    generator = np.random.default_rng(seed)
    refusing = generator.random(len(asked)) < config.refusals
    made = [
        _refusal(one, others, count_tokens, config, generator)
        if refuses
        else _answer(one, others, count_tokens, config, generator)
        for one, others, refuses in zip(asked, found, refusing, strict=True)
    ]
    examples = [one for one in made if one is not None]
    return examples, len(asked) - len(examples)


def _answer(
    one: AnsweredQuestion,
    found: Sequence[Evidence],
    count_tokens: Callable[[str], int],
    config: AnswerExampleConfig,
    generator: np.random.Generator,
) -> AnswerExample | None:
    known = {passage.passage_id for passage in one.gold}
    distractors = [passage for passage in found if passage.passage_id not in known]
    shown = [*one.gold[: config.most_gold], *distractors[: int(generator.integers(config.distractors + 1))]]
    evidence = _shuffled(fit_evidence(shown, count_tokens, budget=config.evidence_tokens), generator)
    target = cited_answer(one, evidence, config)
    return _example(one, evidence, target, refuses=False) if target else None


def _refusal(
    one: AnsweredQuestion,
    found: Sequence[Evidence],
    count_tokens: Callable[[str], int],
    config: AnswerExampleConfig,
    generator: np.random.Generator,
) -> AnswerExample | None:
    """The question with passages that were found for it and carry no sentence of its answer."""
    known = {passage.passage_id for passage in one.gold}
    wrong = [
        passage
        for passage in found
        if passage.passage_id not in known and not cited_answer(one, [passage], config)
    ]
    if not wrong:
        return None
    shown = wrong[: int(generator.integers(1, config.distractors + 2))]
    evidence = _shuffled(fit_evidence(shown, count_tokens, budget=config.evidence_tokens), generator)
    return _example(one, evidence, REFUSAL, refuses=True)


def _example(
    one: AnsweredQuestion, evidence: Sequence[Evidence], target: str, *, refuses: bool
) -> AnswerExample:
    return AnswerExample(
        id=one.id,
        messages=tuple(build_messages(one.question, evidence)),
        target=target,
        weight=one.weight,
        refuses=refuses,
        question=one.question,
        evidence=tuple(evidence),
        subjects=one.subjects,
    )


def _shuffled(evidence: Sequence[Evidence], generator: np.random.Generator) -> list[Evidence]:
    return [evidence[place] for place in generator.permutation(len(evidence))]


def cited_answer(one: AnsweredQuestion, evidence: Sequence[Evidence], config: AnswerExampleConfig) -> str:
    """The first sentences of an answer that evidence carries, each with the numbers of what carries it.

    Code, headings and lead-ins to code are left out, and so is what leans back on a sentence that was.

    Args:
        one: The question and its answer.
        evidence: The passages in the order of their numbers, which count from 1.
        config: How many sentences at most, and when one is carried.

    Returns:
        Such as ``"Call it. [2] It is fast. [1]"``; empty where nothing is carried.
    """
    return " ".join(
        f"{text} " + "".join(f"[{number}]" for number in numbers)
        for text, numbers in _carried(one, evidence, config)
    )


def keep_carried(asked: Sequence[AnsweredQuestion], config: AnswerExampleConfig) -> list[AnsweredQuestion]:
    """Each question with as much of its answer as a generator learns to write of it, without citations.

    Args:
        asked: Questions with their answers.
        config: How examples are made.

    Returns:
        The questions in the order given, without those of whose answer no passage carries a sentence.
    """
    kept = []
    for one in asked:
        carried = _carried(one, one.gold[: config.most_gold], config)
        if carried:
            kept.append(replace(one, answer=" ".join(text for text, _numbers in carried)))
    return kept


def _carried(
    one: AnsweredQuestion, evidence: Sequence[Evidence], config: AnswerExampleConfig
) -> list[tuple[str, list[int]]]:
    """The sentences that `cited_answer` keeps, each with the numbers of what carries it, at least one."""
    passages = [read_passage(passage, subjects=one.subjects) for passage in evidence]
    attributor = Attributor(
        passages,
        question=read_vocabulary(one.question),
        config=config.support,
        max_citations=MOST_CITATIONS,
    )
    numbers = {passage.passage_id: number for number, passage in enumerate(evidence, start=1)}
    written: list[tuple[str, list[int]]] = []
    after_gap = False
    for span in split_sentences(one.answer):
        if len(written) == config.most_sentences:
            break
        if span.kind in (SpanKind.CODE, SpanKind.HEADING):
            after_gap = True
            continue
        text = clean_statement(" ".join(one.answer[span.start : span.end].split()))
        if not text or text.endswith(":") or is_refusal(text) or (after_gap and leans_back(text)):
            after_gap = True
            continue
        quotes = attributor.attribute(text, span.kind, ()).quotes
        after_gap = not quotes
        if quotes:
            written.append((text, sorted({numbers[passage.passage_id] for passage, _start, _end in quotes})))
    return written


def choose_diverse(questions: Vectors, weights: Sequence[float], count: int) -> list[int]:
    """Few of many that stand for all: each next one is the farthest from those that were taken.

    Args:
        questions: (n, dimension) unit rows.
        weights: (n,), the first one taken has the largest.
        count: Most that are wanted.

    Returns:
        Places in the order taken, at least one where there are any; of a larger count these are the first.
        Questions whose cosine to one that was taken is `SAME_QUESTION` or more are never taken.

    Source: farthest-first traversal, Gonzalez 1985; as core sets for learning, Sener & Savarese, ICLR 2018.
    """
    if not len(questions):
        return []
    taken = [int(np.argmax(weights))]
    nearest = questions @ questions[taken[0]]  # (n,) cosine to the nearest one taken
    while len(taken) < min(count, len(questions)):
        farthest = int(np.argmin(nearest))
        if nearest[farthest] >= SAME_QUESTION:
            break
        taken.append(farthest)
        nearest = np.maximum(nearest, questions @ questions[farthest])
    return taken


def describe_answer_examples(examples: Sequence[AnswerExample]) -> Mapping[str, Any]:
    """Counts, a checksum of all that a run reads, and what tells its questions, for its manifest."""
    digest = hashlib.sha256()
    for one in examples:
        for text in (*(message.content for message in one.messages), one.target, repr(one.weight)):
            digest.update(text.encode() + b"\0")
    return {
        "examples": len(examples),
        "questions": digest_questions(one.question for one in examples),
        "refusals": sum(one.refuses for one in examples),
        "sha256": digest.hexdigest(),
    }

"""A question and its evidence to a cited answer, sentence by checked sentence."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Generator as PythonGenerator
from contextlib import closing
from dataclasses import replace

from generator.answers import (
    Answer,
    AnswerConfig,
    AnswerOrigin,
    AnswerPart,
    AnswerStatus,
    DroppedSentence,
)
from generator.attribution import Attribution, Attributor
from generator.citations import CitedSentence, stream_cited_sentences, strip_markers
from generator.evidence import Evidence
from generator.footnotes import Footnotes
from generator.models import Generator, Message
from generator.passages import Passage, read_passage, read_vocabulary
from generator.phrasing import clean_statement, is_refusal, leans_back
from generator.prompt import REFUSAL, build_messages, fit_evidence
from generator.quotations import best_quotation
from generator.sentences import SpanKind
from generator.strength import Strength, measure_strength, question_terms
from generator.words import read_terms

_LISTED_TITLES = 3

# How many of the question's words a quote must have; the model's refusal must be outweighed.
_QUOTE_TERMS = 2
_REFUSED_QUOTE_TERMS = 3


def answer_question(
    question: str,
    evidence: Sequence[Evidence],
    generator: Generator,
    config: AnswerConfig,
    *,
    conversation: Sequence[Message] = (),
    subjects: Sequence[str] = (),
    should_stop: Callable[[], bool] | None = None,
) -> Answer:
    """Answer a question; see `stream_answer`, of which this is the last event."""
    events = stream_answer(
        question,
        evidence,
        generator,
        config,
        conversation=conversation,
        subjects=subjects,
        should_stop=should_stop,
    )
    answers = [event for event in events if isinstance(event, Answer)]
    return answers[-1]


def stream_answer(
    question: str,
    evidence: Sequence[Evidence],
    generator: Generator,
    config: AnswerConfig,
    *,
    conversation: Sequence[Message] = (),
    subjects: Sequence[str] = (),
    should_stop: Callable[[], bool] | None = None,
) -> PythonGenerator[AnswerPart | Answer]:
    """Answer a question from evidence, and give out every sentence once it is checked.

    Args:
        question: The question as asked.
        evidence: Passages, best first.
        generator: Writes the answer.
        config: Budgets and thresholds.
        conversation: Earlier messages, oldest first.
        subjects: Names that all evidence is about without saying so, such as products; a sentence
            may use them freely.
        should_stop: Asked while the model writes; when it says yes, the answer ends there.

    Yields:
        The checked sentences in order, then the whole answer. A sentence that no evidence carries
        is never given out. If none holds, the evidence sentence that meets the question best is
        quoted word for word; if there is none, the answer is a refusal that says what was found.
    """
    shown = fit_evidence(evidence, generator.count_tokens, budget=config.prompt_tokens)
    passages = [read_passage(one, subjects=subjects) for one in shown]
    strength = _strength(question, conversation, passages, config)
    draft = _Draft(question, passages, config)
    if strength.sufficient:
        messages = build_messages(question, shown, conversation)
        tokens = generator.stream(messages, max_new_tokens=config.max_new_tokens, should_stop=should_stop)
        with closing(tokens) as pieces:
            yield from draft.write(_Writing(pieces, generator.count_tokens, config.max_new_tokens))
        if not draft.footnotes.parts:
            yield from draft.quote()
    yield _finish(draft, strength, evidence)


class _Writing:
    """The model's text as it comes; afterwards, whether it was cut off by its length."""

    def __init__(self, pieces: Iterable[str], count_tokens: Callable[[str], int], limit: int) -> None:
        self._pieces = pieces
        self._count_tokens = count_tokens
        self._limit = limit
        self.is_cut = False

    def __iter__(self) -> Iterator[str]:
        text = ""
        for piece in self._pieces:
            text += piece
            yield piece
        self.is_cut = self._count_tokens(text) >= self._limit - 1


class _Draft:
    """An answer in the making: what was shown, what was dropped, and what waits.

    Args:
        question: The question.
        passages: The evidence that the model sees, in the order of its numbers.
        config: Budgets and thresholds.
    """

    def __init__(self, question: str, passages: Sequence[Passage], config: AnswerConfig) -> None:
        self._question = question
        self._passages = passages
        self._config = config
        self._attributor = Attributor(
            passages,
            question=read_vocabulary(question),
            config=config.support,
            max_citations=config.max_citations,
        )
        self._said: list[frozenset[str]] = []
        self._lead_in: tuple[CitedSentence, Attribution] | None = None
        self._is_after_gap = False
        self.footnotes = Footnotes()
        self.dropped: list[DroppedSentence] = []
        self.refused = False
        self.origin = AnswerOrigin.NONE

    def write(self, writing: _Writing) -> Iterator[AnswerPart]:
        """Check the model's sentences as they come; ends early at a refusal or when there are enough."""
        for sentence in stream_cited_sentences(writing, evidence_count=len(self._passages)):
            if is_refusal(sentence.text):
                self.refused = not self.footnotes.parts
                return
            if not (writing.is_cut and _is_unfinished(sentence)):
                yield from self._consider(sentence)
            if len(self.footnotes.parts) >= self._config.max_sentences:
                return

    def quote(self) -> Iterator[AnswerPart]:
        """The evidence sentence that meets the question best, word for word."""
        config = self._config
        found = best_quotation(
            question_terms(self._question),
            self._passages,
            minimum=config.refused_quote_coverage if self.refused else config.quote_coverage,
            fewest_terms=_REFUSED_QUOTE_TERMS if self.refused else _QUOTE_TERMS,
        )
        text = _as_sentence(found.evidence.text[found.start : found.end]) if found else ""
        if found and text:
            self.origin = AnswerOrigin.QUOTED
            yield self.footnotes.add(
                text,
                [(found.evidence, found.start, found.end)],
                support=1.0,
                kind=SpanKind.PROSE,
                opens_paragraph=True,
            )

    def _consider(self, sentence: CitedSentence) -> Iterator[AnswerPart]:
        """Show a sentence if evidence carries it.

        A lead-in ("Do this:") waits for what it leads to. A sentence that speaks of "this" goes with
        the one before it: behind a dropped sentence it would seem to speak of another.
        """
        is_code = sentence.kind is SpanKind.CODE
        text = sentence.text if is_code else clean_statement(" ".join(sentence.text.split()))
        stems = frozenset(term.key for term in read_terms(text))
        if not text or sentence.kind is SpanKind.HEADING or self._is_repeated(stems):
            return
        statement = replace(sentence, text=text)
        attribution = self._attributor.attribute(text, sentence.kind, sentence.numbers)
        support = attribution.support
        self._is_after_gap = not support.supported or (self._is_after_gap and leans_back(text))
        if self._is_after_gap:
            self.dropped.append(DroppedSentence(text, support.score, support.missing))
            self._lead_in = None
            return
        self._said.append(stems)
        if text.endswith(":"):
            self._lead_in = (statement, attribution)
            return
        if self._lead_in:
            yield self._show(*self._lead_in)
            self._lead_in = None
        yield self._show(statement, attribution)

    def _show(self, sentence: CitedSentence, attribution: Attribution) -> AnswerPart:
        self.origin = AnswerOrigin.WRITTEN
        return self.footnotes.add(
            sentence.text,
            attribution.quotes,
            support=attribution.support.score,
            kind=sentence.kind,
            opens_paragraph=sentence.opens_paragraph,
        )

    def _is_repeated(self, stems: frozenset[str]) -> bool:
        """Whether nearly all of a sentence's content stands in one that was shown."""
        return any(
            len(stems & said) >= self._config.repeated_share * len(stems | said)
            for said in self._said
            if stems
        )


def _strength(
    question: str, conversation: Sequence[Message], passages: Sequence[Passage], config: AnswerConfig
) -> Strength:
    """How well the evidence meets the question, or the question together with the one before it."""
    before = [message.content for message in conversation if message.role == "user"][-1:]
    asked = [question, *(f"{earlier} {question}" for earlier in before)]
    measured = [measure_strength(text, passages, config.strength) for text in asked]
    return max(measured, key=lambda strength: (strength.sufficient, strength.value))


def _finish(draft: _Draft, strength: Strength, evidence: Sequence[Evidence]) -> Answer:
    """The whole answer, or the refusal."""
    parts = draft.footnotes.parts
    mean_support = sum(part.sentence.support for part in parts) / len(parts) if parts else 0.0
    return Answer(
        status=AnswerStatus.ANSWERED if parts else AnswerStatus.ABSTAINED,
        text=draft.footnotes.text if parts else _refusal(strength, evidence),
        sentences=tuple(part.sentence for part in parts),
        citations=draft.footnotes.citations,
        confidence=mean_support * strength.value,
        origin=draft.origin,
        dropped=tuple(draft.dropped),
    )


def _refusal(strength: Strength, evidence: Sequence[Evidence]) -> str:
    """What a reader is told when there is no answer: what is unknown, and what was found."""
    said = [REFUSAL]
    if strength.unknown and evidence:
        said.append(f"None of the passages found mentions {' or '.join(strength.unknown)}.")
    titles = list(dict.fromkeys(one.title for one in evidence if one.title))[:_LISTED_TITLES]
    if titles:
        said.append(f"The closest documents are: {'; '.join(titles)}.")
    return " ".join(said)


def _as_sentence(quoted: str) -> str:
    """A quoted sentence as running text: one line, no list mark, no marker of the document's own."""
    line = " ".join(strip_markers(quoted).split())
    return re.sub(r"^(?:[-*+•]|\d{1,3}[.)])\s+", "", line)


def _is_unfinished(sentence: CitedSentence) -> bool:
    return sentence.text.rstrip()[-1:] not in set('.!?)`"”')

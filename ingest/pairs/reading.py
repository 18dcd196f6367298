"""Whether a question is answered by its evidence: a model reads the evidence, and its answer is compared."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generator.models import Generator, Message
from generator.passages import read_vocabulary
from generator.phrasing import is_refusal
from generator.polarity import Denials
from generator.prompt import neutralise
from generator.sentences import Span, split_sentences
from generator.words import Term, TermKind, read_terms

NOT_FOUND = "NOT FOUND"

_MAX_NEW_TOKENS = 40
_WINDOW_CHARACTERS = 600  # of the passage, around the answer: about 150 tokens

# The formula's constants; see `score_answer`.
_RECALL_WEIGHT = 0.25  # the square of F-0.5's beta: precision counts twice as much
_WRONG_FACT = 0.5
_ECHO = 0.8
_PLAIN_ANSWER_SENTENCES = 2

# No example of a refusal: with one, and with a warning in bold words, half a billion parameters refused half
# of the questions that the passage answers.
_SYSTEM = (
    "You answer a question from one passage of a manual, in one short sentence that uses the passage's "
    f"words. If the passage does not say it, write {NOT_FOUND}."
)
# Place, passage, question and answer.
_EXAMPLES = (
    (
        "Lantern manual > Backups",
        "Backups are written at midnight. If `keep_days` is `None`, old backups are never deleted.",
        "What happens if `keep_days` is `None`?",
        "Old backups are never deleted.",
    ),
    (
        "Orchard printers > Paper trays",
        "A tray is a source of paper with its own size and weight. Trays cannot be shared by two printers.",
        "Can two printers share a tray?",
        "No, trays cannot be shared by two printers.",
    ),
    (
        "Harbour manual > Signing in",
        "A token is valid for two hours. You can renew it until it expires, because the server keeps it.",
        "Why can you renew a token until it expires?",
        "The server keeps the token.",
    ),
    (
        "Orchard printers > `Job.pages()`",
        "Returns an iterator over the pages, in the order in which they are printed.",
        "What does `Job.pages()` return?",
        "An iterator over the pages, in the order in which they are printed.",
    ),
)

_ASKING = frozenset({"happen", "long"})  # stems that ask, as in "What happens" and "How long"
_ASKS_YES_OR_NO = re.compile(
    r"(?:can|could|does|do|did|is|are|was|were|will|would|should|must|may|has|have)\b", re.IGNORECASE
)
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingItem:
    """A pair with the passage that it rests on.

    Attributes:
        question: The pair's question.
        answer: The pair's stored answer.
        passage_title: Title of the passage's document.
        heading_path: The headings above the passage, outermost first.
        passage_text: The passage.
    """

    question: str
    answer: str
    passage_title: str
    heading_path: tuple[str, ...]
    passage_text: str

    @property
    def place(self) -> tuple[str, ...]:
        """Title and headings, each once."""
        return tuple(dict.fromkeys((self.passage_title, *self.heading_path)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader made of a question.

    Attributes:
        score: How well its answer agrees with the stored one, in [0, 1]; 0 if it found none.
        reader_answer: What it wrote, on one line.
    """

    score: float
    reader_answer: str


def check_answerable(
    items: Sequence[ReadingItem],
    generator: Generator,
    *,
    should_stop: Callable[[], bool] | None = None,
) -> list[Reading]:
    """Let a model answer each question from its passage alone, and compare with the stored answer.

    After RQUGE (arXiv 2211.01482), with words in place of its scoring model: see `score_answer`.

    Args:
        items: The pairs. Of a long passage, the sentences around the stored answer are read.
        generator: The model; all chats begin alike, and go to it in one batch.
        should_stop: Asked while the model writes.

    Returns:
        A reading for each item, in order.

    Raises:
        PromptTooLong: An item does not fit into the model's window.
        Stopped: `should_stop` said yes.
    """
    if not items:
        return []
    texts = generator.complete(
        [_chat(item) for item in items], max_new_tokens=_MAX_NEW_TOKENS, should_stop=should_stop
    )
    answers = [" ".join(text.split()) for text in texts]
    return [
        Reading(score=score_answer(answer, item), reader_answer=answer)
        for answer, item in zip(answers, items, strict=True)
    ]


def score_answer(reader_answer: str, item: ReadingItem) -> float:
    """How well a reader's answer agrees with the stored one.

    Only terms that the question does not mention count as answer, so that an echo of the question is
    worth nothing. With R those of the first sentence of the reader's answer that has any, and A those
    of the stored answer:

    - precision is the share of R that the stored answer mentions;
    - recall is the number of A that the reader mentions, over min(|R|, |A|), at most 1: a short answer
      taken from three paragraphs is as good as one taken from a sentence;
    - agreement is F-0.5 of both, halved if R has a number, a name or an identifier that the stored
      answer does not have;
    - the score is agreement times (1 + c) / 2, where c is the share of the question's terms that the
      stored answer, title and headings mention.

    A refusal, an echo, and a yes where the stored answer says no score 0. A yes or no that agrees,
    and a question of yes or no repeated as the statement that is stored, scores 0.8 c.

    Args:
        reader_answer: What the reader wrote.
        item: What it read, with the stored answer.

    Returns:
        A number in [0, 1].
    """
    if _refuses(reader_answer) or _contradicts(reader_answer, item.answer):
        return 0.0
    coverage = _coverage(item)
    stated = _stated(reader_answer, item)
    if not stated:
        return _ECHO * coverage if _agrees(reader_answer, item) else 0.0
    return _agreement(stated, item) * (1 + coverage) / 2


def _refuses(answer: str) -> bool:
    return not answer or NOT_FOUND in answer.upper() or is_refusal(answer)


def _contradicts(answer: str, stored: str) -> bool:
    """Whether a yes meets a no; a long stored answer that opens with neither is left undecided."""
    said = _YES_OR_NO.match(answer)
    if not said:
        return False
    opening = _YES_OR_NO.match(stored)
    if opening:
        return said[1].lower() != opening[1].lower()
    if len(split_sentences(stored)) > _PLAIN_ANSWER_SENTENCES:
        return False
    return (said[1].lower() == "no") != bool(Denials(stored).heads)


def _agrees(answer: str, item: ReadingItem) -> bool:
    """Whether words that add nothing are an answer: yes or no, or a yes-or-no question as a statement."""
    if _YES_OR_NO.match(answer):
        return True
    denies = bool(Denials(answer).heads), bool(Denials(item.answer).heads)
    return _ASKS_YES_OR_NO.match(item.question) is not None and denies[0] == denies[1]


def _stated(answer: str, item: ReadingItem) -> list[Term]:
    """What the first telling sentence of an answer adds to the question; nothing for an echo."""
    question = read_vocabulary(item.question)
    sentences = [answer[span.start : span.end] for span in split_sentences(answer)]
    telling = [sentence for sentence in sentences if read_terms(sentence)]
    if _YES_OR_NO.match(answer) or _ASKS_YES_OR_NO.match(item.question):
        telling = telling[:1]  # what follows "No, it does not." explains, and may come from elsewhere
    added = ([term for term in _terms(sentence) if not question.has(term)] for sentence in telling)
    return next((terms for terms in added if terms), [])


def _agreement(stated: Sequence[Term], item: ReadingItem) -> float:
    question, stored = read_vocabulary(item.question), read_vocabulary(item.answer)
    mentioned = [term for term in stated if stored.has(term)]
    if not mentioned:
        return 0.0
    said = read_vocabulary(" ".join(term.text for term in stated))
    wanted = [term for term in _terms(item.answer) if not question.has(term)]
    repeated = sum(said.has(term) for term in wanted)
    precision = len(mentioned) / len(stated)
    recall = min(1.0, repeated / max(min(len(stated), len(wanted)), 1))
    if not recall:
        return 0.0
    agreement = (1 + _RECALL_WEIGHT) * precision * recall / (_RECALL_WEIGHT * precision + recall)
    wrong = any(term.kind is not TermKind.WORD and not stored.has(term) for term in stated)
    return agreement * (_WRONG_FACT if wrong else 1)


def _coverage(item: ReadingItem) -> float:
    """The share of the question's terms that the stored answer, title and headings mention."""
    terms = [term for term in _terms(item.question) if term.key not in _ASKING]
    known = read_vocabulary(" \n".join((*item.place, item.answer)))
    return sum(known.has(term) for term in terms) / len(terms) if terms else 0.0


def _terms(text: str) -> list[Term]:
    return list({term.key: term for term in read_terms(text)}.values())


def _chat(item: ReadingItem) -> list[Message]:
    messages = [Message("system", _SYSTEM)]
    for place, passage, question, answer in _EXAMPLES:
        messages += [
            Message("user", _request(place, passage, question)),
            Message("assistant", answer),
        ]
    place = " > ".join((item.place[0], *item.place[1:][-1:]))
    messages.append(Message("user", _request(place, _window(item), item.question)))
    return messages


def _request(place: str, passage: str, question: str) -> str:
    return f"{neutralise(place)}\n{neutralise(passage)}\n\nQuestion: {neutralise(question)}"


def _window(item: ReadingItem) -> str:
    """The passage, or of a long one whole sentences around the one that matters."""
    text = item.passage_text.strip()
    if len(text) <= _WINDOW_CHARACTERS:
        return text
    spans = split_sentences(text)
    first = last = _central(text, spans, item)
    while True:
        wider = [
            (left, right)
            for left, right in ((first - 1, last), (first, last + 1))
            if left >= 0 and right < len(spans) and _length(spans, left, right) <= _WINDOW_CHARACTERS
        ]
        if not wider:
            return text[spans[first].start : spans[last].end][:_WINDOW_CHARACTERS]
        first, last = min(wider, key=lambda window: _length(spans, *window))


def _central(text: str, spans: Sequence[Span], item: ReadingItem) -> int:
    """The sentence that says most of the stored answer, or of the question where the answer is long."""
    wanted = read_vocabulary(item.answer if len(item.answer) <= _WINDOW_CHARACTERS else item.question)
    said = [sum(wanted.has(term) for term in _terms(text[span.start : span.end])) for span in spans]
    return said.index(max(said))


def _length(spans: Sequence[Span], first: int, last: int) -> int:
    return spans[last].end - spans[first].start

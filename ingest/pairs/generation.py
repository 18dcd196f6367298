"""Pairs that a language model writes: a question for a sentence of a passage, which is its answer."""

import re
from collections.abc import Callable, Sequence

from generator.models import Generator, Message
from generator.prompt import neutralise
from ingest.pairs.drafts import EvidenceSpan, Origin, PairDraft
from ingest.pairs.fitting import SourcePassage, choose_question
from ingest.pairs.statements import Statement, choose_statements

GENERATION_VERSION = "1"

_METHOD = "model"
_MAX_NEW_TOKENS = 40

_SYSTEM = (
    "You turn statements of a manual into questions that users ask. You get the place of the statement in "
    "the manual, the statement, and the words that the question begins with. Write one short question that "
    "the statement answers. Say what thing it is about, with its name from the place if the statement does "
    "not name it. Use the words of the statement. Do not give away the answer."
)
# Place, statement, opener and question: about things that do not exist, so that no example's words fit a
# real passage.
_EXAMPLES = (
    (
        "Lantern backups > `keep_days`",
        "If set to `None`, old backups are never deleted.",
        "What happens if",
        "What happens if `keep_days` is set to `None`?",
    ),
    (
        "Harbour uploads > `Uploader.send()`",
        "If you are sending more than ten files, use `send_many()`, which opens one connection only.",
        "What should you do if",
        "What should you do if you are sending more than ten files with `Uploader.send()`?",
    ),
    (
        "Lantern manual > Themes",
        "To change the colours, put a file named `theme.ini` into the profile folder.",
        "How can you",
        "How can you change the colours of the Lantern theme?",
    ),
    (
        "Harbour manual > Signing in",
        "You must renew a token before it expires, because the server refuses it later.",
        "Why",
        "Why must you renew a Harbour token before it expires?",
    ),
    (
        "Orchard printers > Paper trays",
        "A tray is a named source of paper with its own size and weight.",
        "What is",
        "What is a paper tray?",
    ),
    (
        "Schedules > `Schedule.every`",
        "The interval is counted in minutes and defaults to `60`.",
        "What is the default",
        "What is the default interval of `Schedule.every`?",
    ),
    (
        "Orchard printers > `Job.cancel()`",
        "Jobs cannot be cancelled once the last page is being printed.",
        "Can",
        "Can jobs be cancelled with `Job.cancel()` once the last page is being printed?",
    ),
    (
        "Orchard printers > `Job.pages()`",
        "Returns an iterator over the pages, in the order in which they are printed.",
        "What does",
        "What does `Job.pages()` return?",
    ),
    (
        "Lantern 4.2 release notes > Miscellaneous",
        "The `--quiet` option is only allowed when a log file is given.",
        "When",
        "When is the `--quiet` option allowed in Lantern 4.2?",
    ),
)
_ARGUMENTS = re.compile(r"\([^()`]+\)`")
_EXAMPLE_QUESTIONS = frozenset(question for *_, question in _EXAMPLES)


def write_pairs(
    passages: Sequence[SourcePassage],
    generator: Generator,
    *,
    most: int = 2,
    should_stop: Callable[[], bool] | None = None,
) -> list[list[PairDraft]]:
    """Ask a model for questions that sentences of passages answer.

    The answer of a pair is its sentence, word for word; the model writes the question only. Questions
    that name what the passage does not mention, give the answer away, or miss what the sentence is
    about are dropped.

    Args:
        passages: What to ask about.
        generator: The model; all chats begin alike, and go to it in one batch.
        most: How many pairs to make of one passage at most.
        should_stop: Asked while the model writes.

    Returns:
        One list for each passage, which may be empty.

    Raises:
        PromptTooLong: A request does not fit into the model's window.
        Stopped: `should_stop` said yes.
    """
    chosen = [
        (index, statement)
        for index, passage in enumerate(passages)
        for statement in choose_statements(passage.text, passage.place, most=most)
    ]
    chats = [_chat(passages[index], statement) for index, statement in chosen]
    lines = (
        generator.complete(chats, max_new_tokens=_MAX_NEW_TOKENS, should_stop=should_stop) if chats else []
    )
    pairs: list[list[PairDraft]] = [[] for _ in passages]
    for (index, statement), line in zip(chosen, lines, strict=True):
        question = choose_question(line, passages[index], statement)
        if question and question not in _EXAMPLE_QUESTIONS:
            pairs[index].append(_draft(question, passages[index], statement))
    return pairs


def _chat(passage: SourcePassage, statement: Statement) -> list[Message]:
    messages = [Message("system", _SYSTEM)]
    for place, sentence, opener, question in _EXAMPLES:
        messages += [Message("user", _request(place, sentence, opener)), Message("assistant", question)]
    place = _ARGUMENTS.sub("()`", " > ".join((passage.place[0], *passage.place[1:][-1:])))
    messages.append(
        Message("user", _request(place, statement.shape.reordered or statement.text, statement.shape.opener))
    )
    return messages


def _request(place: str, sentence: str, opener: str) -> str:
    return f"Place: {neutralise(place)}\nStatement: {neutralise(sentence)}\nBegin with: {opener}"


def _draft(question: str, passage: SourcePassage, statement: Statement) -> PairDraft:
    return PairDraft(
        question=question,
        answer=statement.text,
        origin=Origin.GENERATED,
        method=_METHOD,
        evidence=(EvidenceSpan(start=passage.start + statement.start, end=passage.start + statement.end),),
    )

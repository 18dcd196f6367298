"""Headings that name a task, as questions how it is done: "Installing Basalt", "Add a model"."""

import re
from collections.abc import Iterator, Sequence
from itertools import dropwhile, pairwise

from ingest.document import Block, BlockKind
from ingest.pairs.drafts import PairDraft
from ingest.pairs.entries import Entry, make_pair
from ingest.pairs.questions import content_words, plain_line
from ingest.pairs.verbs import from_gerund, is_base, is_only_base
from ingest.spans import Span

_ENOUGH = 600  # characters of an answer after which no further block is taken
_MOST_WORDS = 14
_FEWEST_WORDS = 2
_SHORTEST = 60
_LONGEST_REFERRAL = 250  # characters; a longer text that also sends elsewhere says something itself
_LONGEST = 1500  # characters of an answer, whatever its last block holds

_HOW_TO = re.compile(r"how to (?=\w)", re.IGNORECASE)
_STEP = re.compile(r"(?:step|tip|task|part)\s+\d{1,2}\s*[.:)-]\s+|\(?optional\)?[.:]?\s+", re.IGNORECASE)
_CODE = re.compile(r"`[^`\n]*`")
_SMALL_WORD = re.compile(r"(?<=[ (])[a-z]+(?=[ ,.;:)])")
_NAME_INSIDE = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
_SHOWING = frozenset({BlockKind.CODE, BlockKind.LIST})
_REFERRAL = re.compile(r"\b(?:see|refer to|read|follow (?:this|these|the)|described in)\b", re.IGNORECASE)
_CONJUNCTIONS = frozenset({"and", "or", "&"})
_NO_TASK_ENDS = ("?", ":", "!")
_DETERMINERS = frozenset({"a", "an", "the", "your", "my", "all", "each", "every", "multiple", "up", "new"})
_POSSESSIVES = frozenset({"the", "your", "my", "our"})
_ADVERBS = frozenset({"up", "down", "off", "out"})
_POINTING = "it this that them these those things yourself one everything and or &"
_PREPOSITIONS = (
    "from by of via on in at as before after when without under during within using if per until while"
)
_NO_OBJECT = frozenset(f"{_POINTING} {_PREPOSITIONS}".split())
_COMMON = """
" reference options overview considerations guide guides tutorial tutorials example examples api
strategy strategies notes tips basics issues tools guidelines process configuration behavior systems
policy policies concepts architecture workflow workflows speed time blocks techniques mechanism
model models method methods started involved help support details information requirements
limitations performance style conventions
"""
_ANY_NOUNS = frozenset(_COMMON.split())
_STATES = re.compile(
    r"\b(?:vs\.?|versus|is|are|was|were|can|should|must|will|fails?|hangs?|considered)\b", re.IGNORECASE
)
_SHOWS_HOW = re.compile(
    r"\b(?:you|we)(?: can| could| should| must| may|['\u2019]ll| will)? (?:also |simply |first |just )?"
    r"(?:need|have to|use|set|run|add|call|create|pass|define|specify|install|make|override|write|do|put"
    r"|wrap|provide|configure|enable)\b"
    r"|(?:^|[.:;] |, |then |and )(?:use|set|run|add|call|create|pass|define|specify|install|make|override"
    r"|write|put|wrap|provide|configure|enable|open|go|type|click|select|choose|follow|copy|start|include"
    r"|subclass|remove|implement|execute|download|change|edit|ensure)"
    r" (?:a\b|an\b|the\b|your\b|to\b|up\b|`|\w+\(|[A-Z])"
    r"|\bby (?:\w+ly )?\w+ing\b",
    re.IGNORECASE | re.MULTILINE,
)
_BARE_ITEM = re.compile(r"\s*(?:[-*]|\d+[.)])\s+(?:`[^`]*`|\S+)[.,;]?(?:\n|$)")
_META = re.compile(
    r"(?:this|the following|in this|here|below) (?:\w+ )?"
    r"(?:section|document|page|chapter|tutorial|guide|example|topic)s?\b"
    r"|(?:note|warning|caution|danger|important|tip|hint|see also|deprecated)\b.{0,40}?:"
    r"|(?:new|added|changed) in\b|\.\. |Module `|see (?:the )?\S+(?: \S+){0,5}\.?$",
    re.IGNORECASE,
)


def task_pairs(entry: Entry) -> Iterator[PairDraft]:
    """How the heading's task is done, where it names one and the text below it says how."""
    task = _task(_STEP.sub("", plain_line(entry.heading), count=1))
    if not task:
        return
    blocks = _how(entry)
    if blocks:
        span = Span(blocks[0].start, blocks[-1].end)
        question = f"How do I {_as_in_text(task, entry)}?"
        yield make_pair(entry.document, question, span, method="task")


def _task(heading: str) -> str:
    """The task in its command form, "install Basalt"; empty where the heading names none, or not what on."""
    named = _HOW_TO.sub("", heading, count=1)
    words = named.rstrip(".").split()
    if len(words) > _MOST_WORDS or _STATES.search(named) or named.endswith(_NO_TASK_ENDS) or "," in named:
        return ""
    verbs, rest = _leading_verbs(words, told=named != heading)
    if not verbs or not _names_what(rest) or any(_is_unsure(*pair) for pair in pairwise(rest)):
        return ""
    return " ".join([verbs, *("my" if word == "your" else word for word in rest)])


def _leading_verbs(words: Sequence[str], *, told: bool) -> tuple[str, Sequence[str]]:
    """The verb or the two verbs that a task begins with, and the rest; an empty verb where there is none.

    Args:
        words: The heading's words.
        told: Whether "How to" stood before them, so that the first one can only be a verb.
    """
    if len(words) < _FEWEST_WORDS or words[0].isupper():
        return "", words
    is_certain = is_only_base(words[0]) or told or words[1].lower() in _DETERMINERS
    is_command = is_certain and is_base(words[0])
    first = words[0].lower() if is_command else "" if told else from_gerund(words[0])
    if not first or words[1] not in _CONJUNCTIONS or len(words) == _FEWEST_WORDS:
        return first, words[1:]
    second = words[2].lower() if is_command and is_base(words[2]) else from_gerund(words[2])
    return (f"{first} and {second}" if second else ""), words[3:]


def _names_what(rest: Sequence[str]) -> bool:
    """Whether the words after the verb name something: not a pronoun, nor a noun that any text has."""
    objects = rest[1:] if rest and rest[0].lower() in _ADVERBS else rest
    if not objects or objects[0].lower() in _NO_OBJECT or not content_words(" ".join(objects)):
        return False
    is_this_documents = objects[0].lower() in _POSSESSIVES and len(objects) == _FEWEST_WORDS
    is_any_texts = len(rest) == 1 and rest[0].lower() in _ANY_NOUNS
    return not is_any_texts and not (is_this_documents and objects[1].islower())


def _as_in_text(task: str, entry: Entry) -> str:
    """The task with small letters where its heading had a capital that the text below does not have."""
    start, stop = entry.blocks[0].start, min(entry.blocks[-1].end, entry.blocks[0].start + _LONGEST)
    prose = _CODE.sub(" ", entry.document.text[start:stop])
    small, names = set(_SMALL_WORD.findall(prose)), set(_NAME_INSIDE.findall(prose))
    return " ".join(
        word.lower() if word[1:].islower() and word not in names and word.lower() in small else word
        for word in task.split()
    )


def _is_unsure(word: str, following: str) -> bool:
    """Whether a word may be a further verb that would have to lose its "ing"."""
    return word.lower() in _CONJUNCTIONS and following.lower().endswith("ing")


def _how(entry: Entry) -> Sequence[Block]:
    """The first blocks, if they say how: a list of steps, or text and code of some length, with no open end.

    Text alone says how only where it is all of its section, and tells the reader what to do.
    """
    blocks = list(dropwhile(lambda block: _is_preface(entry, block), entry.blocks))
    if not blocks:
        return []
    last = 1
    while last < len(blocks) and _goes_on(entry, blocks[:last], blocks[last]):
        last += 1
    while last and entry.text(blocks[last - 1]).endswith(":"):
        last -= 1
    chosen = blocks[:last]
    if not chosen or chosen[-1].end - chosen[0].start > _LONGEST:
        return []
    kinds = {block.kind for block in chosen}
    is_enough = BlockKind.CODE in kinds or (not entry.has_parts and _tells(entry, chosen))
    return chosen if is_enough and (last == len(blocks) or kinds & _SHOWING) else []


def _tells(entry: Entry, blocks: Sequence[Block]) -> bool:
    """Whether text without code tells what to do, and does not only send the reader elsewhere."""
    whole = entry.document.text[blocks[0].start : blocks[-1].end]
    sends_away = len(whole) <= _LONGEST_REFERRAL and bool(_REFERRAL.search(whole))
    return len(whole) >= _SHORTEST and not sends_away and any(_shows_how(entry, block) for block in blocks)


def _is_preface(entry: Entry, block: Block) -> bool:
    return block.kind is BlockKind.PARAGRAPH and bool(_META.match(entry.text(block)))


def _goes_on(entry: Entry, taken: Sequence[Block], following: Block) -> bool:
    """Whether an answer takes a further block: it has room for it, or its last words announce it."""
    start = taken[0].start
    is_announced = entry.text(taken[-1]).endswith(":") and following.end - start <= _LONGEST
    is_list = taken[0].kind is BlockKind.LIST
    return is_announced or (not is_list and following.end - start <= _ENOUGH)


def _shows_how(entry: Entry, block: Block) -> bool:
    text = entry.text(block)
    return not _BARE_ITEM.match(text) if block.kind is BlockKind.LIST else bool(_SHOWS_HOW.search(text))

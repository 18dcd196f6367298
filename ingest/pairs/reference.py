"""Reference entries as questions: settings, their defaults, command-line options, classes and functions."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from ingest.document import Block, BlockKind
from ingest.pairs.defaults import find_default
from ingest.pairs.drafts import PairDraft
from ingest.pairs.entries import Entry, make_pair, sentences_of
from ingest.pairs.questions import plain_line
from ingest.pairs.verbs import is_base, is_third_person
from ingest.spans import Span

_FEWEST_DESCRIPTION_WORDS = 4
_LONGEST_DESCRIPTION = 500

_LABEL = re.compile(
    r"(?P<kind>(?:(?:class|classmethod|staticmethod|async|exception|attribute|property|function|method) )*)"
    r"(?:`(?P<code>[^`]+)`|(?P<dotted>[A-Za-z_]\w*(?:\.\w+){1,10}))"
    r"(?:,|$| (?:class|method|function|setting|option|command|filter|tag|decorator)$)"
)
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_OPTION = re.compile(r"--?[A-Za-z][\w-]*")
_OPTION_TERM = re.compile(
    r"(?:[-*] )?`?(?P<names>--?[A-Za-z][\w-]*(?:[ =,]+[^\s`:]+){0,4})`?\s?:\s+(?P<text>\S)"
)
_SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{4,}")
_CLASS = re.compile(r"_*[A-Z]+[a-z]\w*")
# Markdown reads the underscores of __init__ as emphasis, and drops them.
_LOST_MARKS = re.compile(r"[A-Z]\w*\.(?:init|call|iter|len|enter|exit|getitem|next|repr|str|hash|eq|new)$")
_TELLING_NAME = re.compile(r"[A-Za-z]\w*_\w+|[a-z]+[A-Z]\w*|[A-Z]+[a-z]+[A-Z]\w*|\w+\.\w+|[A-Z_]{4,}")
_KINDS = re.compile(
    r"\b(filter|tag|command|subcommand|setting|option|field|widget|validator|signal|function|decorator"
    r"|lookup|attribute|method|parameter|argument|permission|check|logger|operator|variable|block|role"
    r"|directive|flag|property|hook|metric|annotation|label|column|keyword|header|event)s?\b",
    re.IGNORECASE,
)
_OPEN = re.compile(r"\b(?:see|below|above|following|varies|depends|earlier|later)\b", re.IGNORECASE)
_THIS = re.compile(
    r"(?:this|the) (?:`?(?P<name>[\w.]+)`? )?(?:class|method|function|setting|option|filter|tag|command"
    r"|attribute|decorator|field|widget|property|validator|middleware|signal|flag|parameter|hook)"
    r" (?P<verb>\w+)",
    re.IGNORECASE,
)
_BY_NAME = re.compile(r"(?:the )?`(?P<name>[^`]+?)(?:\(\))?` (?P<verb>\w+)", re.IGNORECASE)
_NOUN = re.compile(
    r"(?:an?|the|any|one of|optional\b.{0,12}?)\s+(?!same\b|following\b|first\b|above\b)"
    r"(?!(?:\S+ ){1,4}(?:must|should|can|may|will|has|have)\b)\S",
    re.IGNORECASE,
)
_BOOLEAN = re.compile(
    r"(?:whether|a boolean|boolean|if `?true`?\b|if set\b|when `?true`?\b|set (?:this )?to `?true)",
    re.IGNORECASE,
)
_FINITE = frozenset(
    {"may", "can", "should", "will", "must", "is", "are", "have", "do", "might", "were", "was", "of"}
)
_NEWS = re.compile(
    r"\b(?:(?:has|have) been|was|were) (?:now )?(?:added|removed|renamed|deprecated|changed|moved)\b|\bnow\b"
)
_RAW_MARKUP = re.compile(r":\w+:\s?`|\.\. \w+")
_TAKES = re.compile(r"(?:accepts|takes) ", re.IGNORECASE)  # what, but not what it is for
_NO_VERBS = "settings notes uses tests names values lists files forms works changes details"
_NOT_VERBS = frozenset(_NO_VERBS.split())


class _Subject(NamedTuple):
    """What a reference entry is about.

    Attributes:
        name: How a question calls it.
        kind: The noun that its section's heading has for it; empty where there is none.
        is_call: Whether it is called, as a function is.
        is_class: Whether it is a class or an exception.
        is_setting: Whether it is a setting or an attribute.
    """

    name: str
    kind: str
    is_call: bool
    is_class: bool

    @property
    def shown(self) -> str:
        """The words that stand for it in a question."""
        return f"the {self.name} {self.kind}" if self.kind else self.name


def reference_pairs(entry: Entry) -> Iterator[PairDraft]:
    """What the entry of a reference is, does and defaults to; nothing for sections that are none."""
    option = _option_name(entry.heading)
    if option:
        yield from _described_option(entry, option, entry.sentences, _owner_of_option(entry))
    else:
        subject = _subject(entry)
        if subject is not None:
            yield from _described(entry, subject)
            if not subject.is_call and not subject.is_class:
                yield from _defaults(entry, subject)
    yield from _option_terms(entry)


def _subject(entry: Entry) -> _Subject | None:
    """What the heading names, if it names one thing in code and its name says enough."""
    label = _LABEL.match(entry.heading)
    if label is None:
        return None
    code = label["code"] or label["dotted"]
    named = _NAME.match(code)
    if named is None or code[named.end() : named.end() + 1] not in {"", "(", "["}:
        return None
    name, kind = named.group(), label["kind"].strip()
    if _LOST_MARKS.search(name):
        return None
    signed = entry.blocks and entry.text(entry.blocks[0]).startswith((f"{name}(", f"`{name}(", f"`{code}("))
    last = name.rsplit(".", 1)[-1]
    is_class = kind in {"class", "exception"} or bool(_CLASS.fullmatch(last))
    is_call = not is_class and ("(" in code or bool(signed))
    owner = "" if "." in name or is_class else _owner(entry)
    noun = "" if owner or "." in name or is_call or is_class else _kind_of(entry)
    if not (owner or noun or is_call or is_class or _TELLING_NAME.fullmatch(name)):
        return None
    full = (
        f"{owner}.{name}"
        if owner and not _SETTING.fullmatch(owner)
        else f"{name} in {owner}"
        if owner
        else name
    )
    return _Subject(f"{full}()" if is_call else full, noun, is_call, is_class)


def _owner(entry: Entry) -> str:
    """The class, or the setting, that the nearest heading in code above names; empty where there is none."""
    for heading in reversed(entry.above):
        label = _LABEL.match(heading)
        named = label and _NAME.match(label["code"] or label["dotted"])
        if named:
            last = named.group().rsplit(".", 1)[-1]
            return last if _CLASS.fullmatch(last) or _SETTING.fullmatch(last) else ""
    return ""


def _kind_of(entry: Entry) -> str:
    """What the nearest heading in words above calls its entries: "Built-in filters" gives "filter"."""
    heading = next((plain_line(each) for each in reversed(entry.above) if not _LABEL.match(each)), "")
    kinds = {kind.lower() for kind in _KINDS.findall(heading)}
    return kinds.pop() if len(kinds) == 1 else ""


def _described(entry: Entry, subject: _Subject) -> Iterator[PairDraft]:
    span = _description(entry, entry.sentences)
    if span is None:
        return
    text = entry.document.text[span.start : span.end]
    question = _about(text, subject)
    if question:
        method = "callable" if subject.is_call or subject.is_class else "setting"
        yield make_pair(entry.document, question, span, method=method)


def _description(entry: Entry, sentences: list[Span]) -> Span | None:
    """The first sentence, if it is a whole one of some length that stands alone."""
    if not sentences:
        return None
    text = entry.document.text[sentences[0].start : sentences[0].end]
    is_whole = (
        text.endswith((".", ".)", "!", ".`")) and text[0] not in "([" and len(text) <= _LONGEST_DESCRIPTION
    )
    says_enough = len(text.split()) >= _FEWEST_DESCRIPTION_WORDS
    is_clean = not _NEWS.search(text) and not _RAW_MARKUP.search(text)
    return sentences[0] if is_whole and says_enough and is_clean else None


def _about(description: str, subject: _Subject) -> str:
    """The question that a description answers; empty where it is not clear that it answers one."""
    if _says_what_it_does(description, subject):
        return f"What does {subject.shown} do?"
    if _NOUN.match(description) and not _OPEN.search(description[:40]):
        return f"What is {subject.shown}?"
    names = _BY_NAME.match(description)
    if names and _is_same(names["name"], subject.name) and names["verb"] in {"is", "are"}:
        return f"What is {subject.shown}?"
    return ""


def _says_what_it_does(description: str, subject: _Subject) -> bool:
    first, second, *_ = description.split()
    if second.lower() in _FINITE or (_TAKES.match(description) and "return" not in description):
        return False
    if _BOOLEAN.match(description) or (_is_verb(first) and first[0].isupper()):
        return True
    if subject.is_call and is_base(first) and first[0].isupper():
        return True
    this = _THIS.match(description)
    if this and (this["name"] is None or _is_same(this["name"], subject.name)):
        return _is_verb(this["verb"]) and (subject.is_call or this["verb"] != "is")
    named = _BY_NAME.match(description)
    return named is not None and _is_same(named["name"], subject.name) and _is_verb(named["verb"])


def _is_same(name: str, other: str) -> bool:
    return name.rsplit(".", 1)[-1] == other.removesuffix("()").rsplit(".", 1)[-1]


def _is_verb(word: str) -> bool:
    return is_third_person(word) and word.lower() not in _NOT_VERBS


def _defaults(entry: Entry, subject: _Subject) -> Iterator[PairDraft]:
    span = find_default(entry)
    if span is not None:
        yield make_pair(
            entry.document, f"What is the default value of {subject.shown}?", span, method="default"
        )


def _option_name(label: str) -> str:
    """The long name of a command-line option, or its short one; empty where a label is none."""
    names = [
        match.group() for part in label.strip("`").split(", ") if (match := _OPTION.match(part.strip("`")))
    ]
    return next((name for name in names if name.startswith("--")), names[0] if names else "")


def _owner_of_option(entry: Entry) -> str:
    """The command of an option: what the nearest heading in code above names."""
    label = next((match for each in reversed(entry.above) if (match := _LABEL.match(each))), None)
    named = label and _NAME.match(label["code"] or label["dotted"])
    return named.group() if named else ""


def _described_option(entry: Entry, option: str, sentences: list[Span], owner: str) -> Iterator[PairDraft]:
    span = _description(entry, sentences)
    if span is None:
        return
    first = entry.document.text[span.start : span.end].split(maxsplit=1)[0]
    if is_third_person(first) or is_base(first) or _NOUN.match(entry.document.text[span.start : span.end]):
        whose = f" of {owner}" if owner else ""
        yield make_pair(entry.document, f"What does the {option} option{whose} do?", span, method="option")


def _option_terms(entry: Entry) -> Iterator[PairDraft]:
    """Options that stand as terms before their descriptions, in paragraphs or as items of a list."""
    for block in entry.blocks:
        if block.kind in {BlockKind.PARAGRAPH, BlockKind.LIST}:
            for line in _lines(entry, block):
                text = entry.document.text[line.start : line.end]
                term = _OPTION_TERM.match(text)
                if term:
                    told = Span(line.start + term.start("text"), line.end)
                    sentences = sentences_of(entry.document.text, told)
                    yield from _described_option(
                        entry, _option_name(term["names"]), sentences, _owner_of_option(entry)
                    )


def _lines(entry: Entry, block: Block) -> Iterator[Span]:
    start = block.start
    for line in entry.text(block).split("\n"):
        yield Span(start, start + len(line))
        start += len(line) + 1

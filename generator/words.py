"""What a text says in words, numbers, names and code, in forms that can be compared."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from generator.stop_words import CODE_STOP_WORDS, NUMBER_WORDS, STOP_WORDS


class TermKind(StrEnum):
    """What a term is; all but a word must stand in the evidence as they are."""

    WORD = "word"
    NUMBER = "number"
    NAME = "name"
    IDENTIFIER = "identifier"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that a text says.

    Attributes:
        text: As written.
        key: Its comparable form: a stem, a plain number, a folded name or a lower-case identifier.
        kind: What it is.
    """

    text: str
    key: str
    kind: TermKind


_TOKEN = re.compile(
    r"""
    (?P<flag>(?<![\w-])--?[A-Za-z][\w-]*)
  | (?P<path>(?<![\w/.])(?:~|\.{1,2})?/?[\w.<>{}-]+(?:/[\w.<>{}-]+)+/?|(?<![\w/])/[\w.-]+/?)
  | (?P<dotted>(?<![\w.])@?[^\W\d]\w*(?:\.[^\W\d]\w*)+)
  | (?P<setting>(?<![\w.])[^\W\d]\w*=['"]?\w[\w.]*\w|(?<![\w.])[^\W\d]\w*=\w)
  | (?P<call>[^\W\d]\w*(?=\(\)))
  | (?P<number>(?<![\w.])[vV]?\d+(?:,\d{3})*(?:\.\d+)*)
  | (?P<word>[^\W\d_][\w]*(?:['\u2019](?:s|t|re|ve|ll|d|m)\b)?|_\w+)
    """,
    re.VERBOSE,
)
_INLINE_CODE = re.compile(r"`+([^`]+)`+")
_CAMEL_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_LOOKS_LIKE_CODE = re.compile(r"_|[a-z0-9][A-Z]|^[A-Z][A-Z0-9]+s?$|[^\W\d]\d|^[A-Z][a-z]+[A-Z]")
_LIST_MARK = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_LABEL = re.compile(r"\s*(?:[-*+•]\s+|\d{1,3}[.)]\s+)?(?:\*\*[^*\n]{1,80}\*\*|[^.:\n`]{1,60}:(?=\s|$))")
_FENCE_LINE = re.compile(r"^\s*(?:```|~~~).*$", re.MULTILINE)
_COMMENT = re.compile(r"(?:(?<=\s)|^)(?:#|//)\s.*$", re.MULTILINE)
_CODE_TOKEN = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)*")
_SUFFIX = re.compile(r"(?:ingly|edly|ing|ed|ly|es|(?<!s)s)$")
_STEM_LENGTH = 6
_SHORT = 4


def read_terms(text: str) -> list[Term]:
    """The content of a statement, in order, without stop words.

    Args:
        text: One sentence, list item or heading; Markdown is understood.

    Returns:
        Words as stems; numbers; names, which are words with a capital inside a sentence; and
        identifiers: what stands in backticks, has an underscore, inner capitals or digits, is
        dotted, a path or a command's option.
    """
    mark = _LIST_MARK.match(text)
    label = _LABEL.match(text)
    label_end = label.end() if label else 0
    coded = [match.span() for match in _INLINE_CODE.finditer(text)]
    terms: list[Term] = []
    for match in _TOKEN.finditer(text, mark.end() if mark else 0):
        in_code = any(start <= match.start() < end for start, end in coded)
        opens = match.start() < label_end or _opens_sentence(text, match)
        terms.extend(_term(match, in_code=in_code, opens=opens))
    return terms


def find_tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Every token of a text as written, stop words too, and whether it is a number."""
    for match in _TOKEN.finditer(text):
        yield match.group(), match.lastgroup == "number"


def read_code_terms(code: str) -> list[Term]:
    """The names and numbers in a block of code, without comments, keywords and built-ins."""
    body = _COMMENT.sub("", _FENCE_LINE.sub("", code))
    tokens = (match for match in _CODE_TOKEN.finditer(body) if match.group() not in CODE_STOP_WORDS)
    return [
        Term(match.group(), number_key(match.group()), TermKind.NUMBER)
        if match.group()[0].isdigit()
        else Term(match.group(), fold(match.group()), TermKind.IDENTIFIER)
        for match in tokens
    ]


def stem(word: str) -> str:
    """A word's beginning without its ending; equal for `migrate`, `migrates` and `migration`.

    Cut to six letters: coarse, but a match only adds to a share of words that must be large.
    """
    lowered = fold_possessive(word)
    if len(lowered) <= _SHORT:
        return lowered.removesuffix("s") if lowered.isalpha() and len(lowered) == _SHORT else lowered
    if lowered.endswith("ies"):
        lowered = lowered[:-3] + "y"
    base = _SUFFIX.sub("", lowered)
    base = base if len(base) >= _SHORT - 1 else lowered
    if len(base) > _SHORT - 1 and base[-1] == base[-2] and base[-1] not in "ls":
        base = base[:-1]
    return base.rstrip("e")[:_STEM_LENGTH]


def fold(word: str) -> str:
    """A name or identifier in lower case, without a plural's or possessive's ending and brackets."""
    lowered = fold_possessive(word.removesuffix("()"))
    return lowered.removesuffix("s") if len(lowered) >= _SHORT and not lowered.endswith("ss") else lowered


def fold_possessive(word: str) -> str:
    """A word in lower case, without `'s`."""
    return re.sub(r"['\u2019]s$", "", word.lower())


def number_key(text: str) -> str:
    """A number without thousands separators and without a version's `v`."""
    return text.replace(",", "").lstrip("vV")


def parts(identifier: str) -> Iterator[str]:
    """The words inside an identifier, split at dots, underscores, slashes, dashes and capitals."""
    for piece in re.split(r"[^A-Za-z0-9]+", identifier):
        yield from _CAMEL_PARTS.findall(piece)


def _opens_sentence(text: str, match: re.Match[str]) -> bool:
    """Whether a capital at this place is only the start of a sentence."""
    before = text[: match.start()].rstrip(" \t\n*_\"'“\u2018([")
    return not before or before[-1] in ".!?:;|-•"


def _term(match: re.Match[str], *, in_code: bool, opens: bool) -> Iterator[Term]:
    """The term of a token, or none for a stop word."""
    token, group = match.group(), match.lastgroup
    if group == "number":
        yield Term(token, number_key(token), TermKind.NUMBER)
    elif group == "path" and not in_code and re.fullmatch(r"[A-Za-z]+(?:/[A-Za-z]+)+", token):
        for word in token.split("/"):  # "and/or", "read/write"
            yield from _word(word, in_code=False, opens=True)
    elif group == "word":
        yield from _word(token, in_code=in_code, opens=opens)
    elif group == "call":
        yield Term(token, fold(token), TermKind.IDENTIFIER)
    elif token.lower() not in STOP_WORDS and token.lower().rstrip(".") not in {"e.g", "i.e"}:
        yield Term(token, token.lower().strip("@/"), TermKind.IDENTIFIER)


def _word(token: str, *, in_code: bool, opens: bool) -> Iterator[Term]:
    lowered = token.lower()
    if in_code and lowered in STOP_WORDS:
        return
    if in_code or _LOOKS_LIKE_CODE.search(token):
        yield Term(token, fold(token), TermKind.IDENTIFIER)
    elif lowered in NUMBER_WORDS:
        yield Term(token, NUMBER_WORDS[lowered], TermKind.NUMBER)
    elif lowered in STOP_WORDS or fold_possessive(token) in STOP_WORDS or len(lowered) == 1:
        return
    elif token[0].isupper() and not opens:
        yield Term(token, fold(token), TermKind.NAME)
    elif not re.search(r"n['\u2019]t$", lowered):
        yield Term(token, stem(token), TermKind.WORD)

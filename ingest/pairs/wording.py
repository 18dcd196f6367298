"""Is a pair well formed: one question that stands on its own, and an answer that says something?

Each failed check takes its cost from a score of 1. The rules know English words; in other languages only
the checks of form work (length, signs, repetition, leftovers).
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

_SHORTEST, _LONGEST = 3, 40  # words of a question
_MOST_REPEATED = 3
_LEAST_LETTERS = 0.5
_NEW_WORDS = 1  # that an answer must add to its question
_WORD = re.compile(r"[^\W_][\w'’.+#-]*(?<![.'’-])|[^\W_]")  # noqa: RUF001
_CODE = re.compile(r"```.*?```|`[^`]*`|https?://\S+", re.DOTALL)
_FUNCTION_WORDS = frozenset(
    "a an the of in on at to for with by from into about is are was were be been being am do does did doing "  # noqa: SIM905
    "can could may might will would shall should must have has had i you we they he she it its my your our "
    "their me us them him her his this that these those there here and or but if so as then than what which "
    "who whom whose how why when where not no yes also just only please".split()
)
_OPENING = re.compile(
    r"(?:what|which|who|whom|whose|how|why|when|where|can|could|may|might|is|are|was|were|am|do|does|did|"
    r"will|would|shall|should|must|has|have|had)(?:n['’]t|['’]s|['’]re)?\b",  # noqa: RUF001
    re.IGNORECASE,
)
_LATER = re.compile(r"^[^?]{2,80}?(?:[,:;.!]|\s-)\s+", re.DOTALL)
_PREPOSITION = re.compile(
    r"^(?:in|for|on|at|with|from|to|of|by|under)\s+(?:what|which|whom|whose)\b", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"\b(?:according to|based on|mentioned|described|discussed|shown|given|provided|stated)\s+(?:in\s+)?"
    r"(?:the|this|above|below|here)\b"
    r"|\b(?:the|this|that|above|following|given|provided)\s+(?:text|passage|section|paragraph|excerpt|"
    r"context|snippet|sentence|statement|document)\b"
    r"|\bthe\s+(?:above|following|preceding|previous)\s+\w+|\b(?:above|below)\?$",
    re.IGNORECASE,
)
_POINTING = frozenset("it this that these those they them he she him her".split())  # noqa: SIM905
_BACK = re.compile(r"\b(?:it|they|them)\b", re.IGNORECASE)
_NAMED_BEFORE = 2  # words of content before a pointing word: a verb and what it does something to
_EXPLETIVE = re.compile(r"\bit (?:\w+ ){0,3}(?:to|that|if|for)\b", re.IGNORECASE)
_FIGURE = re.compile(r"\b(?:figure|table|listing|section|chapter) \d", re.IGNORECASE)
_TWICE = re.compile(r"\b(?!that\b|had\b)(\w+) \1\b", re.IGNORECASE)
_LABEL_LINE = re.compile(r"^(?:question|user|assistant|system):", re.IGNORECASE | re.MULTILINE)
_LEFTOVER = re.compile(
    r"<\|?\w+\|?>|\b(?:question|answer|assistant|user|system)\s*\d*\s*:|\[\d+\]|^\W*(?:Q|A)\d*\s*[:.]|\*\*\*|^#",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"^\W*(?:i (?:don['’]t|do not|can['’]t|cannot) (?:know|answer|find)|(?:it is |this is )?not "  # noqa: RUF001
    r"(?:found|mentioned|specified|provided|stated)|(?:sorry|n/a|unknown|none|tbd)\W*$"
    r"|(?:i['’]?a?m )?sorry\b.{0,40}\b(?:cannot|can['’]t|unable)|there is no (?:information|mention)\b"  # noqa: RUF001
    r"|the (?:passage|text|context) does(?: not|n['’]t))",  # noqa: RUF001
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?:;…)\]}\"'`”’|>*]\s*$")  # noqa: RUF001
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How well a pair is worded.

    Attributes:
        score: In [0, 1]: 1 less the costs of all failed checks; 0 is unusable.
        reason: The costliest failed check in plain words; None if all passed.
    """

    score: float
    reason: str | None


def judge_wording(question: str, answer: str) -> Wording:
    """Check the words of a pair, not whether the answer is right.

    Costs: 1 where the pair is of no use (empty, a refusal, leftovers of a prompt, nothing but pointing
    words), 0.6 where most such pairs are bad, 0.3 and less where the pair is only less good: a
    search-like phrase instead of a question costs 0.3.

    Args:
        question: The question.
        answer: Its answer; Markdown is understood.
    """
    asked, said = " ".join(question.split()), answer.strip()
    failed = [check for check in _CHECKS if check.fails(asked, said)]
    if not failed:
        return Wording(score=1.0, reason=None)
    worst = max(failed, key=lambda check: check.cost)
    return Wording(score=round(max(0.0, 1 - sum(check.cost for check in failed)), 2), reason=worst.reason)


@dataclass(frozen=True, slots=True)
class _Check:
    cost: float
    reason: str
    fails: Callable[[str, str], object]  # given the question and the answer; anything true


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _content(text: str) -> set[str]:
    return {word for word in _words(text) if word not in _FUNCTION_WORDS}


def _is_repetitive(asked: str, _said: str) -> bool:
    counts = Counter(word for word in _words(asked) if word not in _FUNCTION_WORDS)
    return max(counts.values(), default=0) > _MOST_REPEATED


def _points_only(asked: str, _said: str) -> bool:
    """Whether what is asked about is named by a pointing word alone."""
    words = _words(_CODE.sub(" code ", asked))
    return bool(_POINTING & set(words)) and not _content(asked) - {"mean", "work", "happen", "used", "use"}


def _points_back(asked: str, _said: str) -> bool:
    """Whether "it" or "them" stands where nothing was named yet: ``How do I install it?``."""
    plain = _EXPLETIVE.sub(" ", _CODE.sub(" code thing ", asked))
    match = _BACK.search(plain)
    return match is not None and len(_content(plain[: match.start()])) < _NAMED_BEFORE


def _opens_well(asked: str) -> bool:
    plain = asked.lstrip("\"'`(“")
    return bool(_OPENING.match(plain) or _PREPOSITION.match(plain))


def _opens_late(asked: str) -> bool:
    """Whether a clause stands before the question: ``When I save a form, how do I ...?``."""
    return any(_opens_well(asked[match.end() :]) for match in [_LATER.match(asked)] if match)


def _is_unbalanced(asked: str, _said: str) -> bool:
    if asked.count("`") % 2 or asked.count('"') % 2:
        return True
    plain = _CODE.sub("", asked)
    return any(plain.count(opening) != plain.count(closing) for opening, closing in _PAIRS.items())


def _has_two_questions(asked: str, _said: str) -> bool:
    return "?" in _CODE.sub("", asked).rstrip("? ")


def _is_mostly_signs(asked: str, _said: str) -> bool:
    signs = [character for character in asked if not character.isspace()]
    return sum(character.isalnum() for character in signs) < _LEAST_LETTERS * max(len(signs), 1)


def _says_nothing_new(asked: str, said: str) -> bool:
    return len(_content(said) - _content(asked)) < _NEW_WORDS and not re.match(
        r"\W*(?:yes|no)\b", said, re.IGNORECASE
    )


_CHECKS = (
    _Check(1.0, "the question is empty or has fewer than 3 words", lambda q, _: len(_words(q)) < _SHORTEST),
    _Check(1.0, "the answer is empty", lambda _, a: not _words(a)),
    _Check(1.0, "the answer is a refusal", lambda _, a: _REFUSAL.search(a)),
    _Check(1.0, "leftovers of a prompt or of markup", lambda q, _: _LEFTOVER.search(_CODE.sub("", q))),
    _Check(1.0, "leftovers of a prompt in the answer", lambda _, a: _LABEL_LINE.search(a)),
    _Check(1.0, "the question names nothing that it is about", _points_only),
    _Check(1.0, "the question is mostly signs", _is_mostly_signs),
    _Check(
        0.6, "the question points to a text that its reader does not see", lambda q, _: _ELSEWHERE.search(q)
    ),
    _Check(0.6, "the question points to a figure or section", lambda q, _: _FIGURE.search(q)),
    _Check(0.6, "the question points back to something that it does not name", _points_back),
    _Check(0.6, "a statement, not a question", lambda q, _: q.endswith(".") and not _opens_well(q)),
    _Check(0.6, "the answer says nothing beyond the question", _says_nothing_new),
    _Check(0.6, "the question repeats its words", _is_repetitive),
    _Check(0.6, "brackets, quotes or backticks do not match", _is_unbalanced),
    _Check(0.6, "the question is longer than 40 words", lambda q, _: len(_words(q)) > _LONGEST),
    _Check(0.3, "a word stands twice", lambda q, _: _TWICE.search(q)),
    _Check(0.3, "two questions in one", _has_two_questions),
    _Check(
        0.3,
        "a phrase, not a question",
        lambda q, _: not (q.endswith("?") or _opens_well(q)),
    ),
    _Check(
        0.2,
        "the question does not begin as one",
        lambda q, _: q.endswith("?") and not _opens_well(q) and not _opens_late(q),
    ),
    _Check(0.2, "the answer breaks off", lambda _, a: not _ENDS.search(a) and len(_words(a)) > _LONGEST // 2),
)

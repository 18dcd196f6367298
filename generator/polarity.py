"""Whether two statements about the same thing contradict each other by a plain "not"."""

import re

from generator.stop_words import STOP_WORDS
from generator.words import stem

_NEGATION = re.compile(
    r"\b(?:not|never|cannot|no|none|nor|neither|nothing|nobody|without|unable|\w+n['\u2019]t)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,;:.!?()—]|\b(?:but|although|though|while|whereas|unless|because|however)\b", re.IGNORECASE
)
# "If you are not logged in, ..." denies nothing.
_CONDITION = re.compile(r"\b(?:if|when|whenever|whether|unless|until)\b[^,;:.!?]*$", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]\w*(?:['\u2019]t)?")
# "not only X but also Y", "no matter", "not necessarily" and an opening "No," deny nothing that follows.
_NO_DENIAL = re.compile(
    r"\b(?:not only|not just|no matter|whether or not|not necessarily|if not)\b|^\W*no,", re.IGNORECASE
)
_SCOPE_WORDS = 2


class Denials:
    """What a statement denies and what it affirms.

    Args:
        statement: One sentence.

    Attributes:
        any: Whether the statement denies something.
        heads: The first content word after each negation, as a stem.
        denied: Up to two content words after each negation in the same clause, as stems.
        affirmed: Every other content word, as a stem.
    """

    __slots__ = ("affirmed", "any", "denied", "heads")

    def __init__(self, statement: str) -> None:
        text = _NO_DENIAL.sub(lambda match: " " * len(match.group()), statement)
        negations = [
            match for match in _NEGATION.finditer(text) if not _CONDITION.search(text[: match.start()])
        ]
        scopes = [_scope(text, match.end()) for match in negations]
        self.heads = frozenset(scope[0] for scope in scopes if scope)
        self.denied = frozenset(word for scope in scopes for word in scope)
        self.affirmed = frozenset(_stems(text)) - self.denied
        self.any = bool(self.heads)


def carries(evidence: Denials, statement: Denials) -> bool:
    """Whether a statement denies only what the evidence denies, and affirms nothing of that.

    False when the statement denies something that the evidence does not deny in the same words, or
    when it affirms what the evidence denies. A word-level guard against flipped sentences, not an
    understanding of logic: a denial in other words ("is fixed" for "cannot change") is refused.
    """
    if not statement.heads <= evidence.denied:
        return False
    if evidence.heads & statement.affirmed:
        return False
    return bool(statement.heads) or not evidence.denied & statement.affirmed


def _scope(text: str, start: int) -> list[str]:
    """The stems of the next content words in the clause."""
    end = _CLAUSE_END.search(text, start)
    return _stems(text[start : end.start() if end else len(text)])[:_SCOPE_WORDS]


def _stems(text: str) -> list[str]:
    words = [match.group() for match in _WORD.finditer(text)]
    return [stem(word) for word in words if word.lower() not in STOP_WORDS and not _NEGATION.fullmatch(word)]

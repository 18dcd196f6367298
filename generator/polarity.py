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
        statement: One sentence, or a few.

    Attributes:
        heads: The first content word after each negation, as a stem.
        denied: Up to two content words after each negation in the same clause, as stems.
        reached: Every content word after a negation in the same clause, as a stem.
        affirmed: Every content word that is not denied.
    """

    __slots__ = ("affirmed", "denied", "heads", "reached")

    def __init__(self, statement: str) -> None:
        text = _NO_DENIAL.sub(lambda match: " " * len(match.group()), statement)
        negations = [
            match for match in _NEGATION.finditer(text) if not _CONDITION.search(text[: match.start()])
        ]
        scopes = [_scope(text, match.end()) for match in negations]
        self.heads = frozenset(scope[0] for scope in scopes if scope)
        self.denied = frozenset(word for scope in scopes for word in scope[:_SCOPE_WORDS])
        self.reached = frozenset(word for scope in scopes for word in scope)
        self.affirmed = frozenset(_stems(text)) - self.denied


def carries(evidence: Denials, statement: Denials) -> bool:
    """Whether a statement denies only what the evidence denies, and affirms nothing of that.

    False when the statement denies something that the evidence does not deny in the same words,
    when it affirms what the evidence denies, or when it affirms something and most of what both
    mention stands under a negation in the evidence. A word-level guard against flipped sentences,
    not an understanding of logic: a denial in other words ("is fixed" for "cannot change") is
    refused.
    """
    if not statement.heads <= evidence.denied or evidence.heads & statement.affirmed:
        return False
    if statement.heads:
        return True
    under_negation = evidence.reached & statement.affirmed
    elsewhere = (evidence.affirmed - evidence.reached) & statement.affirmed
    return not evidence.denied & statement.affirmed and len(under_negation) <= len(elsewhere)


def _scope(text: str, start: int) -> list[str]:
    """The stems of the content words that follow in the clause."""
    end = _CLAUSE_END.search(text, start)
    return _stems(text[start : end.start() if end else len(text)])


def _stems(text: str) -> list[str]:
    words = [match.group() for match in _WORD.finditer(text)]
    return [stem(word) for word in words if word.lower() not in STOP_WORDS and not _NEGATION.fullmatch(word)]

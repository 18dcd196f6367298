"""Habits of language models: preambles, talk about the evidence, refusals."""

import re

from generator.prompt import REFUSAL

_SOURCE = r"(?:(?:passage|document|documentation|source|evidence|context|information|text|excerpt)s?)"
_GIVEN = r"(?:provided|given|above|numbered|available|relevant)"
_AS_SAID = r"as (?:stated|described|mentioned|shown|explained|noted) (?:in|by)"
_SAYS = r"(?:states?|says?|explains?|mentions?|describes?|notes?|shows?|indicates?|suggests?|specif(?:y|ies))"
_OPENING = re.compile(
    r"^(?:sure|certainly|of course|okay|great question)\b[,.!:]*\s*"
    rf"|^(?:based on|according to|{_AS_SAID}|from|in)"
    rf"(?:\s+the)?(?:\s+{_GIVEN})?(?:\s+{_SOURCE})?(?:\s+{_GIVEN})?\s*,\s*"
    rf"|^(?:the\s+)?(?:{_GIVEN}\s+)?{_SOURCE}?\s*{_SAYS}\s+that\s+"
    r"|^(?:in summary|in conclusion|overall|therefore|so|the answer is|(?:short )?answer)\s*[,:]\s*",
    re.IGNORECASE,
)
# What is left of "... as described in [1]." once the marker is gone.
_DANGLING = re.compile(
    rf"[,\s]*\(?\b(?:according to|{_AS_SAID}|see(?: also)?|based on|from|in)(?:\s+the)?"
    rf"(?:\s+{_SOURCE})?\s*\)?(?=\s*[.;:]?\s*$)|(?<=\s)\(\s*\)",
    re.IGNORECASE,
)
_EMPTY_TALK = re.compile(
    r"^(?:here (?:is|are|'s)|i hope|let me know|feel free|please (?:note|refer|let)|i (?:am|'m) sorry"
    r"|sources?\b|references?\b|for more (?:information|details)|as an ai|question\s*:)",
    re.IGNORECASE,
)
# A sentence whose subject was the marker: "[1] is used for ...".
_FRAGMENT = re.compile(
    r"^(?:is|are|was|were|has|have|can|does|do|provides?|describes?|covers?|contains?|and|or)\b"
)
_REFUSAL = re.compile(
    rf"\b{_SOURCE}\b[^.]{{0,60}}\b(?:do|does|did|is|are)(?:\s+not|n['\u2019]t)\b[^.]{{0,40}}"
    r"\b(?:answer|contain|mention|provide|include|specif|discuss|cover|address|enough|sufficient|explicit)"
    rf"|\bno (?:relevant )?(?:information|mention|answer|{_SOURCE})\b[^.]{{0,40}}"
    r"\b(?:in|about|is|are|on|for|found|provided)\b"
    r"|\bnot answer (?:this|the|your) question\b"
    r"|\bi (?:cannot|can['\u2019]t|don['\u2019]t|do not|am unable to)\b",
    re.IGNORECASE,
)


def is_refusal(sentence: str) -> bool:
    """Whether a sentence says that the evidence has no answer."""
    plain = " ".join(sentence.lower().split()).rstrip(".")
    return REFUSAL.lower().rstrip(".") in plain or bool(_REFUSAL.search(sentence))


def leans_back(sentence: str) -> bool:
    """Whether a sentence opens with a word for something said before it."""
    return re.match(r"\W*(?:this|these|those|it|they|such)\b", sentence, re.IGNORECASE) is not None


def clean_statement(sentence: str) -> str:
    """What a sentence states, without preamble and talk about its sources.

    Args:
        sentence: A generated sentence without citation markers.

    Returns:
        The statement, or nothing when the sentence states nothing: a question, "Sure!", "I hope
        this helps", a fragment whose subject was a marker.
    """
    statement = _DANGLING.sub("", sentence).strip(" \t")
    shortened = _OPENING.sub("", _OPENING.sub("", statement))
    if shortened != statement:
        shortened = shortened[:1].upper() + shortened[1:]
    shortened = re.sub(r"\s+([.,;])", r"\1", shortened).strip()
    if shortened.endswith("?") or _EMPTY_TALK.match(shortened) or _FRAGMENT.match(shortened):
        return ""
    return shortened if re.search(r"\w", shortened) else ""

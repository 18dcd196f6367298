"""Which lines of a document are questions, and how a question is written on its pair."""

import re

LONGEST_ANSWER = 3000  # characters; whole blocks are taken up to this
LONGEST_QUESTION = 300  # characters; what is longer is a paragraph with a question in it
_FEWEST_WORDS = 3

_NUMBERING = re.compile(
    r"(?:question|q)\s*\d{0,3}\s*[.:)]\s+|\d{1,3}(?:\.\d{1,3}){1,5}[.:)]?\s+|\d{1,3}[.:)]\s+|[-*+•]\s+",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)")
_LINK = re.compile(r"\[([^][]+)\]\([^()\s]*\)")
_PERMALINK = re.compile(r"\s*[¶#]\s*$")
_WORD = re.compile(r"[^\W_][\w'\u2019-]*")
_ENDING = re.compile(r"\?[\"'\u2019\u201d)\]]*$")

_AUXILIARY = (
    r"(?:am|is|are|was|were|do|does|did|can|could|should|shall|will|would|has|have|had|must|may|might)"
)
_ASKING_WORD = re.compile(
    rf"\b(?:how|why|when|where|who|whom|whose|which|what|{_AUXILIARY}|(?:what|who|where|how)['\u2019]s"
    r"|(?:is|are|was|were|do|does|did|ca|could|should|would|has|have|wo)n['\u2019]t)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    rf"(?:(?:how|why|when|where|who|which|what)(?:\s+(?:much|many|often|long|far|else))?\s+{_AUXILIARY}"
    r"(?:n['\u2019]t)?\s+\S+(?:\s+\S+|$)"
    r"|(?:can|could|should|may|must|do|will|would|am|have)\s+(?:I|we|you|my|our|your|it|there)\s+\S+"
    r"|(?:is|are|does|did)\s+\S+\s+\S+)",
    re.IGNORECASE,
)
_OWN_DOCUMENT = re.compile(
    r"\bthis (?:tutorial|documentation|document|page|guide|section|chapter|example|article|post|list)\b",
    re.IGNORECASE,
)
_NEWS = re.compile(r"what(?:\s+is|\s+are|['\u2019]s)\s+(?:new|next|changed)\b", re.IGNORECASE)
_WITHOUT_CONTENT = """
a about all also am an and any are as at be been behind but by can could did do does doing done else
ever for from had has have he her here him his how i if in into is it its just like may me might
mine must my next no not now of off on one ones or other our out over shall she should so some such
than that the their them then there these they this those thing things to too up us was we were what
when where which who whom whose why will with would yet you your yours work works happen happens
happened mean means go goes get gets again really actually exactly still anyone someone something
anything everything everyone people stuff kind way think know say see
"""
_FUNCTION_WORDS = frozenset(_WITHOUT_CONTENT.split())
_POINTING = frozenset({"it", "its", "he", "him", "his", "she", "her", "they", "them", "their"}) | frozenset(
    {"this", "that", "these", "those"}
)
_CONTRACTION = re.compile(r"(?:n['\u2019]t|['\u2019](?:s|re|ve|d|ll|m))$")


def plain_line(text: str) -> str:
    """A heading or line without inline markup, numbering and ``Q:``; white space single."""
    line = _PERMALINK.sub("", " ".join(text.split())).replace("`", "")
    line = _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", line))
    unnumbered = _NUMBERING.sub("", line, count=1) if _NUMBERING.match(line) else line
    return unnumbered or line


def content_words(question: str) -> list[str]:
    """The words that say what a question is about, in lower case: no pronouns, auxiliaries and the like."""
    words = [_CONTRACTION.sub("", word.lower()) for word in _WORD.findall(question)]
    return [word for word in words if len(word) > 1 and word not in _FUNCTION_WORDS]


def points_elsewhere(question: str) -> bool:
    """Whether a question leans on what was said before: a pronoun that stands for a thing."""
    return any(_CONTRACTION.sub("", word.lower()) in _POINTING for word in _WORD.findall(question))


def reads_as_question(line: str) -> bool:
    """Whether a line, cleaned by `plain_line`, asks something that makes sense alone.

    A line that ends with a question mark needs an asking word (``what``, ``does``) and three words,
    one of which says what it is about. A line without the mark must open like a question,
    with a capital letter: ``How do I ...`` is one, ``How it works``, ``What's new in 5.2`` and
    ``is not operator`` are not. A question about the document itself is none, either.
    """
    if len(line) > LONGEST_QUESTION or _OWN_DOCUMENT.search(line) or not content_words(line):
        return False
    if _ENDING.search(line):
        return len(line.split()) >= _FEWEST_WORDS and bool(_ASKING_WORD.search(line))
    opens = line[0].isupper() and bool(_OPENING.match(line))
    return opens and not _NEWS.match(line) and line[-1] not in ".:!;"


def as_question(line: str) -> str:
    """A question with a capital letter in front and a question mark behind.

    A first word that is written like code, ``iPhone`` or ``pip_install``, keeps its small letter.
    """
    first = line.split(maxsplit=1)[0] if line else ""
    opened = line[:1].upper() + line[1:] if first.isalpha() and first.islower() else line
    return opened if _ENDING.search(opened) else f"{opened}?"

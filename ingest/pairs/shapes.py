"""The shapes of sentences that ask for a question: which part the question names, and which it asks for."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CONTENT_OPENER = "What does"  # the given part ends with the verb
DEFINITION_OPENERS = ("What is", "What are")

_CLAUSE = re.compile(r"(If|When|Whenever|Once|After|Before|While)\s+(.+)", re.IGNORECASE)
_GOES_ON = re.compile(
    r"(?:or|and|but|nor|which|such|e\.g|i\.e|for example|like|including|as|not|where|who|that|using|with)\b",
    re.IGNORECASE,
)
_ASKED_AS = {"whenever": "when", "once": "after"}
_WISH = re.compile(r"you(?:['\u2019]d)? (?:want|wish|need|would like|like|prefer) to (.+)", re.IGNORECASE)
_DEMAND = re.compile(
    r"(?:then |first |always |simply |just )*"
    r"(?:you(?:['\u2019]ll)? (?:(?:will |may |might |could )?(?:also )?(?:need|have|want)\b"
    r"|(?:must|should|can) (?!be\b|now be\b|see\b|expect\b))"
    r"|it['\u2019]s (?:a good idea|best|recommended|important)"
    r"|(?:use|set|make|ensure|add|call|put|pass|define|override|specify|consider|run|create|install|write|give"
    r"|provide|remove|change|try|do not|don['\u2019]t|please|be sure|avoid|include|subclass|rename|check"
    r"|commit|update|ask|start|look|instantiate|break|leave|keep|replace|move|select|enter|open|go)\b)",
    re.IGNORECASE,
)
# "If not provided, ..." and "... when used with it": the subject is somewhere else.
_NO_SUBJECT = re.compile(
    r"(?:not|un\w+ed|\w+ed|set|left|given|true|empty|needed|possible|necessary)\b", re.IGNORECASE
)
_GERUND = re.compile(r"\w+ing\b", re.IGNORECASE)
# What follows a purpose: what to do, or what can be done; not what was done.
_MEANS = re.compile(r"(?!the|an?\b|it|they|some|most|many)[a-z]+(?<!s)\s|.*\b(?:you|can|may|must|should)\b")
_PURPOSE = re.compile(r"(?:in order )?to (?!be\b)(.+)", re.IGNORECASE)
_REASON = re.compile(
    r"(.+?),? (because|so that|in order to|to (?:avoid|prevent|ensure|make sure)) (.+)", re.IGNORECASE
)
_DEFAULT = re.compile(
    r"(.+?) (?:defaults? to|is (?=.{1,40} by default))\s*(.+)"
    r"|the default (?:value )?(?:of|for) (.+?) is (.+)",
    re.IGNORECASE,
)
_DEFINED = re.compile(
    r"((?:(?:an?|the) )?(?:`[^`]+`|[\w'-]+)(?: (?:`[^`]+`|[\w'-]+)){0,4}?) "
    r"(is|are) ((?:an?|the|one of|any|used|called|simply)\b .+)",
    re.IGNORECASE,
)
_USED = re.compile(r"(.{2,60}?) (is|are) used (?:to|for) (.+)", re.IGNORECASE)
_HOLDS = re.compile(
    r"((?:[^,;:()]|\([^)]*\)){0,60}?)\b(returns|specifies|controls|determines|stores|contains|represents"
    r"|defines|provides|indicates|describes|creates|generates|accepts|expects|supports|requires|raises"
    r"|validates|denotes|enables|disables|lets|allows)\s(.+)",
    re.IGNORECASE,
)
_INNER_CLAUSE = re.compile(r"\b(?:that|which|who|when|if|and|where|is|are)\b|\bto\s*$", re.IGNORECASE)
_BARE_PRONOUN = re.compile(r"\b(?:it|its|they|them|their|one|he|his|no)\b", re.IGNORECASE)
# Has a finite verb, and does not end where "if" means "whether".
_STATES = re.compile(
    r"\b(?:is|are|was|were|will|would|must|should|can|cannot|may|might|does|do|has|have|uses?|gets?|becomes?"
    r"|returns?|raises?|falls?)\b(?!.*\b(?:determine|check|see|know|whether|test|decide|tells?|indicates?)$)",
    re.IGNORECASE,
)
_ONLY = re.compile(r"(.+?),? (?:only (?:if|when|after)|unless|until) (.+)", re.IGNORECASE)
_CLAUSE_LAST = re.compile(r"([^,]+?),? (if|when) ([^,]+)", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|cannot|never)\b|n['\u2019]t\b", re.IGNORECASE)
_CODE_FIRST = re.compile(r"\W*(?:[A-Z]\w*[A-Z_.\d]|`)")
_ONLY_IF = re.compile(r"\bonly\b", re.IGNORECASE)
_DENIAL = re.compile(
    r"((?:(?!\b(?:if|when|that|which|who|because|and|or)\b)[^,;:]){2,60}?) "
    r"(cannot|can['\u2019]t|does not|doesn['\u2019]t|do not|don['\u2019]t|is not|isn['\u2019]t"
    r"|are not|aren['\u2019]t|must not|should not|shouldn['\u2019]t|will not|won['\u2019]t) (?!only\b)(.+)",
    re.IGNORECASE,
)
# What a denial is asked with, by the first letters of its verb.
_ASKED_WITH = {
    "ca": "Can",
    "doe": "Does",
    "do": "Do",
    "is": "Is",
    "ar": "Are",
    "mu": "Can",
    "sh": "Should",
    "wi": "Will",
    "wo": "Will",
}
_QUOTED = re.compile(r"`[^`]*`|\([^()]*\)|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a sentence is asked for.

    Attributes:
        opener: The words that the question begins with.
        given: The part that the question names.
        asked: The part that it asks for; empty where the answer is yes or no.
        reordered: The sentence with the given part first; empty where it stands first anyway.
    """

    opener: str
    given: str
    asked: str
    reordered: str = ""


def find_shapes(sentence: str) -> Iterator[Shape]:
    """The shapes that a sentence has, the safest first.

    Args:
        sentence: On one line, without a list's mark.
    """
    body = sentence.rstrip(".! ")
    for find in _FINDERS:
        shape = find(body)
        if shape is not None:
            yield shape


def _purpose(body: str) -> Shape | None:
    found = _PURPOSE.match(body)
    halves = found and _cut_at_comma(found[1])
    return Shape("How can you", *halves) if halves and _MEANS.match(halves[1]) else None


def _condition(body: str) -> Shape | None:
    found = _CLAUSE.match(body)
    halves = found and _cut_at_comma(found[2])
    if not found or not halves:
        return None
    clause, main = halves
    if _NO_SUBJECT.match(clause):
        return None
    if wish := _WISH.match(clause):
        return Shape("How can you", wish[1], main)
    word = found[1].lower()
    verb = "should you do" if _DEMAND.match(main) else "happens"
    return Shape(f"What {verb} {_ASKED_AS.get(word, word)}", clause, main)


def _reason(body: str) -> Shape | None:
    found = _REASON.match(body)
    if not found:
        return None
    return Shape("Why should you" if _DEMAND.match(body) else "Why", found[1], found[3])


def _default(body: str) -> Shape | None:
    found = _DEFAULT.match(body)
    if not found:
        return None
    return Shape("What is the default", found[1] or found[3], found[2] or found[4])


def _use(body: str) -> Shape | None:
    found = _USED.match(body)
    return Shape(f"What {found[2].lower()}", f"{found[1]} used", found[3]) if found else None


def _definition(body: str) -> Shape | None:
    found = _DEFINED.match(body)
    return Shape(f"What {found[2].lower()}", found[1], found[3]) if found else None


def _content(body: str) -> Shape | None:
    found = _HOLDS.match(body)
    if not found or _INNER_CLAUSE.search(found[1]):
        return None
    return Shape(CONTENT_OPENER, f"{found[1].strip()} {found[2]}".strip(), found[3])


def _restriction(body: str) -> Shape | None:
    found = _ONLY.match(body)
    return Shape("When", found[1], found[2]) if found and not _NEGATED.search(found[1]) else None


def _condition_last(body: str) -> Shape | None:
    found = _CLAUSE_LAST.match(body)
    if not found or not _STATES.search(found[1]) or _ONLY_IF.search(found[1]):
        return None
    if any(one.match(found[3]) for one in (_GERUND, _NO_SUBJECT)) or _BARE_PRONOUN.search(found[3]):
        return None
    main, word = found[1], found[2].lower()
    if not _CODE_FIRST.match(main):
        main = main[:1].lower() + main[1:]
    return Shape(f"What happens {word}", found[3], found[1], f"{word.capitalize()} {found[3]}, {main}.")


def _denial(body: str) -> Shape | None:
    found = _DENIAL.match(body)
    if not found or _ONLY.match(body):
        return None
    verb = found[2].lower()
    opener = next(asked for start, asked in _ASKED_WITH.items() if verb.startswith(start))
    return Shape(opener, body, "")


_FINDERS: tuple[Callable[[str], Shape | None], ...] = (
    _purpose,
    _condition,
    _default,
    _use,
    _definition,
    _reason,
    _content,
    _restriction,
    _condition_last,
    _denial,
)


def _cut_at_comma(text: str) -> tuple[str, str] | None:
    """A clause and what follows it: the first comma that ends the clause, none inside quotes and brackets."""
    for comma in find_commas(text):
        rest = text[comma + 1 :].strip()
        if rest and not _GOES_ON.match(rest):
            return text[:comma], rest
    return None


def find_commas(text: str) -> list[int]:
    """Offsets of the commas that stand outside of code, quotes and brackets."""
    masked = _QUOTED.sub(lambda match: "_" * len(match.group()), text)
    return [match.start() for match in re.finditer(",", masked)]

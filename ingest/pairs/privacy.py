"""Personal data, found by its shape and replaced by markers before a pair is stored.

Example data of documentation stays, because an answer needs it: the reserved domains and addresses,
555-01xx phones, placeholders. So do addresses of roles (``security@``), which belong to no person, and
public name servers. Every pattern has bounded repetitions, so time grows in proportion to the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.pairs.privacy_rules import RULES, PersonalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """Where a piece of personal data stood. The data itself is kept nowhere.

    Attributes:
        kind: What it is.
        start: Its first character, an offset into the text as it was.
        end: One past its last character.
    """

    kind: PersonalKind
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A text without its personal data.

    Attributes:
        text: The text with markers.
        found: What was replaced, in the order of the text, without overlaps.
    """

    text: str
    found: tuple[PersonalData, ...]


def redact(text: str) -> Redacted:
    """Replace what has the shape of personal data by markers such as ``[phone]``.

    A marker may free what stood beside it, so the search goes on until nothing is left: redacting the
    result again changes nothing.
    """
    found: list[PersonalData] = []
    redacted = text
    while fresh := _find(redacted):
        found = _join(found, fresh)
        redacted = put_markers(text, found)
    return Redacted(text=redacted, found=tuple(found))


def put_markers(text: str, found: Sequence[PersonalData]) -> str:
    """The text with a marker for each find; the finds are in rising order and do not overlap."""
    parts: list[str] = []
    end = 0
    for item in found:
        parts += (text[end : item.start], _marker(item.kind))
        end = item.end
    return "".join((*parts, text[end:]))


def _marker(kind: PersonalKind) -> str:
    return f"[{kind}]"


def _find(text: str) -> list[PersonalData]:
    """One pass of every rule; where two overlap, the rule that stands first in the list wins."""
    found: list[PersonalData] = []
    taken = bytearray(len(text))
    for rule in RULES:
        for match in rule.pattern.finditer(text):
            start, end = match.span("value")
            end = start + len(text[start:end].rstrip(" .,;:"))
            if taken.find(1, start, end) < 0 and rule.is_real(match):
                taken[start:end] = b"\x01" * (end - start)
                found.append(PersonalData(kind=rule.kind, start=start, end=end))
    return sorted(found, key=lambda item: item.start)


def _join(found: Sequence[PersonalData], fresh: Sequence[PersonalData]) -> list[PersonalData]:
    """Add finds whose offsets are those of the text in which ``found`` are markers already."""
    joined = list(found)
    place = shift = 0
    for item in fresh:
        while place < len(found) and found[place].start - shift <= item.start:
            known = found[place]
            shift += known.end - known.start - len(_marker(known.kind))
            place += 1
        joined.append(PersonalData(kind=item.kind, start=item.start + shift, end=item.end + shift))
    return sorted(joined, key=lambda item: item.start)

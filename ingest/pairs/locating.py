"""Where a web page's words stand in its document's text, which has other white space and markup."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice

from ingest.spans import Span

_MOST_PLACES = 20  # places of one question that are considered
_TELLING_LETTERS = 40  # an answer with as many is known without its question beside it
_MOST_MARKS = 10  # punctuation around an answer that is taken with it
_RUN = re.compile(r"[^\W_]+")
_MARKS_BEFORE = re.compile(r"[^\s\w]*_*$")
_MARKS_AFTER = re.compile(r"_*[^\s\w]*")


class TextFinder:
    """Finds words in a text whatever white space, punctuation and inline markup stand between them.

    Args:
        text: What to search. It is read once.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._run_offsets: list[int] = []  # where each run of letters stands in the text
        self._run_places: list[int] = []  # and in the letters alone
        runs: list[str] = []
        length = 0
        for match in _RUN.finditer(text):
            runs.append(match.group())
            self._run_offsets.append(match.start())
            self._run_places.append(length)
            length += len(runs[-1])
        self._letters = "".join(runs)

    def find(self, words: str, *, after: int = 0) -> Span | None:
        """The first place of some words at or after an offset, with the punctuation around them."""
        place = next(self._places(_letters(words), self._place_of(after)), None)
        return None if place is None else self._span(*place)

    def find_answer(self, question: str, answer: str, *, after: int = 0) -> Span | None:
        """Where an answer stands: closest behind its question, at or after an offset if it is there.

        An answer of some length is found without its question, too, as where that is on a button.
        """
        asked, told = _letters(question), _letters(answer)
        for first in dict.fromkeys((self._place_of(after), 0)):
            pairs = [
                (told_at[0] - asked_at[1], told_at)
                for asked_at in islice(self._places(asked, first), _MOST_PLACES)
                for told_at in islice(self._places(told, asked_at[1]), 1)
            ]
            if pairs:
                return self._span(*min(pairs)[1])
        return (
            (self.find(answer, after=after) or self.find(answer)) if len(told) >= _TELLING_LETTERS else None
        )

    def _place_of(self, offset: int) -> int:
        run = bisect_left(self._run_offsets, offset)
        return self._run_places[run] if run < len(self._run_places) else len(self._letters)

    def _places(self, letters: str, first: int) -> Iterator[tuple[int, int]]:
        """Where letters begin and end among the text's letters, whole words only."""
        place = self._letters.find(letters, first) if letters else -1
        while place >= 0:
            end = place + len(letters)
            if self._is_bound(place) and self._is_bound(end):
                yield place, end
            following = bisect_right(self._run_places, place)
            place = (
                self._letters.find(letters, self._run_places[following])
                if following < len(self._run_places)
                else -1
            )

    def _is_bound(self, place: int) -> bool:
        run = bisect_left(self._run_places, place)
        return place == len(self._letters) if run == len(self._run_places) else self._run_places[run] == place

    def _span(self, first: int, stop: int) -> Span:
        start = self._run_offsets[bisect_right(self._run_places, first) - 1]
        run = bisect_left(self._run_places, stop) - 1
        end = self._run_offsets[run] + stop - self._run_places[run]
        opening = _MARKS_BEFORE.search(self._text[max(0, start - _MOST_MARKS) : start])
        closing = _MARKS_AFTER.match(self._text[end : end + _MOST_MARKS])
        assert opening is not None
        assert closing is not None
        start -= len(opening.group())
        is_item = self._text[max(0, start - 3) : start].lstrip(" ") in {"- ", "\n- "}
        return Span(start - 2 * is_item, end + len(closing.group()))


def _letters(words: str) -> str:
    return "".join(_RUN.findall(words))

"""Which passages share words with a question: BM25. The only module that knows bm25s."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import bm25s
import numpy as np

from retriever.arrays import Ranking, RowMask, Rows, Scores, rank_rows

TERM_SATURATION = 1.2
"""BM25's k1: how soon a word that comes again stops adding."""

LENGTH_NORMALISATION = 0.75
"""BM25's b: 0 ignores a passage's length, 1 divides by it."""

_CHUNK = re.compile(r"\w+(?:[.\-]\w+)*(?:\+\+|#(?!\w))?")
_CLITIC = re.compile(r"(?<=\w)['\u2019](?:s|t|re|ve|ll|d|m)\b", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_SEPARATOR = re.compile(r"[.\-+#]+")

_STOP_WORDS = (
    "a an and are as at be but by can do does for from has have how i if in into is it its me my of on or "
    "should so such than that the their then there these they this to was we were what when where which "
    "who why will with would you your"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that a question is made of and no passage is about."""


def words(text: str) -> list[str]:
    """Cut a text into the words that it is found by; the same for questions and passages.

    Lower case, without stop-words, English plurals made singular. An identifier is found whole and by
    its parts: ``Model.select_related`` gives ``model.select_related``, ``model``, ``select_related``,
    ``select`` and ``related``; ``DataLoader`` gives ``dataloader``, ``data`` and ``loader``;
    ``--no-input`` gives ``no-input``, ``no`` and ``input``; ``C++`` gives ``c++`` and ``c``.

    Args:
        text: Any text; compatibility forms (ligatures, full-width letters) are unified first.

    Returns:
        Words in reading order, with repeats; empty where the text has nothing but stop-words.
    """
    plain = _CLITIC.sub("", unicodedata.normalize("NFKC", text))
    return [word for chunk in _CHUNK.findall(plain) for word in _spellings(chunk)]


@lru_cache(maxsize=1 << 16)
def _spellings(chunk: str) -> tuple[str, ...]:
    """What one chunk is found by; cached, because texts repeat their words."""
    segments = [segment for segment in _SEPARATOR.split(chunk) if segment]
    pieces = [piece for segment in segments for piece in segment.split("_") if piece]
    humps = [hump for piece in pieces for hump in _HUMP.split(piece)]
    parts = (part.lower() for part in (chunk, *segments, *pieces, *humps))
    return tuple(dict.fromkeys(_stem(part) for part in parts if part and part not in STOP_WORDS))


def _stem(word: str) -> str:
    """Make an English plural singular; short words and identifiers stay.

    Harman's S-stemmer (JASIS 1991) without its rule for "-us": "gpus" must meet "gpu", and it does no
    harm that "status" becomes a word that nobody writes.
    """
    if len(word) <= 3 or not word.isalpha():  # noqa: PLR2004 - "gas", "bus", "aws"
        return word
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    if word.endswith("s") and word[-2] != "s":
        return word[:-1]
    return word


def write_words(directory: Path, texts: list[str]) -> None:
    """Build the index of some texts and save it; row ``i`` is ``texts[i]``.

    Args:
        directory: Created where it is missing; bm25s writes several files into it.
        texts: Any number, none included. The same texts give the same bytes.
    """
    found = [words(text) for text in texts]
    vocabulary = {word: number for number, word in enumerate(sorted({word for row in found for word in row}))}
    index = bm25s.BM25(k1=TERM_SATURATION, b=LENGTH_NORMALISATION, method="lucene")
    if vocabulary:
        numbers = [[vocabulary[word] for word in row] for row in found]
        index.index((numbers, vocabulary), create_empty_token=False, show_progress=False)
    else:
        _make_empty(index, len(texts))
    index.save(directory, show_progress=False)


def _make_empty(index: bm25s.BM25, count: int) -> None:
    """Bm25s divides by the mean length, so an index without any word is put together by hand."""
    index.scores = {
        "data": np.empty(0, np.float32),
        "indices": np.empty(0, np.int32),
        "indptr": np.zeros(1, np.int64),
        "num_docs": count,
    }
    index.vocab_dict = {}
    index.nonoccurrence_array = None


def open_words(directory: Path) -> "WordIndex":
    """Open an index that `write_words` wrote, memory-mapped: several processes share its pages.

    Raises:
        OSError, ValueError: If a file is missing or unreadable; checksums are checked before this.
    """
    return WordIndex(bm25s.BM25.load(directory, mmap=True, show_progress=False))


class WordIndex:
    """A read-only BM25 index; any number of threads may search it at once."""

    def __init__(self, index: bm25s.BM25) -> None:
        self._index = index

    def __len__(self) -> int:
        return int(self._index.scores["num_docs"])

    def search(self, question: str, *, k: int, allowed: RowMask | None = None) -> Ranking:
        """The ``k`` best rows that share a word with the question, by BM25 (> 0, no upper bound).

        Args:
            question: Any text; words that no passage has are ignored, so there may be no hit at all.
            k: Most rows wanted, at least 1.
            allowed: Rows that may be returned; None for all of them.
        """
        return self.rank(self.scores(self.tokens(question)), k=k, allowed=allowed)

    def tokens(self, question: str) -> list[int]:
        """The distinct words of a question that any row has, as numbers of this index."""
        numbers: list[int] = self._index.get_tokens_ids(list(dict.fromkeys(words(question))))
        return numbers

    def scores(self, tokens: Sequence[int]) -> Scores:
        """(rows,) BM25 of every row for some words; 0 where it has none of them."""
        if not tokens:
            return np.zeros(len(self), dtype=np.float32)
        found: Scores = self._index.get_scores_from_ids(list(tokens))
        return found

    def document_scores(self, tokens: Sequence[int], numbers: Rows, count: int) -> Scores:
        """(count,) for each document the BM25 of its best row for each word, summed over the words.

        A document is found by words that stand in different passages of it, and is not found the better
        for being long.

        Args:
            tokens: Words, from `tokens`.
            numbers: (rows,), the document of each row.
            count: How many documents there are.
        """
        total = np.zeros(count, dtype=np.float32)
        for token in tokens:
            start, end = self._index.scores["indptr"][token : token + 2]
            best = np.zeros(count, dtype=np.float32)
            rows = self._index.scores["indices"][start:end]
            np.maximum.at(best, numbers[rows], self._index.scores["data"][start:end])
            total += best
        return total

    def rank(self, scores: Scores, *, k: int, allowed: RowMask | None = None) -> Ranking:
        """The ``k`` best rows of some scores, without those that have none.

        Args:
            scores: (rows,), from `scores`.
            k: Most rows wanted, at least 1.
            allowed: Rows that may be returned; None for all of them.
        """
        rows = np.flatnonzero(scores > 0 if allowed is None else (scores > 0) & allowed)
        if len(rows) > k:
            least = np.partition(scores[rows], -k)[-k]
            rows = rows[scores[rows] >= least]
        best = rank_rows(rows, scores[rows])
        return Ranking(best.rows[:k], best.scores[:k])

    def holds(self, row: int, text: str) -> bool:
        """Whether every word of ``text`` is indexed for ``row``; true for a text without words."""
        distinct = set(words(text))
        numbers = self._index.get_tokens_ids(list(distinct))
        return len(numbers) == len(distinct) and all(self._has(row, number) for number in numbers)

    def _has(self, row: int, number: int) -> bool:
        start, end = self._index.scores["indptr"][number : number + 2]
        postings = self._index.scores["indices"][start:end]  # rising rows
        place = int(np.searchsorted(postings, row))
        return place < len(postings) and int(postings[place]) == row

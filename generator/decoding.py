"""From token ids to text, piece by piece, and when to stop."""

from collections.abc import Callable, Sequence

_UNFINISHED = "\ufffd"  # what a decoder writes for bytes that do not make a character yet

# A small model that starts to loop repeats a sentence word for word: twice is enough to tell for a
# long stretch, a short one ("ha ha ha") must fill this many tokens.
_LONG_PERIOD = 12
_LONGEST_PERIOD = 128
_SHORT_LOOP_TOKENS = 36


class IncrementalDecoder:
    """Turns a growing list of token ids into text that never changes once it is given out.

    Characters of several bytes are held back until they are whole. Every piece is decoded behind
    the tokens before it, so that decoders that drop a leading space do not drop one here.

    Args:
        decode: Turns token ids into text.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._context = 0
        self._given = 0

    def push(self, token_id: int) -> str:
        """The text that this token completes; empty while a character is unfinished."""
        self._ids.append(token_id)
        before = self._decode(self._ids[self._context : self._given])
        after = self._decode(self._ids[self._context :])
        if after.endswith(_UNFINISHED) or len(after) <= len(before):
            return ""
        self._context, self._given = self._given, len(self._ids)
        return after[len(before) :]


def is_looping(token_ids: Sequence[int]) -> bool:
    """Whether the end of the text repeats itself word for word.

    Args:
        token_ids: The tokens written so far.

    Returns:
        True when a stretch of 12 to 128 tokens stands there twice in a row, or a shorter one often
        enough to fill 36 tokens.
    """
    return any(_repeats(token_ids, period) for period in range(1, _LONGEST_PERIOD + 1))


def _repeats(token_ids: Sequence[int], period: int) -> bool:
    times = 2 if period >= _LONG_PERIOD else -(-_SHORT_LOOP_TOKENS // period)
    if len(token_ids) < times * period or token_ids[-1] != token_ids[-1 - period]:
        return False
    tail = token_ids[-times * period :]
    return all(tail[index] == tail[index - period] for index in range(period, len(tail)))

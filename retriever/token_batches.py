"""Texts of like length go through a model together, so that little of a batch is padding."""

from collections.abc import Iterator, Sequence


def group_by_length(lengths: Sequence[int], *, most_tokens: int) -> Iterator[list[int]]:
    """Positions by falling length, cut so that no padded batch has more than ``most_tokens`` tokens.

    Args:
        lengths: (n,) tokens of each text.
        most_tokens: At least 1; a text longer than this is a batch by itself.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    start = 0
    while start < len(order):
        size = max(1, most_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size

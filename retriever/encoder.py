"""What turns texts into vectors, as the rest of the program sees it."""

from collections.abc import Sequence
from typing import Protocol

from retriever.arrays import Vectors


class Encoder(Protocol):
    """Text to unit vectors. Queries and passages differ, because tuned encoders prefix them differently."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of a passage that `encode_passages` reads; what follows is not embedded.

        A text is read whole where ``len(token_offsets(text)) <= max_tokens``.
        """
        ...

    @property
    def fingerprint(self) -> str:
        """Names everything that decides a vector's value: equal ones may share an index."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """One (n, dimension) float32 unit row per question, in the order given."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """One (n, dimension) float32 unit row per passage, in the order given."""
        ...

    def token_offsets(self, text: str) -> list[int]:
        """Where each token of ``text`` starts, rising, without special tokens and never truncated."""
        ...

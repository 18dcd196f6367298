"""What can go wrong between a text and a hit. Every message says what to do."""

from pathlib import Path


class RetrieverError(Exception):
    """The root of every error that this package raises on purpose."""


class DimensionMismatch(RetrieverError):
    """The vectors and the index disagree on dimension.

    Attributes:
        expected: Dimension that the index holds.
        got: Dimension of the vectors that were given.
    """

    def __init__(self, *, expected: int, got: int) -> None:
        super().__init__(
            f"the index holds {expected}-dimensional vectors and these have {got}; "
            "rebuild the index with the encoder in use"
        )
        self.expected, self.got = expected, got


class VectorsNotUnit(RetrieverError):
    """A vector's length is not 1, so that an inner product would not be a cosine.

    Attributes:
        row: First row that is not a unit vector.
        length: Its Euclidean length; may be not a number.
    """

    def __init__(self, *, row: int, length: float) -> None:
        super().__init__(f"vector {row} has length {length:.6g} instead of 1; normalise every row first")
        self.row, self.length = row, length


class EntriesMismatch(RetrieverError):
    """The entries or questions of a build do not fit their vectors or each other, or an id stands twice.

    Attributes:
        reason: What does not fit.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the index was not built: {reason}; give each passage and question one id and "
            "one vector, and each question passages of the index"
        )
        self.reason = reason


class EncoderUnusable(RetrieverError):
    """The folder holds no encoder that can be run here.

    Attributes:
        folder: Where the encoder was looked for.
        reason: What is missing or unsupported.
    """

    def __init__(self, *, folder: Path, reason: str) -> None:
        super().__init__(f"no usable encoder in {folder}: {reason}; save it with SentenceTransformer.save")
        self.folder, self.reason = folder, reason


class RerankerUnusable(RetrieverError):
    """The folder holds no reranker that can be run here.

    Attributes:
        folder: Where the reranker was looked for.
        reason: What is missing or unsupported.
    """

    def __init__(self, *, folder: Path, reason: str) -> None:
        super().__init__(
            f"no usable reranker in {folder}: {reason}; name one that footnote tune reranker made, or a "
            "transformers sequence classifier with one label"
        )
        self.folder, self.reason = folder, reason


class EncoderMismatch(RetrieverError):
    """The index was built with another encoder than the one that would ask it.

    Attributes:
        expected: Fingerprint of the encoder in use.
        got: Fingerprint in the index's manifest.
    """

    def __init__(self, *, expected: str, got: str) -> None:
        super().__init__(
            f"the index was built by encoder {got} and the encoder in use is {expected}; "
            "rebuild the index, or go back to the release that belongs to it"
        )
        self.expected, self.got = expected, got


class IndexExists(RetrieverError):
    """An index version is immutable, and the place for a new one is taken.

    Attributes:
        directory: The directory that is there already.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} is there already; build each index version in a directory of its own")
        self.directory = directory


class IndexDamaged(RetrieverError):
    """A file of an index version is missing, or is not what was written.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}; rebuild the index: it is derived from the database")
        self.path, self.reason = path, reason


class IndexFormatUnknown(RetrieverError):
    """The index was written in a format that this version does not read.

    Attributes:
        expected: The format that this version reads and writes.
        got: The format in the manifest.
    """

    def __init__(self, *, expected: int, got: object) -> None:
        super().__init__(f"the index has format {got} and this version reads {expected}; rebuild the index")
        self.expected, self.got = expected, got


class IndexUnfaithful(RetrieverError):
    """An intact index does not find a passage, or a QA pair's question, by its own text.

    Attributes:
        item: What was asked for, such as ``passage p1`` or ``pair q1``.
        reason: What was found instead.
    """

    def __init__(self, *, item: str, reason: str) -> None:
        super().__init__(
            f"{item} is not found by its own text: {reason}; do not promote this index, "
            "rebuild it with the encoder in use"
        )
        self.item, self.reason = item, reason


class RepeatedItem(RetrieverError):
    """A ranking names the same item twice, which would count it twice.

    Attributes:
        item: The item that stands twice.
    """

    def __init__(self, item: object) -> None:
        super().__init__(f"{item!r} stands twice in one ranking; keep each item's best place only")
        self.item = item

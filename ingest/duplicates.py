"""Documents that are nearly the same: MinHash signatures over runs of five words."""

import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from datasketch import LeanMinHash, MinHash, MinHashLSH
from numpy.typing import NDArray

_SHINGLE_WORDS = 5
_PERMUTATIONS = 128
_SEED = 1
_SCHEME = "affine32"
_SHINGLES_AT_ONCE = 20_000  # datasketch needs 4 x 128 bytes for each
_MISSED = 0.001  # of the pairs exactly at the threshold
# A word, or one sign of a script that is written without spaces.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, near 2**64 divided by the golden ratio
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """Two documents that share most of their text.

    Attributes:
        first: The id that sorts first.
        second: The other id.
        similarity: Estimated share of five-word runs that both have among those that either has
            (Jaccard), in [0, 1]; the standard error is at most 0.045.
    """

    first: str
    second: str
    similarity: float


def signature(text: str) -> bytes:
    """512 bytes that stand for a text; equal for equal words, on every machine and in every process."""
    minhash = MinHash(num_perm=_PERMUTATIONS, seed=_SEED, scheme=_SCHEME, hashfunc=int)
    shingles = _shingles(text)
    for start in range(0, len(shingles), _SHINGLES_AT_ONCE):
        minhash.update_batch(shingles[start : start + _SHINGLES_AT_ONCE].tolist())
    return bytes(minhash.hashvalues.astype("<u4").tobytes())


def _shingles(text: str) -> NDArray[np.uint32]:
    """A hash for each different run of five words; (n,) rising, n > 0."""
    words = _WORD.findall(text.lower()) or [text.strip()]
    hash_of = {word: zlib.crc32(word.encode(errors="surrogatepass")) for word in set(words)}
    hashes = np.array([hash_of[word] for word in words], dtype=np.uint64)
    count = max(len(hashes) - _SHINGLE_WORDS + 1, 1)
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(min(_SHINGLE_WORDS, len(hashes))):
        mixed = (mixed ^ hashes[offset : offset + count]) * _MIXER
        mixed ^= mixed >> _HALF
    return np.unique((mixed >> _HALF).astype(np.uint32))


def near_duplicates(signatures: Mapping[str, bytes], *, threshold: float = 0.9) -> list[NearDuplicate]:
    """Pairs of documents whose estimated similarity reaches the threshold.

    Documents with equal signatures are each paired with the first of them only, and that one stands
    for them towards all others; so a hundred copies make 99 pairs, not 4,950.

    Args:
        signatures: From `signature`, by document id.
        threshold: Least similarity, in (0, 1].

    Returns:
        Most similar first, then by ids.

    Raises:
        ValueError: If the threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"need 0 < threshold <= 1, got {threshold}")
    alike: defaultdict[bytes, list[str]] = defaultdict(list)
    for document_id in sorted(signatures):
        alike[signatures[document_id]].append(document_id)
    pairs = [
        NearDuplicate(first=first, second=second, similarity=1.0)
        for first, *copies in alike.values()
        for second in copies
    ]
    pairs += _similar_pairs({ids[0]: values for values, ids in alike.items()}, threshold)
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.first, pair.second))


def _similar_pairs(signatures: Mapping[str, bytes], threshold: float) -> list[NearDuplicate]:
    """Pairs among different signatures, keys in rising order: each is compared with those before it."""
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=_bands(threshold))
    minhashes: dict[str, MinHash] = {}
    pairs: list[NearDuplicate] = []
    for second, values in signatures.items():
        minhash = _restore(values)
        for first in index.query(minhash):
            similarity = minhashes[first].jaccard(minhash)
            if similarity >= threshold:
                pairs.append(NearDuplicate(first=first, second=second, similarity=similarity))
        index.insert(second, minhash)
        minhashes[second] = minhash
    return pairs


def _restore(values: bytes) -> MinHash:
    return LeanMinHash(seed=_SEED, hashvalues=np.frombuffer(values, dtype="<u4"), scheme=_SCHEME)


def _bands(threshold: float) -> tuple[int, int]:
    """Bands and rows of the index: the most selective that finds almost every pair at the threshold.

    A pair is found if all rows of a band agree: 1 - (1 - similarity ** rows) ** bands.
    """
    for rows in range(_PERMUTATIONS // 2, 1, -1):  # datasketch wants two bands
        bands = _PERMUTATIONS // rows
        if (1 - threshold**rows) ** bands <= _MISSED:
            return bands, rows
    return _PERMUTATIONS, 1

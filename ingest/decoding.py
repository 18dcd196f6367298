"""Bytes to text: byte order marks, UTF-8, declared encodings, and legacy ones where they can be told."""

import codecs
import re

from charset_normalizer import CharsetMatch, from_bytes

from ingest.document import visible_text
from ingest.errors import UndecodableText

_BYTE_ORDER_MARKS = (  # UTF-32's begin with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARATION = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE
)
_DECLARED_WITHIN = 2048
_SAMPLE_BYTES = 4096
_LEGACY_ENCODINGS = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_MOST_CHAOS = 0.13
_WESTERN = "cp1252"
_WESTERN_CHAOS_ALLOWANCE = 0.1  # French as cp1252 measures 0.07 where as cp1257, garbled, it measures 0
_WESTERN_COHERENCE_ALLOWANCE = 0.06  # English with one accent measures 0.05 less than as cp1250
_MOSTLY_ZERO = 0.7


def decode_text(data: bytes) -> str:
    """Decode a text file; line breaks come out as line feeds, invisible characters are left out.

    Raises:
        UndecodableText: If no encoding that could be meant fits. The message names the first byte
            that is not UTF-8.
    """
    encoding, mark_length = unicode_encoding(data)
    try:
        return visible_text(data[mark_length:].decode(encoding))
    except UnicodeDecodeError as error:
        if encoding != "utf-8" or mark_length:
            raise _undecodable(encoding, error.start + mark_length) from error
        return visible_text(_decode_legacy(data, error))


def unicode_encoding(data: bytes) -> tuple[str, int]:
    """The Unicode encoding that a file states or shows, and the length of its byte order mark.

    UTF-16 without a mark is told by its zero bytes, at every other position of Western text.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    sample = data[:_SAMPLE_BYTES]
    if len(data) % 2 == 0 and 0 in sample:
        even_zeros, odd_zeros = (half.count(0) / len(half) for half in (sample[::2], sample[1::2]))
        if odd_zeros > _MOSTLY_ZERO and not even_zeros:
            return "utf-16-le", 0
        if even_zeros > _MOSTLY_ZERO and not odd_zeros:
            return "utf-16-be", 0
    return "utf-8", 0


def _decode_legacy(data: bytes, error: UnicodeDecodeError) -> str:
    declared = _decode_declared(data)
    if declared is not None:
        return declared
    match = None if _is_damaged_utf8(data) else _best_match(data)
    if match is None:
        raise _undecodable("utf-8", error.start) from error
    return data.decode(match.encoding)


def _decode_declared(data: bytes) -> str | None:
    """The text in the encoding that an HTML or XML header declares, where it does and that fits."""
    declaration = _DECLARATION.search(data[:_DECLARED_WITHIN])
    if declaration is None:
        return None
    try:
        codec = codecs.lookup(declaration[1].decode("ascii"))
        return data.decode(codec.name)
    except (LookupError, UnicodeDecodeError):
        return None


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether most of what is not ASCII is well-formed UTF-8, so that a legacy encoding would garble it."""
    decoded = data.decode("utf-8", errors="replace")
    bad = decoded.count("\N{REPLACEMENT CHARACTER}")
    beyond_ascii = sum(not character.isascii() for character in decoded)
    return beyond_ascii - bad > bad


def _best_match(data: bytes) -> CharsetMatch | None:
    """The likeliest legacy encoding; the Western one, by far the most common, where it is about as good."""
    matches = from_bytes(data, cp_isolation=_LEGACY_ENCODINGS)
    best = matches.best()
    if best is None or best.chaos > _MOST_CHAOS:
        return None
    for match in matches:
        as_tidy = match.chaos <= best.chaos + _WESTERN_CHAOS_ALLOWANCE
        as_meaningful = match.coherence >= best.coherence - _WESTERN_COHERENCE_ALLOWANCE
        if match.encoding == _WESTERN and as_tidy and as_meaningful:
            return match
    return best


def _undecodable(encoding: str, position: int) -> UndecodableText:
    return UndecodableText(
        f"byte {position:,} is not {encoding.upper()}, and no other encoding can be recognised; "
        "save the file as UTF-8"
    )

"""Files that are not text: by their first bytes, what they are and what to do about it."""

import io
import re
import zipfile

from ingest.errors import EncryptedDocument, UnsupportedType
from ingest.formats.docx import is_encrypted_office
from ingest.media_types import MediaType

_CONVERT = "save it as PDF, Word (.docx), HTML, Markdown or text"
_TRANSCRIBE = "add a transcript of it, as WebVTT or SubRip"
_UNPACK = "unpack it and add the files inside"
_NOT_A_DOCUMENT = "add the documents that describe it"

_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", _CONVERT),
    (0, b"\xff\xd8\xff", "a JPEG picture", _CONVERT),
    (0, b"GIF87a", "a GIF picture", _CONVERT),
    (0, b"GIF89a", "a GIF picture", _CONVERT),
    (0, b"II*\x00", "a TIFF picture", _CONVERT),
    (0, b"MM\x00*", "a TIFF picture", _CONVERT),
    (8, b"WEBP", "a WebP picture", _CONVERT),
    (0, b"\x00\x00\x01\x00", "an icon", _CONVERT),
    (0, b"8BPS", "a Photoshop picture", _CONVERT),
    (8, b"WAVE", "a WAV recording", _TRANSCRIBE),
    (8, b"AVI ", "an AVI video", _TRANSCRIBE),
    (4, b"ftyp", "an MP4 or QuickTime recording", _TRANSCRIBE),
    (0, b"ID3", "an MP3 recording", _TRANSCRIBE),
    (0, b"OggS", "an Ogg recording", _TRANSCRIBE),
    (0, b"fLaC", "a FLAC recording", _TRANSCRIBE),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video", _TRANSCRIBE),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", _UNPACK),
    (0, b"\x7fELF", "a program for Linux", _NOT_A_DOCUMENT),
    (0, b"\xcf\xfa\xed\xfe", "a program for macOS", _NOT_A_DOCUMENT),
    (0, b"\xca\xfe\xba\xbe", "a Java class or a program for macOS", _NOT_A_DOCUMENT),
    (0, b"\x00asm", "a WebAssembly program", _NOT_A_DOCUMENT),
    (0, b"SQLite format 3\x00", "an SQLite database", _NOT_A_DOCUMENT),
    (0, b"PAR1", "a Parquet table", _NOT_A_DOCUMENT),
    (0, b"GGUF", "a language model", _NOT_A_DOCUMENT),
    (0, b"{\\rtf", "a Rich Text (RTF) document", _CONVERT),
    (0, b"%!PS", "a PostScript document", _CONVERT),
    (
        0,
        bytes.fromhex("d0cf11e0a1b11ae1"),
        "an Office file from before 2007 (.doc, .xls, .ppt, .msg)",
        _CONVERT,
    ),
)
_ZIP = b"PK\x03\x04"
_ZIP_CONTENTS = (
    ("xl/workbook.xml", "an Excel workbook"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
    ("META-INF/container.xml", "an EPUB book"),
    ("content.xml", "an OpenDocument file (.odt, .ods, .odp)"),
)
_WORD_PART = "word/document.xml"
_PDF_HEADER = re.compile(rb"%PDF-\d")
_PDF_HEADER_WITHIN = 1024
_WINDOWS_PROGRAM = b"MZ"
_SAMPLE_BYTES = 65_536
_MOST_CONTROL_BYTES = 0.03
_CONTROL_BYTES = bytes({*range(32), 0x7F} - set(b"\t\n\r\f\x1b"))


def detect_signature(data: bytes, *, name: str) -> MediaType | None:
    """PDF or DOCX by their first bytes; None for what may be text.

    Raises:
        UnsupportedType: If the bytes are a known format that nothing reads.
        EncryptedDocument: If they are an Office file with a password.
    """
    header = _PDF_HEADER.search(data[:_PDF_HEADER_WITHIN])
    if header and (header.start() == 0 or name.lower().endswith(".pdf") or is_binary(data)):
        return MediaType.PDF
    if data.startswith(_ZIP):
        return _zip_type(data)
    if is_encrypted_office(data):
        raise EncryptedDocument("the Office file asks for a password; save a copy without one")
    for offset, signature, what, advice in _SIGNATURES:
        if data.startswith(signature, offset):
            raise _unsupported(what, advice)
    if data.startswith(_WINDOWS_PROGRAM) and is_binary(data):
        raise _unsupported("a program for Windows", _NOT_A_DOCUMENT)
    return None


def refuse_binary(data: bytes) -> None:
    """Refuse bytes that are no text in any 8-bit encoding.

    Raises:
        UnsupportedType: If too many of the bytes are control characters.
    """
    if is_binary(data):
        raise _unsupported("binary data", _CONVERT)


def is_binary(data: bytes) -> bool:
    """Whether the beginning holds more control characters than any text does."""
    sample = data[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _CONTROL_BYTES))
    return controls > _MOST_CONTROL_BYTES * len(sample)


def _zip_type(data: bytes) -> MediaType:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = frozenset(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        if _WORD_PART.encode() in data:
            return MediaType.DOCX  # cut short: its parser says so
        raise _unsupported("a ZIP archive that is cut short", _UNPACK) from None
    if _WORD_PART in names:
        return MediaType.DOCX
    for part, what in _ZIP_CONTENTS:
        if part in names:
            raise _unsupported(what, _CONVERT)
    raise _unsupported("a ZIP archive", _UNPACK)


def _unsupported(what: str, advice: str) -> UnsupportedType:
    return UnsupportedType(f"this looks like {what}, which is not read here; {advice}")

"""Word files (.docx): headings, paragraphs, lists and tables from the XML inside."""

import io
import zipfile
import zlib
from typing import Any

import docx
from docx.opc.exceptions import OpcError
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from lxml import etree

from ingest.document import ParsedDocument
from ingest.errors import DamagedFile, UnpacksTooLarge
from ingest.formats.docx_body import BodyReader
from ingest.formats.docx_styles import StyleSheet
from ingest.formats.titles import choose_title

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MAX_ENTRIES = 10_000
_MAX_XML_BYTES = 64 * 2**20
_MAX_RATIO = 100  # prose in XML reaches 30, wide tables 60
_RATIO_FROM_BYTES = 8 * 2**20  # smaller ones harm nobody
_XML_NAMES = (".xml", ".rels")
_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_DECLARATIONS = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_DAMAGED = 'the file is cut short or is not a Word document; save it as "Word document (.docx)" again'


def is_encrypted_office(data: bytes) -> bool:
    """Whether the bytes are an Office file with a password: an OLE container around encrypted content."""
    return data.startswith(_COMPOUND_FILE) and _ENCRYPTED_STREAM in data


def parse_docx(data: bytes, *, name: str) -> ParsedDocument:
    """Read a Word file's text in reading order.

    Args:
        data: The file.
        name: The file's name, for a title where the file has none.

    Raises:
        DamagedFile: If the file is cut short, is no Word file, or declares XML entities.
        UnpacksTooLarge: If it unpacks to far more than a document holds.
        EmptyFile: If it holds no text.
    """
    package = _open(_safe_package(data))
    reader = BodyReader(StyleSheet(package.styles.element), _read_notes(package.part))
    reader.read(package.element.body)
    stated = reader.title or str(package.core_properties.title)
    title = choose_title(stated=stated, first_heading=reader.first_heading, name=name)
    return reader.builder.build(media_type=MEDIA_TYPE, title=title)


def _open(package: io.BytesIO) -> Any:
    try:
        document = docx.Document(package)
    except (OpcError, etree.XMLSyntaxError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedFile(_DAMAGED) from error
    if document.element.body is None:
        raise DamagedFile(_DAMAGED)
    return document


def _read_notes(part: Any) -> dict[tuple[str, str], Any]:
    """Footnotes and endnotes by kind and id; those with a type are separators, not text."""
    notes: dict[tuple[str, str], Any] = {}
    for relation in part.rels.values():
        kind = relation.reltype.rpartition("/")[2].removesuffix("s")
        if kind in {"footnote", "endnote"} and not relation.is_external:
            root = _parse_part(relation.target_part.blob)
            notes |= {
                (kind, note.get(qn("w:id"))): note
                for note in root.iterchildren(qn(f"w:{kind}"))
                if note.get(qn("w:type")) is None
            }
    return notes


def _parse_part(content: bytes) -> Any:
    try:
        return parse_xml(content)
    except etree.XMLSyntaxError as error:
        raise DamagedFile(_DAMAGED) from error


def _safe_package(data: bytes) -> io.BytesIO:
    """The file's XML parts in a new archive; pictures and all else that is not read are left empty.

    The directory of an archive can state false sizes. So every part is unpacked here, under a limit,
    and nothing later unpacks the original.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_bomb(archive.infolist(), packed_bytes=len(data))
            parts = _unpack(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise DamagedFile(_DAMAGED) from error
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as copy:
        for part_name, content in parts.items():
            copy.writestr(part_name, content)
    package.seek(0)
    return package


def _refuse_bomb(entries: list[zipfile.ZipInfo], *, packed_bytes: int) -> None:
    stated_bytes = sum(entry.file_size for entry in entries)
    is_bomb = stated_bytes > max(packed_bytes * _MAX_RATIO, _RATIO_FROM_BYTES)
    if is_bomb or len(entries) > _MAX_ENTRIES:
        raise UnpacksTooLarge(
            f"the file of {packed_bytes:,} bytes unpacks to {stated_bytes:,} bytes, {len(entries):,} parts; "
            "no document holds so much, save it again with Word"
        )


def _unpack(archive: zipfile.ZipFile) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    left = _MAX_XML_BYTES
    for entry in archive.infolist():
        content = b""
        if entry.filename.lower().endswith(_XML_NAMES):
            with archive.open(entry) as stream:
                content = stream.read(left + 1)
        left -= len(content)
        if left < 0:
            raise UnpacksTooLarge(f"the file holds more than {_MAX_XML_BYTES:,} bytes of text; split it")
        if any(declaration in content for declaration in _DECLARATIONS):
            raise DamagedFile(
                f"{entry.filename} declares XML entities, which Word never writes; save it again"
            )
        parts[entry.filename] = content
    return parts

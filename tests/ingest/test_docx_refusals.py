import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest

from ingest.errors import DamagedFile, UnpacksTooLarge
from ingest.formats.docx import is_encrypted_office, parse_docx


def saved(document: Any) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, change(content) if entry.filename == name else content)
    return stream.getvalue()


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_damaged(part: float) -> None:
    data = saved(docx.Document())
    with pytest.raises(DamagedFile):
        parse_docx(data[: int(len(data) * part)], name="x.docx")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("word/document.xml", lambda xml: xml[:-20]),
        ("word/document.xml", lambda _: b""),
        ("word/document.xml", lambda xml: xml.replace(b"w:body", b"w:bode")),
        ("word/styles.xml", lambda xml: xml[:1000]),
        ("[Content_Types].xml", lambda xml: xml.replace(b"wordprocessingml", b"spreadsheetml")),
        ("_rels/.rels", lambda xml: xml.replace(b"word/document.xml", b"word/nothing.xml")),
    ],
)
def test_broken_parts_are_damage(name: str, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DamagedFile):
        parse_docx(with_part(saved(docx.Document()), name, change), name="x.docx")


def test_an_archive_that_is_no_word_file_is_damaged() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(DamagedFile):
        parse_docx(stream.getvalue(), name="x.docx")


def test_flipped_bytes_in_a_part_are_damage() -> None:
    data = bytearray(saved(docx.Document()))
    place = data.index(b"word/document.xml") + 100
    data[place : place + 40] = bytes(40)
    with pytest.raises(DamagedFile):
        parse_docx(bytes(data), name="x.docx")


def test_entities_are_refused() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    declaration = f'<?xml version="1.0"?><!DOCTYPE w:document [{laughs}]>'.encode()
    document = docx.Document()
    document.add_paragraph("PLACE")
    data = with_part(
        saved(document),
        "word/document.xml",
        lambda xml: declaration + xml[xml.index(b"<w:document") :].replace(b"PLACE", b"&l9;"),
    )
    with pytest.raises(DamagedFile, match="entities"):
        parse_docx(data, name="x.docx")


def test_a_bomb_is_refused_by_what_its_directory_states() -> None:
    data = with_part(saved(docx.Document()), "word/document.xml", lambda _: b" " * 30_000_000)
    assert len(data) < 200_000
    with pytest.raises(UnpacksTooLarge, match="unpacks to"):
        parse_docx(data, name="x.docx")


def test_a_bomb_whose_directory_lies_is_not_unpacked() -> None:
    data = with_part(saved(docx.Document()), "word/document.xml", lambda _: b" " * 30_000_000)
    lying = data.replace(struct.pack("<I", 30_000_000), struct.pack("<I", 2_000))
    with pytest.raises(DamagedFile):
        parse_docx(lying, name="x.docx")


def test_too_many_parts_are_refused() -> None:
    stream = io.BytesIO(saved(docx.Document()))
    with zipfile.ZipFile(stream, "a") as archive:
        for number in range(10_001):
            archive.writestr(f"word/media/{number}.txt", b"")
    with pytest.raises(UnpacksTooLarge):
        parse_docx(stream.getvalue(), name="x.docx")


def test_much_text_in_incompressible_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.formats.docx._MAX_XML_BYTES", 100_000)
    with pytest.raises(UnpacksTooLarge, match="split it"):
        parse_docx(saved(docx.Document()), name="x.docx")


def test_an_encrypted_office_file_is_recognised() -> None:
    container = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)
    assert is_encrypted_office(container + "EncryptedPackage".encode("utf-16-le") + bytes(50))
    assert not is_encrypted_office(container + "WordDocument".encode("utf-16-le"))
    assert not is_encrypted_office(saved(docx.Document()))

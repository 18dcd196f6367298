"""Files that can't be taken in, as real bytes, made here."""

import io
import zipfile
from collections.abc import Mapping

from docx import Document
from fpdf import FPDF
from fpdf.enums import AccessPermission
from PIL import Image


def scanned_pdf() -> bytes:
    """A page that is nothing but a picture."""
    pdf = FPDF()
    pdf.add_page()
    pdf.image(Image.new("RGB", (60, 60), "grey"), x=10, y=10, w=150)
    return bytes(pdf.output())


def encrypted_pdf() -> bytes:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    pdf.cell(text="A secret text.")
    pdf.set_encryption(owner_password="owner", user_password="user", permissions=AccessPermission.none())
    return bytes(pdf.output())


def docx(text: str = "A paragraph of a document. " * 50) -> bytes:
    document = Document()
    document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def truncated_docx() -> bytes:
    data = docx()
    return data[: len(data) // 2]


def zip_bomb_docx() -> bytes:
    """A document part of 400 MB of one letter, in a file of under a megabyte."""
    source = zipfile.ZipFile(io.BytesIO(docx()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in source.namelist():
            content = source.read(name)
            if name == "word/document.xml":
                content = content.replace(b"A paragraph", b"A" * 400_000_000, 1)
            bomb.writestr(name, content)
    return buffer.getvalue()


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def bad_files() -> Mapping[str, tuple[bytes, str]]:
    """File name to its bytes, and a word that the error must have."""
    return {
        "empty.md": (b"", "no bytes"),
        "blank.txt": (b" \n\t\n", "empty"),
        "scanned.pdf": (scanned_pdf(), "OCR"),
        "encrypted.pdf": (encrypted_pdf(), "password"),
        "truncated.docx": (truncated_docx(), "cut short|damaged|incomplete|truncated"),
        "bomb.docx": (zip_bomb_docx(), "unpack"),
        "invalid.txt": ("Grüße aus Köln ".encode() * 20 + b"\xff\xc3\x28\x81 end", "UTF-8|encoding"),
        "picture.png": (png(), "PNG"),
        "nested.html": (b"<div>" * 50_000 + b"deep" + b"</div>" * 50_000, "nest|deep"),
    }

"""The types of file that are read."""

from enum import StrEnum


class MediaType(StrEnum):
    """A media type, as ``ParsedDocument.media_type`` gives it."""

    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    NOTEBOOK = "application/x-ipynb+json"
    PAIRS = "application/x-footnote-pairs+jsonl"
    PDF = "application/pdf"
    PLAIN = "text/plain"
    RESTRUCTUREDTEXT = "text/x-rst"
    SUBRIP = "application/x-subrip"
    WEBVTT = "text/vtt"

"""Which of a file's several titles to believe."""

import re
from pathlib import PurePath

from ingest.document import clean_text

_MAX_CHARACTERS = 200
_PLACEHOLDER = re.compile(
    r"(untitled|no title|title|word document|document|presentation)[ _-]?\d*", re.IGNORECASE
)
_FILE_NAME = re.compile(r"\S+\.(docx?|odt|rtf|pdf|tex|dvi|html?|txt|indd|qxd|pptx?|xlsx?)", re.IGNORECASE)
_APPLICATION = re.compile(r"^microsoft \w+ - ", re.IGNORECASE)


def choose_title(*, stated: str, first_heading: str, name: str) -> str:
    """The title that a reader would give to a PDF or Word document; never empty.

    Args:
        stated: The title in the file's metadata. Office programs leave placeholders and file names
            there; those are passed over.
        first_heading: The text of the first heading, or empty.
        name: The file's name.
    """
    for candidate in (_without_placeholder(stated), first_heading):
        title = " ".join(clean_text(candidate).split())
        if 0 < len(title) <= _MAX_CHARACTERS:
            return title
    return " ".join(re.sub(r"[_\s]+", " ", clean_text(PurePath(name).stem)).split()) or "Untitled"


def _without_placeholder(stated: str) -> str:
    title = _APPLICATION.sub("", stated.strip())
    is_placeholder = _PLACEHOLDER.fullmatch(title) or _FILE_NAME.fullmatch(title)
    return "" if is_placeholder else title

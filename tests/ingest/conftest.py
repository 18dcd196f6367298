"""How tests of the parsers look at a document."""

from collections.abc import Callable

import pytest

from ingest.document import BlockKind, ParsedDocument


def _outline(document: ParsedDocument) -> list[str]:
    lines = []
    for block in document.blocks:
        kind = f"{block.kind.value}{block.level or ''}"
        lines.append(f"{kind}: {document.text[block.start : block.end]}")
    return lines


def _check_promises(document: ParsedDocument) -> None:
    assert document.title
    assert document.title == document.title.strip()
    assert "\x00" not in document.text
    assert "\r" not in document.text
    assert document.blocks
    end = 0
    for block in document.blocks:
        text = document.text[block.start : block.end]
        assert text
        assert text == text.strip()
        assert block.start >= end
        assert not document.text[end : block.start].strip()
        assert (block.level > 0) == (block.kind is BlockKind.HEADING)
        end = block.end
    assert not document.text[end:].strip()


@pytest.fixture(scope="session")
def outline() -> Callable[[ParsedDocument], list[str]]:
    """A document's blocks, each as ``kind: text``, headings with their level."""
    return _outline


@pytest.fixture(scope="session")
def check_promises() -> Callable[[ParsedDocument], None]:
    """Fails where a document breaks a promise of `ParsedDocument`."""
    return _check_promises

"""The passages that are shown to the generator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One passage as the generator sees it and as a citation points at it.

    Attributes:
        passage_id: Id of the passage.
        title: Title of the document.
        heading_path: Headings above the passage, outermost first.
        text: The passage's text, exactly as in the document.
        score: Cosine of question and passage in [-1, 1]; larger is better.
    """

    passage_id: str
    title: str
    heading_path: tuple[str, ...]
    text: str
    score: float

"""The growing text of an answer: sentences put together, citations numbered."""

from collections.abc import Sequence

from generator.answers import AnswerPart, AnswerSentence, Citation
from generator.evidence import Evidence
from generator.sentences import SpanKind
from generator.support import Verdict


class Footnotes:
    """Puts checked sentences together and numbers their citations by first appearance.

    A citation is a quote: the same stretch of the same passage keeps its number, another stretch of
    that passage gets its own.
    """

    def __init__(self) -> None:
        self._parts: list[AnswerPart] = []
        self._length = 0
        self._last_kind: SpanKind | None = None
        self._citations: dict[tuple[str, int, int], Citation] = {}

    @property
    def parts(self) -> tuple[AnswerPart, ...]:
        """What was added so far."""
        return tuple(self._parts)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(part.text for part in self._parts)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The citations so far, by number."""
        return tuple(self._citations.values())

    def add(
        self,
        sentence: str,
        quotes: Sequence[tuple[Evidence, int, int]],
        *,
        support: float,
        kind: SpanKind,
        opens_paragraph: bool,
        verdict: Verdict = Verdict.SUPPORTED,
    ) -> AnswerPart:
        """Append a sentence with its quotes.

        Args:
            sentence: The sentence without markers.
            quotes: Evidence and the offsets of the quote in its text; at least one.
            support: Share of the sentence's content that the quotes mention.
            kind: List items stand on lines of their own, code in paragraphs of its own.
            opens_paragraph: Whether a paragraph begins here.
            verdict: Whether the quotes carry the sentence.

        Returns:
            What was added.
        """
        known = len(self._citations)
        numbers = tuple(dict.fromkeys(self._number(*quote) for quote in quotes))
        gap = self._gap(kind, opens_paragraph=opens_paragraph)
        markers = ("\n" if kind is SpanKind.CODE else " ") + "".join(f"[{number}]" for number in numbers)
        start = self._length + len(gap)
        shown = AnswerSentence(start, start + len(sentence), numbers, verdict, support)
        part = AnswerPart(gap + sentence + markers, shown, self.citations[known:])
        self._parts.append(part)
        self._length += len(part.text)
        self._last_kind = kind
        return part

    def _number(self, evidence: Evidence, start: int, end: int) -> int:
        key = (evidence.passage_id, start, end)
        if key not in self._citations:
            number = len(self._citations) + 1
            self._citations[key] = Citation(number, evidence.passage_id, start, end, evidence.text[start:end])
        return self._citations[key].number

    def _gap(self, kind: SpanKind, *, opens_paragraph: bool) -> str:
        """The white space before the next sentence."""
        if self._last_kind is None:
            return ""
        if SpanKind.CODE in {kind, self._last_kind}:
            return "\n\n"
        if kind is SpanKind.ITEM:
            return "\n"
        return "\n\n" if opens_paragraph or self._last_kind is SpanKind.ITEM else " "

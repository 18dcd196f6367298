"""Answers in a person's own words: an approved pair given out as it is, with its evidence as footnotes."""

from collections.abc import Sequence

from generator.answers import Answer, AnswerOrigin, AnswerPart, AnswerStatus
from generator.evidence import Evidence
from generator.footnotes import Footnotes
from generator.passages import read_passage
from generator.sentences import SpanKind, split_sentences
from generator.support import SupportConfig, Verdict, check_support


def curated_answer(
    text: str, evidence: Sequence[Evidence], *, similarity: float, config: SupportConfig
) -> tuple[Answer, tuple[AnswerPart, ...]]:
    """An approved pair's answer, every sentence with a footnote and an honest verdict.

    A sentence cites each piece of evidence that carries it alone, else all of them. Nothing is dropped,
    since a person stands for these words; a sentence that no evidence carries is marked unsupported.

    Args:
        text: The pair's answer; not empty.
        evidence: What it rests on, each piece quoted whole; at least one.
        similarity: How near the question is to the pair's, in [0, 1]: the answer's confidence.
        config: When a sentence counts as supported.

    Returns:
        The answer, and the parts that it is made of.
    """
    passages = [read_passage(one) for one in evidence]
    footnotes, end = Footnotes(), 0
    for span in split_sentences(text):
        sentence = text[span.start : span.end]
        checks = [check_support(sentence, [one], kind=span.kind, config=config) for one in passages]
        carrying = [one for one, check in zip(evidence, checks, strict=True) if check.supported]
        together = check_support(sentence, passages, kind=span.kind, config=config)
        is_carried = bool(carrying) or together.supported or span.kind is SpanKind.HEADING
        footnotes.add(
            sentence,
            [(one, 0, len(one.text)) for one in carrying or evidence],
            support=max([together.score, *(check.score for check in checks)]),
            kind=span.kind,
            opens_paragraph="\n\n" in text[end : span.start],
            verdict=Verdict.SUPPORTED if is_carried else Verdict.UNSUPPORTED,
        )
        end = span.end
    answer = Answer(
        status=AnswerStatus.ANSWERED,
        text=footnotes.text,
        sentences=tuple(part.sentence for part in footnotes.parts),
        citations=footnotes.citations,
        confidence=similarity,
        origin=AnswerOrigin.CURATED,
        dropped=(),
    )
    return answer, footnotes.parts

"""Transcripts of recordings, WebVTT and SubRip: cues joined to paragraphs that keep their times."""

import html
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from ingest.document import BlockKind, DocumentBuilder, ParsedDocument
from ingest.errors import DamagedFile
from ingest.formats.titles import choose_title
from ingest.formats.writer import single_line
from ingest.media_types import MediaType

_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?[ \t]+(?P<name>[^<>]{1,200})>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_SENTENCE_END = re.compile(r"[.?!…][\"'”\u2019)]*$")
_PAUSE_SECONDS = 2.0
_CONTIGUOUS_SECONDS = 0.1
_PARAGRAPH_WORDS = 60
_LONGEST_PARAGRAPH_WORDS = 100
_ROLLING_LINES = 3


@dataclass(frozen=True, slots=True)
class _Utterance:
    """A line that someone says, with its cue's times."""

    start: float
    end: float
    speaker: str
    text: str


def parse_vtt(text: str, *, name: str) -> ParsedDocument:
    """Read a WebVTT transcript.

    Raises:
        DamagedFile: If the timings do not follow the format.
        EmptyFile: If no cue holds any text.
    """
    try:
        captions = webvtt.from_string(text)
    except (MalformedFileError, MalformedCaptionError) as error:
        raise _damaged("WebVTT", error) from error
    header = str(captions.header_text).strip(" -")
    return _document(captions.captions, media_type=MediaType.WEBVTT, title=header, name=name)


def parse_srt(text: str, *, name: str) -> ParsedDocument:
    """Read a SubRip transcript.

    Raises:
        DamagedFile: If the timings do not follow the format.
        EmptyFile: If no cue holds any text.
    """
    try:
        captions = webvtt.from_buffer(io.StringIO(text), format="srt")
    except (MalformedFileError, MalformedCaptionError) as error:
        raise _damaged("SubRip", error) from error
    return _document(captions.captions, media_type=MediaType.SUBRIP, title="", name=name)


def _damaged(format_name: str, error: Exception) -> DamagedFile:
    return DamagedFile(
        f"the captions do not follow the {format_name} format ({error}); export the transcript again"
    )


def _document(
    captions: Iterable[webvtt.Caption], *, media_type: MediaType, title: str, name: str
) -> ParsedDocument:
    builder = DocumentBuilder()
    for paragraph in _paragraphs(_without_repeats(_utterances(captions))):
        builder.add(BlockKind.PARAGRAPH, paragraph.text, seconds=(paragraph.start, paragraph.end))
    chosen = choose_title(stated=title, first_heading="", name=name)
    return builder.build(media_type=media_type, title=chosen)


def _utterances(captions: Iterable[webvtt.Caption]) -> Iterator[_Utterance]:
    for caption in captions:
        start = caption.start_time.in_milliseconds() / 1000
        end = max(start, caption.end_time.in_milliseconds() / 1000)
        speaker = ""
        for line in caption.raw_text.split("\n"):
            for speaker, words in _voices(line, speaker):  # noqa: B020  a voice lasts to the next
                yield _Utterance(start, end, speaker, words)


def _voices(line: str, speaker: str) -> list[tuple[str, str]]:
    """A line's parts by who says them; `speaker` is who was speaking before it."""
    before, *others = _VOICE.split(line)
    pairs = [(speaker, before), *zip(others[::2], others[1::2], strict=True)]
    spoken = [(single_line(name), single_line(html.unescape(_TAG.sub("", words)))) for name, words in pairs]
    return [pair for pair in spoken if pair[1]]


def _without_repeats(utterances: Iterable[_Utterance]) -> Iterator[_Utterance]:
    """Leave out lines that captions carry along: each cue of a rolling caption repeats the last lines."""
    recent: list[_Utterance] = []
    for utterance in utterances:
        rolling = [before for before in recent if utterance.start <= before.end + _CONTIGUOUS_SECONDS]
        fresh = _fresh_part(utterance.text, [before.text for before in rolling])
        seen = _Utterance(utterance.start, utterance.end, utterance.speaker, utterance.text)
        recent = [*recent, seen][-_ROLLING_LINES:]
        if fresh:
            yield _Utterance(utterance.start, utterance.end, utterance.speaker, fresh)


def _fresh_part(text: str, shown: list[str]) -> str:
    """What a line adds to the lines still shown: nothing, its end where it grew, or all of it."""
    if text in shown:
        return ""
    grown = [before for before in shown if text.startswith(f"{before} ")]
    return text[len(max(grown, key=len)) :].strip() if grown else text


@dataclass(slots=True)
class _Paragraph:
    """Utterances of one speaker that are read as one."""

    start: float
    end: float
    speaker: str
    parts: list[str] = field(default_factory=list)
    words: int = 0

    @property
    def text(self) -> str:
        spoken = " ".join(self.parts)
        return f"{self.speaker}: {spoken}" if self.speaker else spoken

    def add(self, utterance: _Utterance) -> None:
        self.parts.append(utterance.text)
        self.words += len(utterance.text.split())
        self.end = max(self.end, utterance.end)

    def ends_before(self, utterance: _Utterance) -> bool:
        """Whether the next utterance begins a new paragraph."""
        is_apart = utterance.speaker != self.speaker or utterance.start - self.end >= _PAUSE_SECONDS
        is_full = self.words >= _PARAGRAPH_WORDS and bool(_SENTENCE_END.search(self.parts[-1]))
        return is_apart or is_full or self.words >= _LONGEST_PARAGRAPH_WORDS


def _paragraphs(utterances: Iterable[_Utterance]) -> Iterator[_Paragraph]:
    current: _Paragraph | None = None
    for utterance in utterances:
        if current is None or current.ends_before(utterance):
            if current is not None:
                yield current
            current = _Paragraph(utterance.start, utterance.end, utterance.speaker)
        current.add(utterance)
    if current is not None:
        yield current
